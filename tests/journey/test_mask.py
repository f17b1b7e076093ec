"""`--show-mask` shows what fine-tuning learns: the assistant's words and the end of its turn, nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from trivium.base.errors import RecipeError
from trivium.journey.mask import Masked, masked_examples
from trivium.journey.recipe import Recipe, read_recipe
from trivium.tokenizer import train

ROWS: list[dict[str, Any]] = [
    {"instruction": "Say hello to Zoë.", "output": "Hello, Zoë!"},
    {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "One?"},
            {"role": "assistant", "content": "Two."},
            {"role": "user", "content": "Three?"},
            {"role": "assistant", "content": "<|end|> is text."},
        ]
    },
]


def recipe_in(folder: Path, rows: list[dict[str, Any]], kind: str = "instructions") -> Recipe:
    (folder / "rows.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    path = folder / "recipe.yaml"
    source = {"kind": kind, "path": "rows.jsonl", **({"heldout_share": 0} if kind == "instructions" else {})}
    path.write_text(yaml.safe_dump({"gather": {"sources": [source]}, "tokenize": None}))
    return read_recipe(path)


def learned(example: list[Masked]) -> str:
    return "".join(token.text for token in example if token.learned)


def test_what_the_assistant_says_is_learned_and_nothing_else(tmp_path: Path) -> None:
    (first, second), source = masked_examples(recipe_in(tmp_path, ROWS), tmp_path / "run", 3)
    assert learned(first) == " Hello, Zoë!<|end|>".replace("ë", "\ufffd\ufffd")
    assert learned(second) == " Two.<|end|> <|end|> is text.<|end|>"
    assert "".join(token.text for token in second).startswith(
        "<|system|> Be brief.<|end|><|user|> One?<|end|><|assistant|>"
    )
    assert "beginning of the recipe's sources" in source
    assert "a tokenizer of 262 tokens trained on 2" in source


def test_what_the_run_has_is_used(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "gather/instructions").mkdir(parents=True)
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "aabb"}]
    (run / "gather/instructions/train.jsonl").write_text(json.dumps({"messages": turns, "family": "x"}) + "\n")
    (run / "tokenize").mkdir()
    train(["aabb aabb aabb"] * 3, 264).save(run / "tokenize")
    (example,), source = masked_examples(recipe_in(tmp_path, ROWS), run, 3)
    assert learned(example) == " aabb<|end|>"
    assert len([token for token in example if token.learned]) < len(" aabb") + 1, (
        "the run's tokenizer has merged letters"
    )
    assert str(run / "gather") in source
    assert f"tokenizer from {run / 'tokenize'}" in source


def test_a_recipe_without_instructions_says_so(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="gathers no instructions"):
        masked_examples(recipe_in(tmp_path, [{"text": "words"}], "files"), tmp_path / "run", 3)


def test_the_built_in_world_shows_its_instructions_without_writing_all_its_text(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("gather:\ntokenize:\n")
    examples, source = masked_examples(read_recipe(tmp_path / "recipe.yaml"), tmp_path / "run", 3)
    assert len(examples) == 3
    assert all(learned(example).endswith("<|end|>") for example in examples)
    assert "a tokenizer of 1000 tokens" in source
