"""Pre-training goes on from a published decoder: its tokenizer, its sizes, its form; with tokens for chat where it has none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from tests.data.marked import documents
from trivium.base.errors import UserError
from trivium.base.progress import Context
from trivium.base.words import Message
from trivium.model.families import new_shape
from trivium.model.folder import load
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.stages import pretrain, tokenize
from trivium.tokenizer import Tokenizer
from trivium.train.record import save_model_folder

SIZES = {"hidden_size": 24, "num_layers": 2, "num_heads": 3, "num_kv_heads": 3, "head_dim": 8, "intermediate_size": 40}


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A GPT-2 with a byte-level tokenizer of its own, without a chat template, as `transformers` keeps it."""
    pytest.importorskip("transformers")
    from tests.tokenizer.test_imported import other_pattern, written

    written(other_pattern, tmp_path / "base")
    tokenizer = Tokenizer.load(tmp_path / "base")
    model = Transformer(new_shape("gpt2", {**SIZES, "max_positions": 64, "vocab_size": tokenizer.vocab_size}))
    initialise(model, torch.Generator().manual_seed(0))
    save_model_folder(model, tokenizer, tmp_path / "base")
    return tmp_path / "base"


def gathered(folder: Path) -> Path:
    (folder / "documents").mkdir(parents=True)
    for name, texts in (("train", documents(120)), ("valid", documents(9))):
        rows = [{"id": f"{name}/{n}", "text": text, "source": "own"} for n, text in enumerate(texts)]
        (folder / "documents" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_published_decoder_goes_on_and_can_chat(tmp_path: Path, base: Path) -> None:
    gather = gathered(tmp_path / "gather")
    tokenize.run(tokenize.TokenizeSettings(base=base), Context(tmp_path / "tokenize", {"gather": gather}))
    context = Context(tmp_path / "pretrain", {"tokenize": tmp_path / "tokenize"}, device="cpu", threads=1)
    plain = {"batch_size": 8, "length": 32, "precision": "float32", "evaluate_every": 40, "base": base}
    settings = pretrain.PretrainSettings.model_validate({**plain, "steps": 40})
    figures = pretrain.run(settings, context)
    again, tokenizer = load(tmp_path / "pretrain"), Tokenizer.load(tmp_path / "pretrain")
    assert again.shape.family == "gpt2" and again.shape.vocab_size == tokenizer.vocab_size
    assert tokenizer.vocab_size == Tokenizer.load(base).vocab_size + 5
    assert figures["valid_loss"] < 3.5  # from ln 505 = 6.2
    assert tokenizer.render([Message("user", "So?")], add_generation_prompt=True).ids


def test_text_of_another_tokenizer_is_refused(tmp_path: Path, base: Path) -> None:
    gather = gathered(tmp_path / "gather")
    tokenize.run(tokenize.TokenizeSettings(vocab_size=300), Context(tmp_path / "tokenize", {"gather": gather}))
    context = Context(tmp_path / "pretrain", {"tokenize": tmp_path / "tokenize"}, device="cpu", threads=1)
    with pytest.raises(UserError, match=r"has another tokenizer than the text; set tokenize\.base to it too"):
        pretrain.run(pretrain.PretrainSettings(base=base), context)


def test_a_base_that_cannot_be_read_is_told_before_there_is_any_text(tmp_path: Path, base: Path) -> None:
    settings = pretrain.PretrainSettings(base=base, length=32)
    assert pretrain.check(settings, {}) == []
    (fault,) = pretrain.check(settings.model_copy(update={"length": 4096}), {})
    assert fault.startswith("length is 4096; the model reads at most") and fault.endswith("tokens: lower it")
    other = tmp_path / "other"
    other.mkdir()
    (other / "config.json").write_text('{"model_type": "t5"}', encoding="utf-8")
    (fault,) = pretrain.check(settings.model_copy(update={"base": other}), {})
    assert fault.startswith(f"base: {other}: config.json: model_type is 't5'; supported: bert, ")
