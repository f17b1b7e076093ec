"""Forgetting: a document leaves text, shards and manifest, the models that saw it are named, and the run stays verifiable."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy
import pytest

from trivium.base.errors import UserError
from trivium.data.manifest import manifest_faults
from trivium.data.shards import Shard
from trivium.data.windows import Windows
from trivium.journey.forget import forget
from trivium.journey.lineage import lineage_faults
from trivium.journey.recipe import read_recipe
from trivium.journey.runner import run
from trivium.tokenizer import Tokenizer

RECIPE = """
gather:
  sources: [{kind: files, path: texts.jsonl, split: documents}]
  valid_share: 0.2
tokenize: {vocab_size: 300}
pretrain:
  steps: 3
  batch_size: 4
  length: 16
  begin_copying: false
  model: {hidden_size: 16, num_layers: 1, num_heads: 1, num_kv_heads: 1, head_dim: 16, intermediate_size: 16, max_positions: 16}
"""


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    texts = [f"Text {n} " + " ".join(f"{word}{n}" for word in ("sea", "tree", "stone", "cloud") * 3) for n in range(80)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    run(read_recipe(tmp_path / "recipe.yaml", ["device=cpu", "threads=1"]), tmp_path / "run")
    return tmp_path / "run"


def test_a_document_leaves_every_place_and_who_saw_it_is_told(finished: Path) -> None:
    tokenizer = Tokenizer.load(finished / "tokenize")
    train = rows(finished / "gather/documents/train.jsonl")
    windows = Windows(Shard(finished / "tokenize/train"), 16, seed=0)
    ends = windows.shard.ends.tolist()
    seen = [windows.batch(4 * step, 4).tokens.numpy() for step in range(3)]

    def first_step(number: int) -> int | None:  # the slow way: look for three tokens of the document in every row
        ids = windows.shard.tokens[ends[number] - 8 : ends[number] - 1].tolist()
        for step, batch in enumerate(seen, 1):
            for row in batch.tolist():
                if any(row[at : at + 7] == ids for at in range(len(row))):
                    return step
        return None

    saw = next(number for number in range(5, len(train)) if first_step(number))
    before = len(windows.shard.tokens)
    done = forget(finished, [train[saw]["id"]])
    assert done.documents == {"train": 1, "valid": 0}
    assert set(done.saw) == {"pretrain"} and done.saw["pretrain"] <= first_step(saw)  # type: ignore[operator]
    shard = Shard(finished / "tokenize/train", tokenizer.sha256)
    shard.verify()
    assert len(shard.tokens) == before - done.tokens == before - (ends[saw] - ends[saw - 1])
    decoded = [tokenizer.decode(piece[:-1]) for piece in numpy.split(shard.tokens, shard.ends.astype(int)[:-1])]
    left = rows(finished / "gather/documents/train.jsonl")
    assert decoded == [row["text"] for row in left] == [row["text"] for row in train if row is not train[saw]]
    for path in finished.glob("gather/**/*.jsonl"):
        assert json.dumps(train[saw]["id"]) not in path.read_text()
    assert manifest_faults(finished / "gather") == [] == lineage_faults(finished)


def test_the_next_run_trains_again_what_saw_it_and_only_that(finished: Path) -> None:
    forget(finished, [rows(finished / "gather/documents/train.jsonl")[0]["id"]])
    recipe = read_recipe(finished.parent / "recipe.yaml", ["device=cpu", "threads=1"])
    how = {result.stage: result.how for result in run(recipe, finished)}
    assert how == {"gather": "reused", "tokenize": "reused", "pretrain": "made"}


def test_a_name_that_is_not_there_changes_nothing(finished: Path) -> None:
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    with pytest.raises(UserError, match=r"no document is called 'texts/none'; `trivium data show`"):
        forget(finished, [rows(finished / "gather/documents/train.jsonl")[0]["id"], "texts/none"])
    assert {path: path.read_bytes() for path in before} == before


def test_a_flipped_byte_anywhere_is_found(finished: Path) -> None:
    targets = [
        *finished.glob("gather/**/*.jsonl"),
        *finished.glob("tokenize/*/*.bin"),
        *finished.glob("*/trivium/stage.json"),
        finished / "tokenize/train/shard.json",
        finished / "lineage.json",
    ]
    assert len(targets) > 12
    for path in targets:
        data = path.read_bytes()
        for place in (0, len(data) // 2, len(data) - 2):
            path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            try:
                faults = [*manifest_faults(finished / "gather"), *lineage_faults(finished)]
            except UserError as error:
                faults = [str(error)]
            assert faults, (path, place)
        path.write_bytes(data)
    assert manifest_faults(finished / "gather") == [] == lineage_faults(finished)
