"""`trivium init` writes a recipe that is valid, fits the data, and overwrites nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trivium.apps.init import sizes_for, write_new_recipe
from trivium.base.errors import DataError, RecipeError, UserError
from trivium.base.progress import Context
from trivium.journey.check import check
from trivium.journey.graph import load_stage
from trivium.journey.recipe import Recipe, read_recipe

ROW = {"instruction": "Say hello.", "output": "Hello."}


def made(path: Path, kind: str | None = None, data: Path | None = None) -> Recipe:
    told = write_new_recipe(path, kind, data)
    assert f"trivium run {path}" in told
    assert check(path) == []
    return read_recipe(path)


def test_the_demo_runs_every_stage(tmp_path: Path) -> None:
    assert len(made(tmp_path / "recipe.yaml", "demo").sections) == 8


def test_texts_are_recognised_and_named_relative_to_the_recipe(tmp_path: Path) -> None:
    (tmp_path / "my texts").mkdir()
    (tmp_path / "my texts" / "a.txt").write_text("Some words. " * 100)
    recipe = made(tmp_path / "recipe.yaml", None, tmp_path / "my texts")
    assert list(recipe.sections) == ["gather", "tokenize", "pretrain", "evaluate"]
    assert recipe.name == "my-texts"
    assert 'path: "my texts"   # 1 file, 1.2 kB' in (tmp_path / "recipe.yaml").read_text()


@pytest.mark.parametrize(
    "row", [ROW, {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}]
)
@pytest.mark.parametrize("suffix", ["json", "jsonl"])
def test_instructions_are_recognised(tmp_path: Path, row: dict[str, object], suffix: str) -> None:
    data = tmp_path / f"2024.{suffix}"
    data.write_text(json.dumps([row]) if suffix == "json" else json.dumps(row) + "\n")
    recipe = made(tmp_path / "recipe.yaml", None, data)
    assert "finetune" in recipe.sections
    assert recipe.name == "2024"


def test_rows_of_text_are_texts(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "words"}\n')
    assert "finetune" not in made(tmp_path / "recipe.yaml", None, tmp_path / "a.jsonl").sections


def test_data_elsewhere_keep_their_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "work").mkdir()
    (tmp_path / "data" / "a.txt").write_text("words")
    monkeypatch.chdir(tmp_path / "data")
    made(tmp_path / "work" / "recipe.yaml", None, Path("a.txt"))


def test_nothing_is_overwritten_and_wrong_wishes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("mine")
    with pytest.raises(RecipeError, match="is there already"):
        write_new_recipe(path, "demo", None)
    assert path.read_text() == "mine"
    other = tmp_path / "other.yaml"
    with pytest.raises(UserError, match="must be one of text, instructions, demo"):
        write_new_recipe(other, "texts", None)
    with pytest.raises(UserError, match="give your data"):
        write_new_recipe(other, None, None)
    with pytest.raises(UserError, match="leave --data away"):
        write_new_recipe(other, "demo", path)
    with pytest.raises(DataError, match="no such file"):
        write_new_recipe(other, None, tmp_path / "none")
    (tmp_path / "a.txt").write_bytes(b"\xff\x41")
    with pytest.raises(DataError, match="not UTF-8"):
        write_new_recipe(other, None, tmp_path / "a.txt")
    (tmp_path / "rows.jsonl").write_text('{"text": "a"}\n')
    with pytest.raises(DataError, match="'messages', or"):
        write_new_recipe(other, "instructions", tmp_path / "rows.jsonl")
    assert not other.exists()


@pytest.mark.parametrize("size", [3_000, 20_000, 200_000, 1_200_000])
def test_the_sizes_suit_the_text(tmp_path: Path, size: int) -> None:
    """The tokenizer finds that many tokens in text of that size, and there is at least one batch of it."""
    import random

    chance = random.Random(0)
    words = ["".join(chance.choices("etaoinshrdlu", k=chance.randint(2, 8))) for _ in range(3000)]
    text = ""
    while len(text) < size:
        text += " ".join(words[int(chance.paretovariate(1)) % 3000] for _ in range(200)) + ".\n\n"
    (tmp_path / "a.txt").write_text(text[:size])
    recipe = made(tmp_path / "recipe.yaml", "text", tmp_path / "a.txt")
    for name in ("gather", "tokenize"):
        stage = load_stage(name)
        context = Context(folder=tmp_path / name, inputs={need: tmp_path / need for need in stage.needs}, seed=0)
        figures = stage.module.run(recipe.sections[name], context)
    sizes = sizes_for(size)
    assert figures["vocab_size"] == sizes["vocab_size"]
    assert figures["train_tokens"] > sizes["batch_size"] * sizes["length"]
