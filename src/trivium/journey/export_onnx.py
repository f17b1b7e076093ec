"""An encoder as one ONNX file, for onnxruntime and what is built on it. Adapter of torch.onnx and its library onnxscript.

The file takes any number of rows of any length that the model reads, padded at the right. Its inputs are named as Hugging Face
names them (`input_ids`, `attention_mask`, and `token_type_ids` where the model tells texts of a pair apart); a further input of
ours comes under the name that `base.words.Rows` has for it. The outputs:

    masked         logits (B, T, V); sentence_embedding (B, D), the mean of the last states, a text's vector elsewhere here
    pretraining    the same, and pair_logits (B, 2)
    sequence       logits (B, L); of a score (B,)
    tokens         logits (B, T, L)
    span           start_logits and end_logits (B, T)

Legend: B rows, T tokens in a row, V vocabulary, D hidden size, L labels, W words in the batch, C letters of a word.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from trivium.base.errors import MissingExtra, UserError
from trivium.base.words import Rows
from trivium.model.folder import load
from trivium.model.further import Spelling
from trivium.model.heads import pool
from trivium.model.transformer import Transformer
from trivium.predict.predictor import TASK_FILE, load_predictor

OPSET = 20  # the first whose Gelu is an operator of its own
FURTHER = {"spelling": ("words", "letters"), "matching": ("asked",)}


def export_onnx(folder: Path, target: Path) -> None:
    """Write the encoder in `folder` to the file `target`, in float32.

    The file stands whole or not at all. Raises UserError for a decoder, MissingExtra without the libraries.
    """
    try:
        import onnx
        import onnxscript  # noqa: F401  # what torch.onnx translates with
    except ImportError:
        raise MissingExtra("onnx and onnxscript", "export", "writing ONNX") from None
    model = load_predictor(folder, "cpu", 0).model if (folder / TASK_FILE).is_file() else load(folder)
    if model.shape.causal:
        raise UserError(f"{folder}: ONNX is written for encoders; this model is a decoder, for which there is --gguf")
    whole = Whole(model.eval()).requires_grad_(False)
    part = target.with_name(f".{target.name}.new")
    try:
        with _quiet():
            program = torch.onnx.export(
                whole,
                whole.example(),
                dynamic_shapes=whole.dynamic(),
                input_names=whole.inputs,
                output_names=whole.outputs,
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
            )
        assert program is not None
        program.save(part, external_data=False)
        onnx.checker.check_model(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


class Passed:
    """A cache that keeps nothing: the trunk then computes attention in the form that every exporter knows."""

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """What came in."""
        return keys, values


class Whole(nn.Module):
    """A model from ids to what its head says; masks are always there, so that nothing depends on a row's length."""

    def __init__(self, model: Transformer) -> None:
        super().__init__()
        self.model = model
        kind = model.head.kind
        more: tuple[str, ...] = ()
        if model.extra is not None:
            more = FURTHER["spelling" if isinstance(model.extra, Spelling) else "matching"]
        types = ("token_type_ids",) if model.shape.num_segments > 1 else ()
        self.inputs = ["input_ids", "attention_mask", *types, *more]
        self.outputs = ["start_logits", "end_logits"] if kind == "span" else ["logits"]
        if model.head.over_vocabulary:
            self.outputs += [*(["pair_logits"] if kind == "pretraining" else []), "sentence_embedding"]

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The outputs, in the order of `self.outputs`, for inputs in that of `self.inputs`."""
        given = dict(zip(self.inputs, inputs, strict=True))
        tokens, real = given["input_ids"], given["attention_mask"] != 0
        types = given.get("token_type_ids", torch.zeros_like(tokens))
        further = {name: given[name] for names in FURTHER.values() for name in names if name in given}
        rows = Rows(tokens, real, types, **further)
        hidden = self.model.embed(tokens, types=types)
        hidden = self._run(hidden if self.model.extra is None else hidden + self.model.extra(rows), real)
        result = self.model.outputs(hidden, real)
        if self.model.head.kind == "span":
            return result[..., 0], result[..., 1]
        if not self.model.head.over_vocabulary:
            return (result,)
        pairs = (self.model.pair_logits(hidden),) if self.model.head.kind == "pretraining" else ()
        return (result, *pairs, pool(hidden, real, "mean"))

    def _run(self, hidden: Tensor, real: Tensor) -> Tensor:
        """What `Transformer.run` computes, without asking how long the rows are."""
        model, length = self.model, hidden.shape[1]
        places = torch.arange(length)
        before = (places[:, None] - places).abs()  # (T, T)
        rotations, masks = {}, {}
        for window in set(model.shape.layer_windows):
            rotations[window] = model._rotation(length, None, bool(window))
            seen = real[:, None, None, :] & (before <= window // 2) if window else real[:, None, None, :]
            masks[window] = seen | (before == 0)  # (B, 1, T, T)
        hidden, added = model.embedding_norm(hidden), None
        for block, window in zip(model.blocks, model.shape.layer_windows, strict=True):
            hidden, added = block(hidden, added, rotations[window], masks[window], Passed())
        return model.final_norm(hidden if added is None else hidden + added)  # type: ignore[no-any-return]

    def example(self) -> tuple[Tensor, ...]:
        """Rows to follow the computation with; what they hold does not matter."""
        rows, words = (2, min(5, self.model.shape.max_positions)), (4, 6)
        return tuple(torch.ones(words if name == "letters" else rows, dtype=torch.int64) for name in self.inputs)

    def dynamic(self) -> dict[str, Any]:
        """Which axes may have any size."""
        rows = torch.export.Dim("rows")
        tokens = torch.export.Dim("tokens", max=self.model.shape.max_positions)
        own = {0: torch.export.Dim("words"), 1: torch.export.Dim("letters_of_a_word")}
        return {"inputs": tuple(own if name == "letters" else {0: rows, 1: tokens} for name in self.inputs)}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's notes on its own workings."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
