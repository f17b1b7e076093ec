"""Rows for causal language modelling, cut out of a shard: random ones to train on, all of them to evaluate.

Window w of epoch e is `length` tokens from offset(e) + w * length on, the shard's end going over into its beginning (that
is one more place where a document ends); the offset is drawn for each epoch, so windows differ between epochs while
each epoch still sees every token once, but for the remainder of the division.
Legend: B rows, T tokens in a row, N tokens of the shard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy

from trivium.base.errors import UserError
from trivium.base.ranks import ALONE, Ranks
from trivium.base.seeds import derive
from trivium.base.words import Batch
from trivium.data.order import permute
from trivium.data.shards import Shard

if TYPE_CHECKING:
    from torch import Tensor

Array = numpy.ndarray[Any, Any]


class Windows:
    """Windows of `length` tokens in a random order that is a pure function of (seed, sample number)."""

    def __init__(self, shard: Shard, length: int, seed: int, *, apart: bool = False) -> None:
        """With `apart` batches tell which document each token belongs to (`segments`, `positions`).

        Raises UserError where the shard is shorter than one window and its last target.
        """
        if len(shard.tokens) <= length:
            raise UserError(
                f"{shard.folder}: {len(shard.tokens):,} tokens; a window of {length:,} needs at least {length + 1:,}: "
                "lower the length or add text"
            )
        self.shard, self.length, self.seed, self.apart = shard, length, seed, apart
        self.per_epoch = len(shard.tokens) // length

    def batch(self, first_sample: int, count: int) -> Batch:
        """Samples `first_sample` to `first_sample + count - 1`, one a row; every target counts."""
        samples = numpy.arange(first_sample, first_sample + count)
        starts = numpy.empty(count, numpy.int64)
        epochs = samples // self.per_epoch
        for epoch in numpy.unique(epochs).tolist():
            inside = epochs == epoch
            windows = permute(samples[inside] % self.per_epoch, self.per_epoch, self.seed, epoch)
            starts[inside] = self.offset(epoch) + windows * self.length
        places = (starts[:, None] + numpy.arange(self.length + 1)) % len(self.shard.tokens)  # (B, T + 1)
        tokens = self.shard.tokens[places].astype(numpy.int64)  # (B, T + 1)
        segments, positions = self._documents(tokens[:, :-1]) if self.apart else (None, None)
        return Batch(
            tokens=_tensor(tokens[:, :-1]),  # (B, T)
            targets=_tensor(tokens[:, 1:]),  # (B, T)
            weights=_tensor(numpy.ones((count, self.length), numpy.float32)),  # (B, T)
            segments=segments,
            positions=positions,
        )

    def offset(self, epoch: int) -> int:
        """Where the first window of an epoch begins."""
        return derive(self.seed, "windows", epoch) % len(self.shard.tokens)

    def _documents(self, tokens: Array) -> tuple[Tensor, Tensor]:
        """For each of `tokens` (B, T) its document's number in the row, and its place in the document's part of the row.

        The separator that ends a document is its last target and the first thing that the next one sees.
        """
        starts = tokens == self.shard.end_of_text  # (B, T)
        starts[:, 0] = True
        segments = numpy.cumsum(starts, axis=1) - 1  # (B, T)
        places = numpy.arange(tokens.shape[1])  # (T,)
        positions = places - numpy.maximum.accumulate(numpy.where(starts, places, 0), axis=1)  # (B, T)
        return _tensor(segments), _tensor(positions)


def valid_windows(
    shard: Shard, length: int, rows: int, most_rows: int | None = None, ranks: Ranks = ALONE
) -> Iterator[Batch]:
    """Every token of the shard as a target exactly once, in its order, `rows` windows a batch at most; `most_rows` stops
    earlier. Each of several processes gets its share of the windows, in as many batches as the others get.

    The first token is predicted from a separator, as a document's first always is. The last window is filled up with
    targets of weight 0; a process whose share is used up gets a window in which nothing counts.
    """
    windows = -(-len(shard.tokens) // length)
    windows = windows if most_rows is None else min(windows, most_rows)
    share, largest = ranks.share(windows), -(-windows // ranks.size)
    for first in range(0, largest, rows):
        yield _valid_batch(shard, length, share[first : first + rows] or range(windows, windows + 1))


def _valid_batch(shard: Shard, length: int, windows: range) -> Batch:
    """Some windows of the shard, which may lie behind its end."""
    total, shape = len(shard.tokens), (len(windows), length)
    start = min(windows.start * length, total)
    end = min(windows.stop * length, total)
    stream = numpy.full(len(windows) * length + 1, shard.end_of_text, numpy.int64)
    stream[1 : end - start + 1] = shard.tokens[start:end]
    stream[0] = shard.tokens[start - 1] if start else shard.end_of_text
    weights = numpy.zeros(len(windows) * length, numpy.float32)
    weights[: end - start] = 1.0
    return Batch(
        _tensor(stream[:-1].reshape(shape)), _tensor(stream[1:].reshape(shape)), _tensor(weights.reshape(shape))
    )


def _tensor(values: Array) -> Tensor:
    import torch

    return torch.from_numpy(numpy.ascontiguousarray(values))
