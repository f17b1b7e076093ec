"""A pre-trained encoder as it is: a vector for a text, and words for the gaps in one.

Legend: N texts, D hidden size, T tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy
import torch

from trivium.base.device import Machine, choose_machine
from trivium.base.errors import UserError
from trivium.model.folder import load_any
from trivium.model.heads import pool
from trivium.model.transformer import Transformer
from trivium.predict.passes import row_states
from trivium.task.declaration import GAP
from trivium.tokenizer import Tokenizer
from trivium.tokenizer.rows import Row, text_row


class Encoder:
    """A model and its tokenizer; any model gives vectors, also a bare trunk, one with a masked head fills gaps."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, machine: Machine) -> None:
        self.model, self.tokenizer, self.machine = model, tokenizer, machine

    def embed(self, texts: Sequence[str], how: str = "") -> numpy.ndarray[tuple[int, int], numpy.dtype[numpy.float32]]:
        """(N, D), pooled states of each text: mean (of an encoder, where `how` is empty), cls, or last (of a decoder).

        What is longer than the model reads loses its end. Raises UserError for an empty text.
        """
        how = how or ("last" if self.model.shape.causal else "mean")
        if any(not text.strip() for text in texts):
            raise UserError("a text is empty; give the words")
        rows = [text_row(self.tokenizer, text, None, self.model.shape.max_positions) for text in texts]
        found = numpy.zeros((len(texts), self.model.shape.hidden_size), numpy.float32)
        for numbers, batch, hidden in row_states(self.model, rows, self.tokenizer.pad, self.machine):
            found[numbers] = pool(hidden, batch.real, how).cpu().numpy()
        return found

    def fill(self, text: str, most: int = 5) -> list[list[tuple[str, float]]]:
        """For each [MASK] in the text the `most` likeliest tokens with their probabilities.

        Raises UserError for a text without a gap, one that is too long, or a model that was not trained on gaps.
        """
        if self.model.head.kind not in ("masked", "pretraining") or self.tokenizer.mask is None:
            raise UserError("this model was not trained to fill gaps; use one that was pre-trained on masked text")
        pieces = [self.tokenizer.encode(piece) for piece in text.split(GAP)]
        if len(pieces) < 2:
            raise UserError(f"there is no gap in the text; write {GAP} where a word is to be found")
        ids = list(pieces[0])
        for piece in pieces[1:]:
            ids += [self.tokenizer.mask, *piece]
        framed = self.tokenizer.frame(ids)
        if len(framed.ids) > self.model.shape.max_positions:
            raise UserError(f"the text has {len(framed.ids)} tokens; the model reads {self.model.shape.max_positions}")
        row = Row(tuple(framed.ids), tuple(framed.types))
        gaps = [place for place, number in enumerate(framed.ids) if number == self.tokenizer.mask]
        (_, _, hidden), *_ = row_states(self.model, [row], self.tokenizer.pad, self.machine)
        with torch.inference_mode():
            shares = self.model.logits(hidden[0, gaps]).float().softmax(dim=-1).cpu()  # (gaps, V)
        told = []
        for share in shares:
            best = share.topk(most)
            tokens = [self.tokenizer.decode([number]).strip() for number in best.indices.tolist()]
            told.append(list(zip(tokens, best.values.tolist(), strict=True)))
        return told


def load_encoder(folder: Path, device: str = "auto", threads: int = 0) -> Encoder:
    """The encoder of a model folder. Raises CheckpointError where it is missing or damaged."""
    machine = choose_machine(device, threads, "float32")
    return Encoder(load_any(folder).to(machine.device), Tokenizer.load(folder), machine)
