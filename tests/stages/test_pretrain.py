"""The pre-training stage: what it refuses before it trains, and that its steps are what the settings say."""

from __future__ import annotations

from pathlib import Path

import numpy
import pytest

from tests.tokenizer.tiny import tiny_texts, tiny_tokenizer
from trivium.base.errors import UserError
from trivium.base.progress import Context
from trivium.data.shards import write_shard
from trivium.stages import pretrain
from trivium.stages.pretrain import PretrainSettings
from trivium.train import memory

SMALL = {"hidden_size": 16, "num_layers": 1, "num_heads": 2, "num_kv_heads": 1, "head_dim": 8, "intermediate_size": 24}


@pytest.fixture(scope="module")
def tokenized(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What tokenize leaves, small."""
    folder, tokenizer = tmp_path_factory.mktemp("tokenize"), tiny_tokenizer()
    tokenizer.save(folder, 512)
    for name, texts in (("train", tiny_texts()[:12]), ("valid", tiny_texts()[12:14])):
        with write_shard(folder / name, tokenizer.sha256, tokenizer.vocab_size, tokenizer.end_of_text) as writer:
            for text in texts:
                writer.add(numpy.array(tokenizer.encode(text)), len(text.encode()))
    return folder


def context(tmp_path: Path, tokenized: Path) -> Context:
    return Context(tmp_path / "pretrain", {"tokenize": tokenized}, device="cpu", threads=1)


def test_a_batch_that_does_not_fit_is_refused_before_training(
    tmp_path: Path, tokenized: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = PretrainSettings(model=SMALL, length=32, batch_size=64, steps=1, precision="float32")  # type: ignore[arg-type]
    monkeypatch.setattr(memory, "free_bytes", lambda: memory.KERNELS["cpu"] + 6e6)
    with pytest.raises(UserError, match=r"the most that fit are (\d+) rows; set pretrain.micro_batch_size to \1 or"):
        pretrain.run(settings, context(tmp_path, tokenized))
    assert not (tmp_path / "pretrain").exists()
    monkeypatch.undo()
    pretrain.run(settings, context(tmp_path, tokenized))
    assert (tmp_path / "pretrain" / "model.safetensors").exists()
