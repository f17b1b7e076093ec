"""A folder in fewer bits: transformers reads what was measured, and what was measured is what rounding costs."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.evaluate.small import SHAPE, tokenizer
from tests.model.shapes import random_model
from tests.model.variants import any_model, shape_of
from trivium.base.errors import CheckpointError, UserError
from trivium.base.words import Message
from trivium.evaluate.likelihood import load_judge
from trivium.model.folder import save
from trivium.train.record import save_model_folder

pytest.importorskip("torchao", reason="the export extra is not installed: pip install 'trivium-lm[export]'")
from trivium.journey import export_torchao as exported

TEXT = "Anna met a fox in the wood.\n\nThe owl sleeps, and the cat does not.\n\nIt is late."


def rounded(weight: torch.Tensor, bits: int, group: int) -> torch.Tensor:
    """The slow twin: to the nearest of 2^bits steps, a scale for each group of a row."""
    most = 2 ** (bits - 1)
    parts = weight.view(len(weight), -1, group)
    scale = parts.abs().amax(dim=2, keepdim=True) / (most - 0.5)
    return ((parts * (1.0 / scale)).round().clamp(-most, most - 1) * scale).view_as(weight)


@pytest.mark.parametrize(("bits", "masked"), [(8, False), (4, False), (8, True)])
def test_transformers_reads_what_was_measured(tmp_path: Path, bits: int, masked: bool) -> None:
    transformers = pytest.importorskip("transformers")
    words = tokenizer(masked)
    encoder = replace(shape_of("modernbert"), vocab_size=words.vocab_size, max_positions=64)
    model = any_model(encoder, "masked") if masked else random_model(replace(SHAPE, vocab_size=words.vocab_size))
    save_model_folder(model, words, tmp_path / "model")
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    told = exported.export_torchao(tmp_path / "model", tmp_path / "small", bits, tmp_path / "text.txt")
    assert json.loads((tmp_path / "small" / "quantisation.json").read_text()) == told
    figures = told["bits_per_byte"]
    assert figures["added"]["items"] == 3
    assert figures["after"]["value"] - figures["before"]["value"] == pytest.approx(figures["added"]["value"])
    assert 0 < abs(figures["added"]["value"]) < 1  # something was rounded, and not everything lost
    with pytest.raises(CheckpointError, match="its weights are quantised; give the folder that it was made from"):
        load_judge(tmp_path / "small", "cpu")
    judge = exported._read_back(tmp_path / "small", json.loads((tmp_path / "model" / "config.json").read_text()))
    kind = transformers.AutoModelForMaskedLM if masked else transformers.AutoModelForCausalLM
    theirs = kind.from_pretrained(tmp_path / "small", dtype=torch.float32).eval()
    assert any("torchao" in type(parameter).__module__ for parameter in theirs.parameters())
    tokens = torch.randint(0, words.vocab_size, (2, 20), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(theirs(tokens).logits, judge.model.logits(judge.model(tokens)), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bits", [8, 4])
def test_matrices_are_rounded_and_nothing_else_is(tmp_path: Path, bits: int) -> None:
    words = tokenizer()
    model = random_model(replace(SHAPE, vocab_size=words.vocab_size))
    save_model_folder(model, words, tmp_path / "model")
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    exported.export_torchao(tmp_path / "model", tmp_path / "small", bits, tmp_path / "text.txt")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    found = exported._read_back(tmp_path / "small", config).model.state_dict()
    for name, before in model.state_dict().items():
        matrix = name.startswith("blocks.") and before.dim() == 2
        group = exported.GROUP if bits == 4 and before.shape[-1] % exported.GROUP == 0 else before.shape[-1]
        wanted = rounded(before, bits, group) if matrix else before
        torch.testing.assert_close(found[name], wanted, rtol=1e-5, atol=1e-6, msg=name)


def test_a_head_that_no_published_class_has_comes_along(tmp_path: Path) -> None:
    words = tokenizer(masked=True)
    shape = replace(shape_of("modernbert"), vocab_size=words.vocab_size, max_positions=64)
    save_model_folder(any_model(shape, "pretraining"), words, tmp_path / "model")
    (tmp_path / "text.txt").write_text(TEXT, encoding="utf-8")
    told = exported.export_torchao(tmp_path / "model", tmp_path / "small", 8, tmp_path / "text.txt")
    assert told["bits_per_byte"]["added"]["items"] == 3


def test_a_model_that_answers_is_measured_on_answers_and_not_on_documents(tmp_path: Path) -> None:
    words = tokenizer().with_chat()
    model = random_model(replace(SHAPE, vocab_size=words.vocab_size))
    rows = [
        {"messages": [{"role": "user", "content": f"Say {one}."}], "answer": one, "level": "own", "verifiable": True}
        for one in ("a fox", "an owl")
    ]
    (tmp_path / "gather" / "instructions").mkdir(parents=True)
    (tmp_path / "gather" / "instructions" / "heldout.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    save_model_folder(model, words, tmp_path / "align")
    told = exported.export_torchao(tmp_path / "align", tmp_path / "small", 8, tmp_path)
    assert told["measured_on"] == "the right answers to its held-out instructions"
    judge = load_judge(tmp_path / "align", "cpu")
    bits, size = 0.0, 0
    for row in rows:
        turns = [Message("user", f"Say {row['answer']}."), Message("assistant", str(row["answer"]))]
        ids = words.render(turns).ids
        start = len(words.render(turns[:1], add_generation_prompt=True).ids)
        with torch.no_grad():
            logits = judge.model.logits(judge.model(torch.tensor([[words.end_of_text, *ids[:-1]]])))[0].log_softmax(-1)
        bits -= float(logits[torch.arange(start, len(ids)), torch.tensor(ids[start:])].sum()) / math.log(2)
        size += len(b"".join(words.pieces(ids[start:], keep_special=False)))
    assert told["bits_per_byte"]["before"]["value"] == pytest.approx(bits / size, rel=1e-4)


def test_what_cannot_be_written_or_measured_is_said(tmp_path: Path) -> None:
    words = tokenizer()
    save_model_folder(random_model(replace(SHAPE, vocab_size=words.vocab_size)), words, tmp_path / "model")
    with pytest.raises(UserError, match="has no held-out text to measure on; give some with --text FILE"):
        exported.export_torchao(tmp_path / "model", tmp_path / "small", 8)
    (tmp_path / "empty.txt").write_text(" \n")
    with pytest.raises(UserError, match="holds no text to measure on"):
        exported.export_torchao(tmp_path / "model", tmp_path / "small", 8, tmp_path / "empty.txt")
    with pytest.raises(UserError, match="is there already; name a new folder"):
        exported.export_torchao(tmp_path / "model", tmp_path / "model", 8)
    save(any_model(shape_of("gpt2"), "language"), tmp_path / "gpt2", {})
    with pytest.raises(UserError, match="matrices of the family gpt2 lie otherwise"):
        exported.export_torchao(tmp_path / "gpt2", tmp_path / "small", 8, tmp_path / "empty.txt")
    assert not (tmp_path / "small").exists()
    assert load_judge(tmp_path / "model", "cpu").causal
