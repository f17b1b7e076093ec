"""Evaluation items that stand in training text: runs of n words that both have, whatever the case and the punctuation.

An item with fewer than n words is looked for as a whole, down to `least_words`; shorter ones are too common to say anything, and
are counted. Hits are by 64-bit numbers of the runs (see words.py), so a false one has a chance of about 2^-64 for each
pair. n = 13 is GPT-3's choice (Brown et al. 2020, appendix C).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy
from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError
from trivium.data.find import find_files, suffix_of
from trivium.data.ledger import Ledger
from trivium.data.rows import read_rows
from trivium.data.text import read_text
from trivium.data.words import Array, Words, runs


class ContaminationSettings(Settings):
    """What is measured with, and so must not be trained on."""

    against: tuple[Path, ...] = Field(
        default=(), description="evaluation sets: .jsonl files (every text in a row counts) or .txt files (a line each)"
    )
    own_heldout: bool = Field(default=False, description="also the held-out rows of the recipe's instruction sources")
    words: int = Field(default=13, ge=3, le=64, description="words in a row that an item and a document must share")
    least_words: int = Field(default=6, ge=1, description="items with fewer words are not looked for")
    drop: bool = Field(default=True, description="leave documents out that hold an item; else only report them")


@dataclass(frozen=True)
class EvaluationItem:
    """`name` says where it stands: FILE:LINE."""

    name: str
    text: str


class Index:
    """Numbers of the items' runs, by the length of the run; `find` looks a document up in it."""

    def __init__(self, items: Iterable[EvaluationItem], settings: ContaminationSettings) -> None:
        by_length: dict[int, list[tuple[int, int]]] = {}
        self.names: list[str] = []
        self.too_short = 0
        for item in items:
            spoken = Words(item.text).spoken
            length = min(settings.words, len(spoken))
            if length < min(settings.least_words, settings.words):
                self.too_short += 1
                continue
            number = len(self.names)
            self.names.append(item.name)
            by_length.setdefault(length, []).extend((value, number) for value in runs(spoken, length).tolist())
        self._tables: dict[int, tuple[Array, Array]] = {}
        for length, pairs in by_length.items():
            pairs.sort()
            values = numpy.fromiter((value for value, _ in pairs), numpy.uint64, len(pairs))
            self._tables[length] = values, numpy.fromiter((item for _, item in pairs), numpy.int64, len(pairs))

    def find(self, words: Words) -> list[str]:
        """The names of the items that stand in the document, in the order of the items."""
        found: set[int] = set()
        for length, (values, items) in self._tables.items():
            own = numpy.unique(runs(words.spoken, length))
            left, right = numpy.searchsorted(values, own, "left"), numpy.searchsorted(values, own, "right")
            for first, behind in zip(left[left < right].tolist(), right[left < right].tolist(), strict=True):
                found.update(items[first:behind].tolist())
        return [self.names[number] for number in sorted(found)]


def evaluation_items(paths: Iterable[Path], ledger: Ledger) -> Iterator[EvaluationItem]:
    """Every item of the files at `paths`. Raises DataError where there is none or one cannot be read."""
    for path in paths:
        for file in find_files(path, (".jsonl", ".txt"), ledger):
            count = 0
            for item in _items_of(file, ledger):
                count += 1
                yield item
            if not count:
                raise DataError("holds no evaluation item; mend gather.contamination.against", file=file)


def _items_of(file: Path, ledger: Ledger) -> Iterator[EvaluationItem]:
    if suffix_of(file) == ".jsonl":
        for line, row in read_rows(file, "refuse", ledger):
            yield EvaluationItem(f"{file.name}:{line}", "\n".join(_texts_in(row)))
    else:
        text = "".join(read_text(file, 1 << 20, "refuse", ledger))
        for number, words in enumerate(text.splitlines(), 1):
            if words.strip():
                yield EvaluationItem(f"{file.name}:{number}", words)


def _texts_in(value: Any) -> Iterator[str]:
    """Every text in a row of JSON that is more than a word: labels and roles say nothing."""
    if isinstance(value, str):
        if " " in value.strip():
            yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts_in(inner)


def item_of_row(name: str, row: Any) -> EvaluationItem:
    """A row of instructions as an item."""
    return EvaluationItem(name, "\n".join(_texts_in(json.loads(json.dumps(row)))))
