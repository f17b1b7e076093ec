"""The prepared documents read back in the order of the corpus, once it is known which of them were there before.

`Corpus.documents` is what the source of kind files asks for the documents of a file. The account of every document, kept or
dropped, is given by `rows`.
Legend: D documents of all units, in order.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy

from trivium.base.errors import RunError
from trivium.base.words import Document
from trivium.data.duplicates import DuplicateSettings, near_duplicates, repeats
from trivium.data.ledger import Ledger
from trivium.data.prepare import StepSettings
from trivium.data.sources.files import FilesSource
from trivium.data.unit import COUNTS, EXACT, PARAGRAPHS, PRIVATE, ROWS, SIGNATURES, without_paragraphs
from trivium.data.units import Plan, facts_of
from trivium.data.words import Array, mix

EXACT_REASON, NEAR_REASON = "exact duplicate (documents)", "near duplicate"
PARAGRAPH_REASON = "every paragraph was there before"
INDEX_FACTS = "index.json"


@dataclass(frozen=True)
class Stretch:
    """Where a file's rows lie: in which unit, from which byte on, and the number of the first document in the corpus."""

    unit: int
    offset: int
    size: int
    first: int


@dataclass(frozen=True)
class Row:
    """The document of that number in the corpus, with the account of it; `dropped` is why it does not stay, `twin` the
    number of the one that it nearly is (-1: of an earlier corpus)."""

    number: int
    document: Document
    about: dict[str, Any]
    dropped: str | None
    twin: int | None = None


class Corpus:
    """What the units of a plan left, and what of it stays."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self._plan, self._folder = plan, folder
        self._stretches: dict[tuple[str, Path], list[Stretch]] = {}
        self.ledgers: list[dict[str, Any]] = []
        self.contaminated: dict[str, int] = {}  # evaluation item -> documents that hold it
        self._sizes: list[int] = []
        count = 0
        for number, unit in enumerate(plan.units):
            facts = facts_of(unit, folder)
            self.ledgers.append(facts)
            for item, times in facts["contaminated"].items():
                self.contaminated[item] = self.contaminated.get(item, 0) + times
            for span, about in zip(unit.spans, facts["files"], strict=True):
                stretch = Stretch(number, about["offset"], about["bytes"], count + about["first"])
                self._stretches.setdefault((plan.names[span.source], span.path), []).append(stretch)
            self._sizes.append(sum(about["documents"] for about in facts["files"]))
            count += self._sizes[-1]
        self.count = count
        self._settings = plan.steps.duplicates
        self._keep = self._kept_by_units()
        self._twins = numpy.full(count, -1, numpy.int64)  # (D,), of documents that are dropped as duplicates
        self._exact = numpy.zeros(count, bool)
        self._again: Array = numpy.empty(0, bool)
        self._paragraph_starts: Array = numpy.empty(0, numpy.int64)

    def find_duplicates(self) -> None:
        """Decide which documents and paragraphs were there before, in this corpus or in an earlier one."""
        memory = self._settings.memory_megabytes << 20
        earlier = [_Earlier(path, self._settings) for path in self._settings.against]
        before = sum(len(one.exact) for one in earlier)
        masked = self._split(self._keep)
        keys: list[Callable[[], Array]] = [lambda one=one: one.exact for one in earlier]  # type: ignore[misc]
        keys += [functools.partial(self._exact_keys, number, keep) for number, keep in enumerate(masked)]
        self._exact = repeats(keys, memory)[before:] & self._keep
        stays = self._keep & ~self._exact
        if self._settings.near:
            signatures = [*(one.signatures for one in earlier), *(self._signatures(n) for n in range(len(self._sizes)))]
            roots = near_duplicates(signatures, self._settings, numpy.concatenate((numpy.ones(before, bool), stays)))
            roots = roots[before:] - before
            near = stays & (roots != numpy.arange(self.count))
            self._twins[near] = roots[near]
            self._near, stays = near, stays & ~near
        else:
            self._near = numpy.zeros(self.count, bool)
        if self._settings.paragraphs:
            self._find_paragraphs(stays, memory)
        self._stays = stays

    def documents(self, source: FilesSource, name: str, file: Path, ledger: Ledger) -> Iterator[Document]:
        """The documents of a file that stay."""
        return (row.document for row in self.rows(name, file) if row.dropped is None)

    def rows(self, name: str, file: Path) -> Iterator[Row]:
        """Every document of a file, with the account of it."""
        for stretch in self._stretches.get((name, file), ()):
            with open(self._folder / self._plan.units[stretch.unit].key / ROWS, "rb") as lines:
                lines.seek(stretch.offset)
                number = stretch.first
                while lines.tell() < stretch.offset + stretch.size:
                    yield self._row(json.loads(lines.readline()), number)
                    number += 1

    @property
    def steps(self) -> StepSettings:
        """What was done to the documents."""
        return self._plan.steps

    @functools.cached_property
    def originals(self) -> frozenset[int]:
        """The numbers of the documents that others nearly are."""
        return frozenset(self._twins[self._near].tolist())

    def findings(self) -> Iterator[dict[str, Any]]:
        """Where personal data stood, document by document."""
        for unit in self._plan.units:
            with open(self._folder / unit.key / PRIVATE, "rb") as lines:
                yield from map(json.loads, lines)

    def figures(self) -> dict[str, Any]:
        """Duplicates by kind, and how large their groups are."""
        sizes = numpy.unique(self._twins[self._near & (self._twins >= 0)], return_counts=True)[1] + 1
        groups, counts = numpy.unique(numpy.minimum(sizes, 64), return_counts=True)
        return {
            "exact": int(self._exact.sum()),
            "near": int(self._near.sum()),
            "near_groups": {
                str(size): int(count) for size, count in zip(groups.tolist(), counts.tolist(), strict=True)
            },
            "paragraphs": int(self._again.sum()),
        }

    def write_index(self, folder: Path) -> None:
        """Leave what a later corpus needs to be compared with the documents that stay."""
        from trivium.base.files import replacing_folder, write_json

        stays = self._split(self._stays)
        with replacing_folder(folder) as part:
            with open(part / EXACT, "wb") as exact, open(part / SIGNATURES, "wb") as signatures:
                for number, keep in enumerate(stays):
                    exact.write(self._load(number, EXACT, "<u8", 2)[keep].tobytes())
                    if self._settings.near:
                        signatures.write(self._signatures(number)[keep].tobytes())
            facts = {"format": 1, "documents": int(self._stays.sum()), "functions": self._settings.functions}
            write_json(part / INDEX_FACTS, {**facts, "words": self._settings.words, "near": self._settings.near})

    def _row(self, row: dict[str, Any], number: int) -> Row:
        about, dropped, twin = row.pop("about"), row.pop("dropped"), None
        if dropped is None and self._exact[number]:
            dropped = EXACT_REASON
        elif dropped is None and self._near[number]:
            dropped, twin = NEAR_REASON, max(-1, int(self._twins[number]))
        elif dropped is None and len(self._again):
            marks = self._again[self._paragraph_starts[number] : self._paragraph_starts[number + 1]]
            if marks.any():
                about["paragraphs_taken_out"] = int(marks.sum())
                row["text"] = without_paragraphs(row["text"], self._settings.least_paragraph, marks.tolist())
                dropped = None if row["text"].strip() else PARAGRAPH_REASON
        return Row(number, Document(**row), about, dropped, twin)

    def _kept_by_units(self) -> Array:
        keep = numpy.ones(self.count, bool)
        number = 0
        for unit in self._plan.units:
            with open(self._folder / unit.key / ROWS, "rb") as lines:
                for line in lines:
                    keep[number] = line.endswith(b'"dropped": null}\n')
                    number += 1
        return keep

    def _find_paragraphs(self, stays: Array, memory: int) -> None:
        counts = numpy.concatenate(
            [numpy.empty(0, "<u4"), *(self._load(n, COUNTS, "<u4") for n in range(len(self._sizes)))]
        )
        self._paragraph_starts = numpy.concatenate(([0], numpy.cumsum(counts))).astype(numpy.int64)
        counts_by_unit = self._split(counts)
        stays_by_unit = self._split(stays)
        keys = [
            functools.partial(self._paragraph_keys, number, numpy.repeat(stay, count))
            for number, (stay, count) in enumerate(zip(stays_by_unit, counts_by_unit, strict=True))
        ]
        self._again = repeats(keys, memory)

    def _paragraph_keys(self, number: int, keep: Array) -> Array:
        """Of documents that do not stay, numbers that nothing else has: they shall not make others look repeated."""
        values = numpy.array(self._load(number, PARAGRAPHS, "<u8"))
        away = numpy.flatnonzero(~keep)
        values[away] = mix(away.astype(numpy.uint64) + numpy.uint64((number + 1) << 40))
        return values

    def _exact_keys(self, number: int, keep: Array) -> Array:
        values = numpy.array(self._load(number, EXACT, "<u8", 2))
        away = numpy.flatnonzero(~keep)
        values[away, 0] = mix(away.astype(numpy.uint64) + numpy.uint64((number + 1) << 40))
        return values

    def _split(self, values: Array) -> list[Array]:
        return numpy.split(values, numpy.cumsum(self._sizes)[:-1]) if self._sizes else []

    def _signatures(self, number: int) -> Array:
        return self._load(number, SIGNATURES, "<u4", self._settings.functions)

    def _load(self, number: int, name: str, dtype: str, width: int = 0) -> Array:
        return _mapped(self._folder / self._plan.units[number].key / name, dtype, width)


class _Earlier:
    """The index that an earlier gathering left."""

    def __init__(self, folder: Path, settings: DuplicateSettings) -> None:
        from trivium.base.files import read_json

        facts = read_json(folder / INDEX_FACTS)
        wanted = {"format": 1, "functions": settings.functions, "words": settings.words, "near": True}
        differs = [
            name for name, value in wanted.items() if facts.get(name) != value and (settings.near or name == "format")
        ]
        if differs:
            raise RunError(
                f"{folder}: made with another {' and another '.join(differs)} ({ {name: facts.get(name) for name in differs} }); "
                "give gather.duplicates the settings that it was made with"
            )
        self.exact = _mapped(folder / EXACT, "<u8", 2)
        self.signatures = _mapped(folder / SIGNATURES, "<u4", settings.functions)


def _mapped(path: Path, dtype: str, width: int) -> Array:
    shape = (-1, width) if width else (-1,)
    if not path.stat().st_size:
        return numpy.empty((0, width) if width else 0, dtype)
    return numpy.memmap(path, numpy.dtype(dtype), "r").reshape(shape)
