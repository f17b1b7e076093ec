"""What a model is given and what comes back: prompts, streaming of broken characters, long conversations."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from trivium.base.errors import RunError, UserError
from trivium.base.words import Message
from trivium.journey.assistant import Assistant, load

END, TURN = 256, 257  # of a document, of a turn


class Bytes:
    """A tokenizer whose tokens are bytes, and numbers above for the marks."""

    end_of_text = END

    def encode(self, text: str) -> list[int]:
        return list(text.encode())

    def decode(self, ids: Sequence[int]) -> str:
        return bytes(token for token in ids if token < 256).decode("utf-8", errors="replace")

    def render(self, messages: Sequence[Message], add_generation_prompt: bool = False) -> Any:
        ids = [token for message in messages for token in (*f"{message.role[0]} {message.content}".encode(), TURN)]
        return SimpleNamespace(ids=ids + ([ord("a")] if add_generation_prompt else []))


class Model:
    """Says `reply`, a byte at a time; remembers what it was given."""

    tokenizer = Bytes()

    def __init__(self, reply: str, limit: int = 1000) -> None:
        self.reply, self.model = reply, SimpleNamespace(shape=SimpleNamespace(max_positions=limit))
        self.given: list[list[int]] = []

    def stream(self, prompt: list[int], *, max_new_tokens: int, temperature: float, seed: int) -> Iterator[int]:
        self.given.append(prompt)
        yield from self.reply.encode()[:max_new_tokens]


def assistant(reply: str, *, answers: bool = True, limit: int = 1000) -> tuple[Assistant, Model]:
    model = Model(reply, limit)
    return Assistant("align" if answers else "pretrain", model, answers=answers), model  # type: ignore[arg-type]


def test_an_answer_loses_the_template_s_space_and_keeps_the_others() -> None:
    talker, model = assistant(" two  words\n")
    assert talker.chat("hello") == "two  words"
    assert "".join(talker.stream("hello")) == "two  words\n"
    assert model.given[0] == [*b"u hello", TURN, ord("a")]


def test_characters_of_several_tokens_are_never_shown_broken() -> None:
    talker, _ = assistant(" häß🙂!")
    pieces = list(talker.stream("x"))
    assert pieces == ["h", "ä", "ß", "🙂", "!"]
    cut, _ = assistant("ä")
    assert "".join(cut.stream("x", max_new_tokens=1)) == "\ufffd"


def test_messages_are_given_as_they_are_and_wrong_ones_refused() -> None:
    talker, model = assistant("ok")
    talker.chat([{"role": "system", "content": "s"}, Message("user", "u")])
    assert model.given[0] == [*b"s s", TURN, *b"u u", TURN, ord("a")]
    for wrong in ([{"role": "robot", "content": "x"}], [{"role": "user"}], [{"role": "user", "content": 3}]):
        with pytest.raises(UserError, match="is no message; give role"):
            talker.chat(wrong)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="ends with what the user says"):
        talker.chat([Message("assistant", "x")])
    with pytest.raises(UserError, match="ends with what the user says"):
        talker.chat([])


def test_a_pretrained_model_continues_a_document() -> None:
    talker, model = assistant(" upon a time", answers=False)
    assert talker.complete("Once") == " upon a time"
    assert "".join(talker.stream("Once")) == " upon a time"
    assert model.given == [[END, *b"Once"]] * 2
    assert talker.chat([Message("user", "a"), Message("assistant", "b"), Message("user", "Once")]) == "upon a time"
    assert model.given[2] == [END, *b"Once"]


def test_a_conversation_that_is_too_long_loses_its_oldest_turns_only() -> None:
    talker, model = assistant("ok", limit=60)
    turns = [Message("user" if n % 2 == 0 else "assistant", f"turn {n}") for n in range(11)]
    talker.chat([Message("system", "be"), *turns], max_new_tokens=10)
    text = bytes(token if token < 256 else 10 for token in model.given[0]).decode().splitlines()
    assert text[0] == "s be"
    assert text[-2:] == ["u turn 10", "a"]
    assert len(model.given[0]) <= 50
    assert "a turn 9" in text
    assert "u turn 0" not in text


def test_a_long_text_is_continued_from_its_end() -> None:
    talker, model = assistant("ok", answers=False, limit=40)
    talker.complete("x" * 100 + "end", max_new_tokens=10)
    assert model.given[0] == [*b"x" * 27, *b"end"]


def test_loading_names_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run"):
        load(tmp_path / "none")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunError, match="has no stages"):
        load(tmp_path, "pretrain")
