"""Batches for masked models: rows of a marked shard, framed, hidden in part, of similar length in a batch.

Rows come in a random order that is a pure function of (seed, sample); where sources have weights, each has its share of the rows
after any number of them. A step holds a random set of rows; only inside it they are sorted by length, so that little is padding.
Legend: B rows, T tokens in a row, N hidden tokens of all rows, S sources.
"""

from __future__ import annotations

from typing import Any

import numpy

from trivium.base.errors import UserError
from trivium.base.ranks import ALONE, Ranks
from trivium.base.seeds import derive
from trivium.base.words import MaskedBatch
from trivium.data.masking import FIXED, Masker
from trivium.data.masking_settings import MaskSettings
from trivium.data.mixing import Mixture
from trivium.data.order import permute
from trivium.data.pairs import PairKind, Places, rows_of
from trivium.data.shards import WORD, Shard
from trivium.tokenizer import Tokenizer

Array = numpy.ndarray[Any, Any]
WIDTHS = 8  # batches are a multiple of this wide
PARTS = 4  # batches of a step: more pad less, fewer are larger


class MaskedRows:
    """The rows of a shard, by sample number: epoch after epoch, each epoch's rows in a random order of its own."""

    def __init__(
        self, shard: Shard, tokenizer: Tokenizer, masking: MaskSettings, kind: PairKind, length: int, seed: int
    ) -> None:
        """Rows have at most `length` tokens, framed. Raises UserError where shard or tokenizer are not for masked models."""
        self.shard, self.tokenizer, self.kind, self.seed = shard, tokenizer, kind, seed
        self.masker = Masker(masking, tokenizer.vocab_size, tokenizer.special.values(), tokenizer.mask, seed)
        self.pair = kind != "none"
        self.room = length - tokenizer.added(self.pair)
        self._epochs: dict[int, Places] = {}
        self._counts: dict[int, Array] = {}
        # where each source's tokens begin; one source where none has a weight
        sizes = [section.tokens for section in shard.sections]
        self._begins = (
            numpy.concatenate([[0], numpy.cumsum(sizes[:-1])]).astype(numpy.int64) if sizes else numpy.zeros(1)
        )
        self._mixture = self._mixed() if sizes else None

    def _mixed(self) -> Mixture:
        sections, counts = self.shard.sections, self.counts(0)
        for section, count in zip(sections, counts.tolist(), strict=True):
            if not count:
                raise UserError(
                    f"{self.shard.folder}: source {section.name} gives no row to train on; give it more text, or take it out"
                )
        limits = [
            None if section.epochs is None else int(section.epochs * count)  # of the first epoch; others differ little
            for section, count in zip(sections, counts.tolist(), strict=True)
        ]
        return Mixture([section.weight for section in sections], limits)

    def require(self, rows: int) -> None:
        """Raises UserError where there are fewer rows than that."""
        total = self._mixture.total if self._mixture else None
        if total is not None and total < rows:
            raise UserError(
                f"{self.shard.folder}: {total:,} rows, since every source has a limit, and {rows:,} are asked for: "
                "raise epochs of the sources, or lower pretrain.steps"
            )

    def epoch(self, number: int) -> Places:
        """The rows of an epoch; without pairs they are the same in all."""
        number = number if self.pair else 0
        if number not in self._epochs:
            self._epochs = {key: rows for key, rows in self._epochs.items() if key >= number - 1}
            self._epochs[number] = rows_of(self.shard, self.kind, self.room, self.seed, number)
        return self._epochs[number]

    def counts(self, epoch: int) -> Array:
        """How many rows of an epoch begin in each source, (S,)."""
        epoch = epoch if self.pair else 0
        if epoch not in self._counts:
            self._counts[epoch] = numpy.bincount(self._sources(epoch), minlength=len(self._begins))
        return self._counts[epoch]

    def _sources(self, epoch: int) -> Array:
        found: Array = numpy.searchsorted(self._begins, self.epoch(epoch).first[:, 0], side="right") - 1
        return found

    def locate(self, first: int, count: int) -> tuple[Array, Array]:
        """Epoch and row of the samples from `first` on, (count,) each; a source goes through epochs of its own."""
        samples = numpy.arange(first, first + count)
        sources, numbers = self._mixture.draw(samples) if self._mixture else (numpy.zeros_like(samples), samples)
        epochs, rows = numpy.empty(count, numpy.int64), numpy.empty(count, numpy.int64)
        for source in numpy.unique(sources).tolist():
            own = numpy.flatnonzero(sources == source)
            before = epoch = 0
            while len(own):
                size = int(self.counts(epoch)[source])
                here, own = own[numbers[own] < before + size], own[numbers[own] >= before + size]
                if len(here):
                    epochs[here] = epoch
                    rows[here] = self._drawn(numbers[here] - before, size, source, epoch)
                before, epoch = before + size, epoch + 1
        return epochs, rows

    def _drawn(self, numbers: Array, size: int, source: int, epoch: int) -> Array:
        if not self._mixture:
            return permute(numbers, size, self.seed, epoch)
        drawn = permute(numbers, size, derive(self.seed, "source", source), epoch)
        rows: Array = numpy.flatnonzero(self._sources(epoch) == source)[drawn]
        return rows

    def collate(self, epochs: Array, rows: Array, relation_weight: float = 0.0) -> MaskedBatch:
        """The given rows of the given epochs as a batch."""
        import torch

        frame = self.tokenizer.framing
        pieces = frame.pair if self.pair else frame.single
        parts = [numpy.array([token for token, _ in piece], numpy.int64) for piece in pieces]
        kinds = [[kind for _, kind in piece] for piece in pieces]
        spans = [self._spans(epoch, row) for epoch, row in zip(epochs.tolist(), rows.tolist(), strict=True)]
        longest = max(sum(stop - start for start, stop in row) for row in spans) + sum(map(len, parts))
        shape = (len(rows), -(-longest // WIDTHS) * WIDTHS)
        tokens = numpy.full(shape, self.tokenizer.pad, numpy.int64)  # (B, T)
        types, words = numpy.zeros(shape, numpy.int64), numpy.full(shape, -1, numpy.int64)
        real = numpy.zeros(shape, bool)
        for number, row in enumerate(spans):
            at = begun = 0
            for place, part in enumerate(parts):
                tokens[number, at : at + len(part)], types[number, at : at + len(part)] = part, kinds[place]
                at += len(part)
                if place < len(row):
                    (start, stop), end = row[place], at + row[place][1] - row[place][0]
                    tokens[number, at:end], types[number, at:end] = self.shard.tokens[start:stop], frame.types[place]
                    words[number, at:end] = begun + self._words(start, stop)
                    at, begun = end, int(words[number, end - 1]) + 1
            real[number, :at] = True
        hidden, chosen = self.masker.hide(tokens, words, rows, epochs)
        places = numpy.flatnonzero(chosen)
        relations = numpy.array([self.epoch(e).labels[r] for e, r in zip(epochs.tolist(), rows.tolist(), strict=True)])
        return MaskedBatch(
            tokens=torch.from_numpy(hidden),
            real=torch.from_numpy(real),
            types=torch.from_numpy(types),
            places=torch.from_numpy(places),
            targets=torch.from_numpy(tokens.reshape(-1)[places]),
            weights=torch.ones(len(places)),
            relations=torch.from_numpy(relations) if self.pair else None,
            relation_weight=relation_weight,
        )

    def _spans(self, epoch: int, row: int) -> list[tuple[int, int]]:
        places = self.epoch(epoch)
        first = (int(places.first[row, 0]), int(places.first[row, 1]))
        return [first, (int(places.second[row, 0]), int(places.second[row, 1]))] if self.pair else [first]

    def _words(self, start: int, stop: int) -> Array:
        """Numbers of the words of a span, from 0."""
        if self.shard.marks is None:
            return numpy.arange(stop - start)
        begun = (self.shard.marks[start:stop] & WORD) > 0
        begun[0] = True
        result: Array = numpy.cumsum(begun) - 1
        return result


class MaskedBatches:
    """Steps of `batch_size` rows, each in a few batches of similar length; on several processes each reads its share."""

    def __init__(self, rows: MaskedRows, batch_size: int, micro_batch_size: int = 0, ranks: Ranks = ALONE) -> None:
        """A batch has at most `micro_batch_size` rows; with 0 a step has `PARTS` of them."""
        self.rows, self.batch_size, self.ranks = rows, batch_size, ranks
        most = micro_batch_size or -(-batch_size // (PARTS * ranks.size))
        self.parts = len(ranks.parts(batch_size, most))

    def batches(self, step: int) -> list[MaskedBatch]:
        """This process's micro-batches of a 0-based step, a pure function of it."""
        epochs, rows = self.rows.locate(step * self.batch_size, self.batch_size)
        lengths = numpy.array(
            [self.rows.epoch(e).lengths[r] for e, r in zip(epochs.tolist(), rows.tolist(), strict=True)]
        )
        # a step's loss is the mean over hidden tokens and the mean over pairs, one to one: what a pair counts beside a token
        hidden = float(numpy.maximum(numpy.rint(self.rows.masker.settings.rate * lengths), 1).sum())
        order = numpy.argsort(lengths, kind="stable")[self.ranks.rank :: self.ranks.size]
        return [
            self.rows.collate(epochs[part], rows[part], hidden / self.batch_size)
            for part in numpy.array_split(order, self.parts)
        ]


def fixed_batches(rows: MaskedRows, at_once: int, most: int | None, ranks: Ranks = ALONE) -> list[MaskedBatch]:
    """The first epoch's rows, or the first `most` of them in the random order, hidden as every evaluation hides: 15%, always
    the same tokens of a row."""
    tokenizer = rows.tokenizer
    fixed = MaskedRows(rows.shard, tokenizer, FIXED, rows.kind, rows.room + tokenizer.added(rows.pair), 0)
    every = fixed.epoch(0)
    chosen = permute(numpy.arange(min(most or len(every), len(every))), len(every), 0)
    chosen = chosen[numpy.argsort(every.lengths[chosen], kind="stable")][ranks.rank :: ranks.size]
    cuts = range(0, len(chosen), at_once)
    return [
        fixed.collate(numpy.zeros(len(part), numpy.int64), part)
        for part in (chosen[cut : cut + at_once] for cut in cuts)
    ]
