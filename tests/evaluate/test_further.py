"""Further texts: what becomes of them as tokens, bits per byte against a slow sum, and faults that name file, line and field."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from tests.evaluate.small import SHAPE, tokenizer
from tests.tokenizer.tiny import tiny_tokenizer
from trivium.base.errors import DataError, UserError
from trivium.base.progress import Context
from trivium.base.seeds import torch_random
from trivium.evaluate.further import as_shard, base_of, further_scores
from trivium.model.folder import save
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.tokenizer import Tokenizer

TEXTS = ("The dog saw a bird. It was a warm day.", "Anna lives in Velby, and Été is a word.")


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return tokenizer()


def test_documents_keep_their_tokens_and_bytes(tmp_path: Path, words: Tokenizer) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS), encoding="utf-8")
    shard = as_shard(path, words, tmp_path / "out" / "t", 8)
    ids = [words.encode(text) for text in TEXTS]
    assert shard.tokens.tolist() == [*ids[0], shard.end_of_text, *ids[1], shard.end_of_text]
    assert shard.bytes == sum(len(text.encode("utf-8")) for text in TEXTS)


def test_bits_per_byte_of_a_text_are_those_of_a_slow_sum(tmp_path: Path, words: Tokenizer) -> None:
    path = tmp_path / "plain.txt"
    path.write_text(" ".join(TEXTS) * 3, encoding="utf-8")
    model = Transformer(SHAPE)
    initialise(model, torch_random(0, "small"))
    context = Context(folder=tmp_path / "evaluate", seed=0, inputs={}, device="cpu", threads=1)
    each, row = further_scores({"plain": path}, None, {"pretrain": model}, words, 16, context)
    shard = as_shard(path, words, tmp_path / "again", 16)
    ids, nats = shard.tokens.tolist(), 0.0
    stream = [shard.end_of_text, *ids]  # the first token is foretold from a separator
    with torch.no_grad():
        for start in range(0, len(ids), 16):
            told = ids[start : start + 16]
            logs = model.logits(model(torch.tensor([stream[start : start + len(told)]]))).log_softmax(-1)[0]
            nats -= sum(float(logs[place, token]) for place, token in enumerate(told) if token != shard.end_of_text)
    size = len(path.read_bytes())
    tokens = sum(token != shard.end_of_text for token in ids)
    assert each["name"] == "perplexity/plain" and each["value"] == pytest.approx(math.exp(nats / tokens), rel=1e-4)
    assert each["low"] <= each["value"] <= each["high"]
    assert row["value"] == pytest.approx(nats / size / math.log(2), rel=1e-4)
    assert (row["name"], row["stage"], row["low"] <= row["value"] <= row["high"]) == (
        "bits_per_byte/plain",
        "pretrain",
        True,
    )


def test_faults_name_the_place(tmp_path: Path, words: Tokenizer) -> None:
    path = tmp_path / "t.jsonl"
    path.write_text('{"text": "good"}\n{"txt": "bad"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.jsonl:2: field 'text'"):
        as_shard(path, words, tmp_path / "out", 8)
    path.write_text('{"text": "short"}\n', encoding="utf-8")
    with pytest.raises(DataError, match=r"more than evaluate\.length \(64\) are needed"):
        as_shard(path, words, tmp_path / "out", 64)
    with pytest.raises(DataError, match="is a folder"):
        as_shard(tmp_path, words, tmp_path / "out", 8)


def test_a_base_with_another_tokenizer_is_refused(tmp_path: Path, words: Tokenizer) -> None:
    model = Transformer(SHAPE)
    initialise(model, torch_random(0, "small"))
    (tmp_path / "base").mkdir()
    save(model, tmp_path / "base", words.special_ids())
    words.save(tmp_path / "base")
    assert base_of(tmp_path / "base", words).shape == SHAPE
    with pytest.raises(UserError, match=r"evaluate\.base: .* has another tokenizer"):
        base_of(tmp_path / "base", tiny_tokenizer())
