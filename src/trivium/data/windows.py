"""Rows for causal language modelling, cut out of a shard: random ones to train on, all of them to evaluate.

Window w of epoch e is `length` tokens from offset(e) + w * length on, the shard's end going over into its beginning (that
is one more place where a document ends); the offset is drawn for each epoch, so windows differ between epochs while
each epoch still sees every token once, but for the remainder of the division. Where sources are mixed by weight, each has
windows of its own, and mixing.py says which one a sample comes from.
Legend: B rows, T tokens in a row, N tokens of the shard.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy

from trivium.base.errors import UserError
from trivium.base.ranks import ALONE, Ranks
from trivium.base.seeds import derive
from trivium.base.words import Batch
from trivium.data.mixing import Mixture
from trivium.data.order import permute
from trivium.data.shards import Shard

if TYPE_CHECKING:
    from torch import Tensor

Array = numpy.ndarray[Any, Any]
SAMPLES_AT_ONCE = 1 << 18  # that are looked through for a document


@dataclass(frozen=True)
class _Range:
    """Tokens of a shard that windows are cut from: all of them, or those of one source."""

    begin: int
    size: int


def _ranges_of(shard: Shard, length: int) -> list[_Range]:
    """Raises UserError where a source is shorter than one window."""
    if not shard.sections:
        return [_Range(0, len(shard.tokens))]
    ranges, begin = [], 0
    for section in shard.sections:
        if section.tokens < length:
            raise UserError(
                f"{shard.folder}: the source '{section.name}' has {section.tokens:,} tokens, fewer than a window of "
                f"{length:,}: take it out, take its weight away, or add text"
            )
        ranges.append(_Range(begin, section.tokens))
        begin += section.tokens
    return ranges


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
        self._ranges = _ranges_of(shard, length)
        self._mixture: Mixture | None = None
        if shard.sections:
            weights = [section.weight for section in shard.sections]
            limits = [
                None if section.epochs is None else int(section.epochs * (one.size // length))
                for section, one in zip(shard.sections, self._ranges, strict=True)
            ]
            self._mixture = Mixture(weights, limits)

    @property
    def total(self) -> int | None:
        """How many rows there are in all; None where they never end."""
        return self._mixture.total if self._mixture else None

    def require(self, rows: int) -> None:
        """Raises UserError where there are fewer rows than that."""
        if self.total is not None and self.total < rows:
            raise UserError(
                f"{self.shard.folder}: {self.total:,} rows, since every source has a limit, and {rows:,} are asked for: "
                "raise epochs of the sources, or lower pretrain.steps"
            )

    def batch(self, first_sample: int, count: int) -> Batch:
        """Samples `first_sample` to `first_sample + count - 1`, one a row; every target counts."""
        places = self._places(*self._starts(numpy.arange(first_sample, first_sample + count)))  # (B, T + 1)
        tokens = self.shard.tokens[places].astype(numpy.int64)  # (B, T + 1)
        segments, positions = self._documents(tokens[:, :-1]) if self.apart else (None, None)
        return Batch(
            tokens=_tensor(tokens[:, :-1]),  # (B, T)
            targets=_tensor(tokens[:, 1:]),  # (B, T)
            weights=_tensor(numpy.ones((count, self.length), numpy.float32)),  # (B, T)
            segments=segments,
            positions=positions,
        )

    def first_sample(self, spans: Sequence[tuple[int, int]], samples: int) -> int | None:
        """The first of so many samples that holds a token of one of `spans` (first token, behind the last); None if none does."""
        for first in range(0, samples, SAMPLES_AT_ONCE):
            numbers = numpy.arange(first, min(first + SAMPLES_AT_ONCE, samples))
            starts, begins, sizes = self._starts(numbers)
            starts = starts % sizes
            seen = numpy.zeros(len(numbers), bool)
            for start, end in spans:
                left, right = start - begins, end - begins  # inside the sample's range of tokens
                inside = (left >= 0) & (right <= sizes)
                # a window reaches from its start to its last target; past the range's end it goes on at its beginning
                seen |= inside & (starts < right) & (starts + self.length >= left)
                seen |= inside & (starts + self.length >= sizes + left)
            if seen.any():
                return int(numbers[seen.argmax()])
        return None

    def _places(self, starts: Array, begins: Array, sizes: Array) -> Array:
        """int64 (B, T + 1): where the tokens of windows lie."""
        inside = (starts[:, None] + numpy.arange(self.length + 1)) % sizes[:, None]
        places: Array = begins[:, None] + inside
        return places

    def _starts(self, samples: Array) -> tuple[Array, Array, Array]:
        """int64 (B,) each: the first token of each sample's window in the range of its source, the range's begin, its size."""
        sources = numpy.zeros(len(samples), numpy.int64)
        if self._mixture:
            sources, samples = self._mixture.draw(samples)
        starts = numpy.empty(len(samples), numpy.int64)
        for source in numpy.unique(sources).tolist():
            one = self._ranges[source]
            per_epoch = one.size // self.length
            epochs = samples // per_epoch
            for epoch in numpy.unique(epochs[sources == source]).tolist():
                inside = (sources == source) & (epochs == epoch)
                windows = permute(samples[inside] % per_epoch, per_epoch, self._seed_of(source), epoch)
                starts[inside] = self.offset(epoch, source) + windows * self.length
        begins, sizes = (
            numpy.array([getattr(one, name) for one in self._ranges])[sources] for name in ("begin", "size")
        )
        return starts, begins, sizes

    def offset(self, epoch: int, source: int = 0) -> int:
        """Where the first window of an epoch begins, in the tokens that it is cut from."""
        return derive(self._seed_of(source), "windows", epoch) % self._ranges[source].size

    def _seed_of(self, source: int) -> int:
        return derive(self.seed, "source", source) if self._mixture else self.seed

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
