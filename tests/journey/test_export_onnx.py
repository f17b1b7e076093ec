"""An ONNX file says in onnxruntime what the folder says here, whatever the rows' number, lengths and padding."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch

from tests.model.variants import any_model, shape_of
from trivium.base.errors import UserError
from trivium.base.words import Rows
from trivium.journey import export_onnx as exported
from trivium.model.folder import save
from trivium.model.further import add_input, states
from trivium.model.heads import pool
from trivium.model.transformer import Transformer

pytest.importorskip("onnxscript", reason="the export extra is not installed: pip install 'trivium-lm[export]'")
runtime = pytest.importorskip("onnxruntime")

SIZES = ((1, 1), (3, 7), (2, 40))  # rows and tokens; the longest is all that the model reads
RUNTIME = {"providers": ["CPUExecutionProvider"]}


def rows_of(model: Transformer, count: int, length: int) -> Rows:
    """Ragged rows."""
    generator = torch.Generator().manual_seed(length)
    tokens = torch.randint(0, model.shape.vocab_size, (count, length), generator=generator)
    types = torch.randint(0, 2, (count, length), generator=generator)
    real = torch.ones(count, length, dtype=torch.bool)
    for number in range(count):
        real[number, max(1, length - 3 * number) :] = False
    return Rows(tokens, real, types if model.shape.num_segments > 1 else torch.zeros_like(types))


def expected(model: Transformer, rows: Rows) -> list[torch.Tensor]:
    """What our own pass says."""
    with torch.inference_mode():
        hidden = states(model.eval(), rows)
        result = model.outputs(hidden, rows.real)
        if model.head.kind == "span":
            return [result[..., 0], result[..., 1]]
        if not model.head.over_vocabulary:
            return [result]
        pairs = [model.pair_logits(hidden)] if model.head.kind == "pretraining" else []
        return [result, *pairs, pool(hidden, rows.real, "mean")]


def check(model: Transformer, file: Path, more: Any = None) -> None:
    session = runtime.InferenceSession(file, **RUNTIME)
    for count, length in SIZES:
        rows = rows_of(model, count, length)
        rows = more(rows) if more else rows
        named = {
            "input_ids": rows.tokens, "attention_mask": rows.real.long(), "token_type_ids": rows.types,
            "words": rows.words, "letters": rows.letters, "asked": rows.asked,
        }  # fmt: skip
        given = {one.name: named[one.name].numpy() for one in session.get_inputs()}
        for found, wanted in zip(session.run(None, given), expected(model, rows), strict=True):
            if wanted.shape[1:2] == (length,):  # what is said of padding means nothing
                found, wanted = found[rows.real.numpy()], wanted[rows.real]
            numpy.testing.assert_allclose(found, wanted.numpy(), rtol=1e-4, atol=1e-4)


slow = pytest.mark.slow


@pytest.mark.parametrize(
    ("variant", "kind"),
    [
        ("modernbert", "tokens"),
        pytest.param("bert", "pretraining", marks=slow),
        pytest.param("modernbert", "masked", marks=slow),
        pytest.param("modernbert-untied", "span", marks=slow),
        pytest.param("bert", "sequence", marks=slow),
        pytest.param("bert-untied", "span", marks=slow),
        pytest.param("roberta", "masked", marks=slow),
        pytest.param("distilbert", "sequence", marks=slow),
    ],
)
def test_the_file_says_what_the_folder_says(tmp_path: Path, variant: str, kind: str) -> None:
    model = any_model(replace(shape_of(variant), num_layers=2, windows=shape_of(variant).windows[:2]), kind)
    save(model, tmp_path, {"pad_token_id": 1})
    exported.export_onnx(tmp_path, tmp_path / "model.onnx")
    check(model, tmp_path / "model.onnx")


@slow
@pytest.mark.parametrize("further", ["spelling", "matching"])
def test_further_inputs_come_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, further: Any) -> None:
    model = any_model(shape_of("modernbert"), "tokens" if further == "spelling" else "span")
    add_input(model, further, 30, torch.Generator().manual_seed(0))
    assert model.extra is not None
    with torch.no_grad():
        for parameter in model.extra.parameters():
            parameter.normal_(generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr(exported, "load", lambda folder: model)
    exported.export_onnx(tmp_path, tmp_path / "model.onnx")

    def more(rows: Rows) -> Rows:
        if further == "matching":
            return replace(rows, asked=(rows.tokens % 2))
        letters = torch.randint(1, 30, (8, 4), generator=torch.Generator().manual_seed(2))
        letters[0], letters[3, 2:] = 0, 0
        return replace(rows, words=rows.tokens % 8, letters=letters)

    check(model, tmp_path / "model.onnx", more)


def test_a_decoder_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    save(any_model(shape_of("qwen3"), "language"), tmp_path, {})
    with pytest.raises(UserError, match="written for encoders; this model is a decoder, for which there is --gguf"):
        exported.export_onnx(tmp_path, tmp_path / "model.onnx")
    assert not list(tmp_path.glob("*.onnx*"))
