"""Whatever the model would rather say, a constrained answer has the form that was asked for."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from tests.model.shapes import SHAPE, random_model
from trivium.base.errors import MissingExtra, UserError
from trivium.generate.engine import Engine, Request
from trivium.generate.sampling import Sampling
from trivium.tokenizer import Tokenizer, train

pytest.importorskip("llguidance")
from trivium.generate.constraints import Grammars

SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"enum": ["fox", "owl"]},
        "age": {"type": "integer", "minimum": 3, "maximum": 12},
        "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 2},
    },
    "required": ["name", "age", "tags"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train(['the fox and the owl, 12 years: {"name": true}\n'] * 20, 280)


def answers(tokenizer: Tokenizer, grammar: object, count: int = 12) -> list[str]:
    """Sampled at a high temperature from a model that knows nothing, beside rows that are free."""
    model = random_model(replace(SHAPE, vocab_size=tokenizer.vocab_size + 7, max_positions=200))
    engine = Engine(model, [tokenizer.end_of_turn], slots=6)
    asked = [Request((1, 2, 3), grammar=grammar if number % 2 else None, seed=number) for number in range(2 * count)]  # type: ignore[arg-type]
    rows = [row for (row,) in engine.run(asked, Sampling(150, 1.5), 0)][1::2]
    assert all(row.ended for row in rows)
    return [tokenizer.decode(row.tokens) for row in rows]


def test_json_satisfies_its_schema(tokenizer: Tokenizer) -> None:
    import jsonschema

    found = answers(tokenizer, Grammars(tokenizer, tokenizer.end_of_turn).json(SCHEMA))
    for text in found:
        jsonschema.validate(json.loads(text), SCHEMA)
    assert len(set(found)) > 4


def test_a_regular_expression_matches_the_whole(tokenizer: Tokenizer) -> None:
    found = answers(tokenizer, Grammars(tokenizer, tokenizer.end_of_turn).regex(r"[a-c]{2,4}-[0-9]+\.[0-9]"))
    assert all(re.fullmatch(r"[a-c]{2,4}-[0-9]+\.[0-9]", text) for text in found)


def test_a_choice_is_one_of_the_texts(tokenizer: Tokenizer) -> None:
    texts = ["fox", "fox and owl", 'a "quoted" \\ one', "naïve\nline"]
    found = answers(tokenizer, Grammars(tokenizer, tokenizer.end_of_turn).choice(texts), 20)
    assert set(found) <= set(texts) and len(set(found)) > 1


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "enum": [1, 2]},
        {"type": "object", "properties": {"a": False}, "required": ["a"]},
        {"type": "integer", "minimum": 5, "maximum": 3},
        {"type": "no such type"},
    ],
)
def test_a_schema_that_cannot_be_satisfied_is_refused(tokenizer: Tokenizer, schema: dict[str, object]) -> None:
    with pytest.raises(UserError, match=r"^the JSON schema cannot be followed: [^\n]+; change it, or ask without it$"):
        Grammars(tokenizer, tokenizer.end_of_turn).json(schema)


def test_what_is_no_constraint_is_refused(tokenizer: Tokenizer) -> None:
    grammars = Grammars(tokenizer, tokenizer.end_of_turn)
    with pytest.raises(UserError, match=r"the regular expression '\(a' cannot be followed"):
        grammars.regex("(a")
    for texts in ([], ["a", ""]):
        with pytest.raises(UserError, match="give one text or more, none of them empty"):
            grammars.choice(texts)


def test_without_the_library_the_pip_line_is_told(tokenizer: Tokenizer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "llguidance", None)
    with pytest.raises(MissingExtra, match=r"pip install 'trivium-lm\[serve\]'"):
        Grammars(tokenizer, tokenizer.end_of_turn)
