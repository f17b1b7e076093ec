"""Rows for masked models, cut out of a marked shard: single texts, or pairs for next-sentence and sentence-order prediction.

A row is one or two spans of the shard, within one document each. Next-sentence pairs are built as BERT builds them (Devlin et
al. 2019, appendix A.2): sentences of a document are collected up to a length (now and then a shorter one) and cut in two;
half the time, and where there is one sentence only, the second part is taken from another document and the sentences that it
stands for are used again. Label 0 is the true next text, 1 another one. Sentence order (Lan et al. 2020, section 3.1): two
parts that follow each other, label 1 where they are swapped. Which rows an epoch has is a pure function of (seed, epoch).
Legend: R rows of an epoch.
"""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy

from trivium.base.errors import UserError
from trivium.base.seeds import python_random
from trivium.data.shards import SENTENCE, Shard

Array = numpy.ndarray[Any, Any]
PairKind = Literal["nsp", "sop", "none"]
SHORT_SHARE = 0.1  # of rows that are collected up to a shorter length
Row = tuple[int, int, int, int, int]


@dataclass(frozen=True)
class Places:
    """Rows as places in the shard: `first` and `second` (R, 2) from and up to, `labels` (R,); -1 and empty where there is no
    second text."""

    first: Array
    second: Array
    labels: Array

    def __len__(self) -> int:
        return len(self.labels)

    @functools.cached_property
    def lengths(self) -> Array:
        """Tokens of each row, (R,), without what is added."""
        result: Array = (self.first[:, 1] - self.first[:, 0]) + (self.second[:, 1] - self.second[:, 0])
        return result


def rows_of(shard: Shard, kind: PairKind, room: int, seed: int, epoch: int) -> Places:
    """The rows of an epoch, of at most `room` tokens each. Raises UserError where the text has no such rows."""
    bounds = numpy.stack([numpy.concatenate([[0], shard.ends[:-1]]), shard.ends - 1], axis=1).astype(numpy.int64)
    bounds = bounds[bounds[:, 1] > bounds[:, 0]]  # without the separator, and without empty documents
    if kind == "none":
        return _single(bounds, room)
    if shard.marks is None:
        raise UserError(f"{shard.folder}: does not tell where sentences begin; run tokenize with masked_tokens: true")
    if kind == "nsp" and len(bounds) < 2:
        raise UserError(
            f"next-sentence pairs need texts of at least two documents; {shard.folder} has {len(bounds)}: gather more, or set "
            "pretrain.pairs to sop or none"
        )
    sentences = _sentences(shard.marks, bounds)
    cut = _next_sentence(sentences) if kind == "nsp" else _order
    rows: list[Row] = []
    for number, document in enumerate(sentences):
        rows += _pairs(document, number, room, python_random(seed, "pairs", kind, epoch, number), cut)
    if not rows:
        raise UserError(f"{shard.folder}: no text is long enough for a pair; set pretrain.pairs: none")
    table = numpy.array(rows, numpy.int64)
    return Places(table[:, 0:2], table[:, 2:4], table[:, 4])


def _single(bounds: Array, room: int) -> Places:
    """Documents in as few pieces as fit, of equal length."""
    sizes = bounds[:, 1] - bounds[:, 0]
    pieces = -(-sizes // room)
    document = numpy.repeat(numpy.arange(len(bounds)), pieces)
    number = numpy.arange(len(document)) - numpy.repeat(numpy.cumsum(pieces) - pieces, pieces)
    starts = bounds[document, 0] + sizes[document] * number // pieces[document]
    stops = bounds[document, 0] + sizes[document] * (number + 1) // pieces[document]
    first = numpy.stack([starts, stops], axis=1)
    return Places(first, numpy.zeros_like(first), numpy.full(len(first), -1))


def _sentences(marks: Array, bounds: Array) -> list[list[tuple[int, int]]]:
    """For each document its sentences, as places in the shard."""
    begun = numpy.flatnonzero(marks & SENTENCE)
    result = []
    for start, stop in bounds.tolist():
        inside = begun[numpy.searchsorted(begun, start) : numpy.searchsorted(begun, stop)].tolist()
        cuts = [start, *(place for place in inside if place > start), stop]
        result.append(list(itertools.pairwise(cuts)))
    return result


# From the sentences of a chunk and the number of its document to a row, and how many of the sentences were used.
Cut = Callable[[list[tuple[int, int]], int, int, random.Random], tuple[Row, int]]


def _pairs(document: list[tuple[int, int]], number: int, room: int, draw: random.Random, cut: Cut) -> list[Row]:
    """The pairs of one document: its sentences collected, cut, and those that were not used collected again."""
    rows: list[Row] = []
    at = 0
    while at < len(document):
        wanted = draw.randint(2, room) if draw.random() < SHORT_SHARE else room
        stop = at + 1
        while stop < len(document) and document[stop - 1][1] - document[at][0] < wanted:
            stop += 1
        row, used = cut(document[at:stop], number, wanted, draw)
        rows += [_shortened(row, room, draw)] if row[1] > row[0] and row[3] > row[2] else []
        at += used
    return rows


def _next_sentence(documents: list[list[tuple[int, int]]]) -> Cut:
    def cut(chunk: list[tuple[int, int]], number: int, wanted: int, draw: random.Random) -> tuple[Row, int]:
        middle = draw.randint(1, len(chunk) - 1) if len(chunk) > 1 else 1
        first = (chunk[0][0], chunk[middle - 1][1])
        if len(chunk) > 1 and draw.random() >= 0.5:
            return (*first, chunk[middle][0], chunk[-1][1], 0), len(chunk)
        other = draw.randrange(len(documents) - 1)
        foreign = documents[other + (other >= number)]
        start = draw.randrange(len(foreign))
        stop, left = start + 1, wanted - (first[1] - first[0])
        while stop < len(foreign) and foreign[stop - 1][1] - foreign[start][0] < left:
            stop += 1
        return (*first, foreign[start][0], foreign[stop - 1][1], 1), middle

    return cut


def _order(chunk: list[tuple[int, int]], number: int, wanted: int, draw: random.Random) -> tuple[Row, int]:
    start, stop = chunk[0][0], chunk[-1][1]
    # a sentence alone is cut inside
    middle = chunk[draw.randint(1, len(chunk) - 1)][0] if len(chunk) > 1 else (start + stop) // 2
    if draw.random() < 0.5:
        return (middle, stop, start, middle, 1), len(chunk)
    return (start, middle, middle, stop, 0), len(chunk)


def _shortened(row: Row, room: int, draw: random.Random) -> Row:
    """The row with the longer part cut, token for token, at a random end of it, until it fits."""
    ends = [row[0], row[1], row[2], row[3]]
    for _ in range(max(ends[1] - ends[0] + ends[3] - ends[2] - room, 0)):
        part = 0 if ends[1] - ends[0] > ends[3] - ends[2] else 2
        if draw.random() < 0.5:
            ends[part] += 1
        else:
            ends[part + 1] -= 1
    return ends[0], ends[1], ends[2], ends[3], row[4]
