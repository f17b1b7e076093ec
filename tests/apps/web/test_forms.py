"""Answers of a form that the caller gives, through the official `openai` client: followed, refused, and failing alone."""

from __future__ import annotations

import concurrent.futures
import json
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.apps.web.models import Served, serving, slowed
from tests.apps.web.site import Client

pytest.importorskip("llguidance", reason="the serve extra is not installed: pip install 'trivium-lm[serve]'")

ASK = [{"role": "user", "content": "Tell me a story."}]


SCHEMA = {
    "type": "object",
    "properties": {
        "mood": {"enum": ["good", "bad"]},
        "sure": {"type": "boolean"},
        "name": {"type": "string", "maxLength": 9},
    },
    "required": ["mood", "sure", "name"],
    "additionalProperties": False,
}


def form(schema: dict[str, Any]) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema, "strict": True}}


@pytest.mark.parametrize("stream", [False, True])
def test_a_schema_is_followed_also_beside_others(client: Any, stream: bool) -> None:

    def ask(number: int) -> tuple[str, str]:
        given = {"response_format": form(SCHEMA)} if number % 2 else {}
        how = {"model": "align", "messages": ASK, "temperature": 1.0, "seed": number, "max_tokens": 120, **given}
        if not stream:
            (choice,) = client.chat.completions.create(**how).choices
            return choice.message.content, choice.finish_reason
        pieces = [piece.choices[0] for piece in client.chat.completions.create(**how, stream=True)]
        return "".join(piece.delta.content or "" for piece in pieces), pieces[-1].finish_reason

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(12)))
    assert [finish for _, finish in answers[1::2]] == ["stop"] * 6
    for text, _ in answers[1::2]:
        found = json.loads(text)
        assert set(found) == {"mood", "sure", "name"} and found["mood"] in ("good", "bad")
        assert isinstance(found["sure"], bool) and len(found["name"]) <= 9
    assert answers[0] == ask(0)  # what has no schema is as it is alone


@pytest.mark.parametrize(
    "given",
    [
        form({"type": "nothing"}),
        form({"type": "string", "minLength": 5, "maxLength": 2}),
        form({"enum": []}),
        form({"$ref": "#/nowhere"}),
        {"type": "json_schema"},
        {"type": "json_object", "json_schema": {"name": "x", "schema": {}}},
    ],
)
def test_a_schema_that_cannot_be_satisfied_is_refused(api: Served, given: dict[str, Any]) -> None:
    body = {"model": "align", "messages": ASK, "response_format": given}
    status, content, _ = Client(api.port).ask("POST", "/v1/chat/completions", body)
    assert status == 400 and content["error"]["param"].startswith("response_format")


def test_a_grammar_that_fails_takes_only_its_own_answer_with_it(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trivium.generate.constraints import Followed

    def broken(self: Any, token: int) -> None:
        raise RuntimeError("out of steps")

    with serving(run) as server:
        slowed(server)
        client = server.client()
        alone = client.completions.create(model="align", prompt="Anna", max_tokens=20, seed=1)
        monkeypatch.setattr(Followed, "advance", broken)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            other = pool.submit(client.completions.create, model="align", prompt="Anna", max_tokens=20, seed=1)
            with pytest.raises(openai.BadRequestError, match="could not be followed to its end"):
                client.chat.completions.create(model="align", messages=ASK, response_format=form(SCHEMA))
            assert other.result().choices[0].text == alone.choices[0].text
    assert "out of steps" in capsys.readouterr().err
