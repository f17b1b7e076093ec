"""One unit of work: its documents read, prepared and written, with what the later steps need to know of them.

rows.jsonl       a document a line, the dropped ones too, with the account of what was done
private.jsonl    a finding a line: document, type, rule, place; never the value
exact.bin        uint64 (D, 2), a hash of each text
signatures.bin   uint32 (D, H), MinHash, where near-duplicates are wanted
paragraphs.bin   uint64, a hash of each long paragraph; paragraph_counts.bin uint32 (D,), how many each document has
facts.json       where each file's rows begin, what was dropped and mended; written last
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import re
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy

from trivium.base.files import replacing_folder, write_json
from trivium.data.contamination import EvaluationItem, Index
from trivium.data.formats import TO_FORGET
from trivium.data.ledger import Ledger
from trivium.data.minhash import signature
from trivium.data.pieces import Part
from trivium.data.prepare import Prepared, prepare
from trivium.data.sources.files import documents_of
from trivium.data.units import READ

if TYPE_CHECKING:
    from trivium.data.units import Plan, Unit

ROWS, PRIVATE = "rows.jsonl", "private.jsonl"
EXACT, SIGNATURES, PARAGRAPHS, COUNTS = "exact.bin", "signatures.bin", "paragraphs.bin", "paragraph_counts.bin"
FILES = (ROWS, PRIVATE, EXACT, SIGNATURES, PARAGRAPHS, COUNTS)
_BREAK = re.compile(r"(\n\s*\n)")


def write_unit(plan: Plan, unit: Unit, folder: Path) -> None:
    """Do a unit and leave its results in `folder`, whole or not at all. Raises what its reading raises."""
    index = _index(plan)
    ledger = Ledger(plan.strict)
    files: list[dict[str, Any]] = []
    contaminated: dict[str, int] = {}
    read = 0
    with replacing_folder(folder) as part, _Output(part) as output:
        (part / READ).touch()
        for span in unit.spans:
            source, name = plan.sources[span.source], plan.names[span.source]
            begin, faults = output.places(), _to_forget(ledger)
            for document in documents_of(source, name, span.path, ledger, Part(*span.part) if span.part else None):
                prepared = prepare(document, plan.steps, index)
                _count(prepared, ledger)
                for item in prepared.about.get("contaminated_by", ()):
                    contaminated[item] = contaminated.get(item, 0) + 1
                output.add(prepared, plan)
            if _to_forget(ledger) > faults:
                output.go_back(begin)
            read += _size(span.path)
            os.truncate(part / READ, read)  # a hole: its length alone tells
            rows = output.places()
            files.append(
                {
                    "offset": begin[ROWS],
                    "bytes": rows[ROWS] - begin[ROWS],
                    "first": begin[EXACT] // 16,
                    "documents": (rows[EXACT] - begin[EXACT]) // 16,
                }
            )
        output.close()
        (part / READ).unlink()
        write_json(part / "facts.json", {"files": files, "contaminated": contaminated, **ledger.figures()})


def _to_forget(ledger: Ledger) -> int:
    """How many files there were of which nothing may stay."""
    return sum(ledger.dropped.get(reason, 0) for reason in TO_FORGET)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # it has gone, and whoever read it has told


def _count(prepared: Prepared, ledger: Ledger) -> None:
    name = prepared.document.id
    for repair in prepared.about.get("repairs", ()):
        ledger.mend(repair, name)
    for kind, count in prepared.about.get("private", {}).items():
        ledger.mend(f"personal data: {kind}", name, count)
    if prepared.dropped:
        ledger.drop(prepared.dropped, name)


def paragraph_hashes(text: str, least: int) -> list[int]:
    """A number for each paragraph of `least` characters or more; white space makes no difference."""
    return [
        int.from_bytes(hashlib.blake2b(" ".join(one.split()).encode(), digest_size=8).digest(), "little")
        for one in _BREAK.split(text)[::2]
        if len(one) >= least
    ]


def without_paragraphs(text: str, least: int, again: list[bool]) -> str:
    """`text` without those of its long paragraphs that are marked in `again`, and without the gaps before them."""
    pieces = _BREAK.split(text)
    marks = iter(again)
    kept: list[str] = []
    for place in range(0, len(pieces), 2):
        if not (len(pieces[place]) >= least and next(marks)):
            kept += ([pieces[place - 1]] if kept else []) + [pieces[place]]
    return "".join(kept)


class _Output:
    """The files of a unit, open for writing."""

    def __init__(self, folder: Path) -> None:
        self._files: dict[str, BinaryIO] = {name: open(folder / name, "wb") for name in FILES}  # noqa: SIM115

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def places(self) -> dict[str, int]:
        return {name: file.tell() for name, file in self._files.items()}

    def go_back(self, places: dict[str, int]) -> None:
        """Forget what was written behind `places`."""
        for name, file in self._files.items():
            file.seek(places[name])
            file.truncate()

    def add(self, prepared: Prepared, plan: Plan) -> None:
        document, settings = prepared.document, plan.steps.duplicates
        row = {**asdict(document), "about": prepared.about, "dropped": prepared.dropped}
        self._files[ROWS].write(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        for one in prepared.found:
            found = {"id": document.id, "kind": one.kind, "rule": one.rule, "start": one.start, "end": one.end}
            self._files[PRIVATE].write(json.dumps(found).encode() + b"\n")
        self._files[EXACT].write(hashlib.blake2b(document.text.encode(), digest_size=16).digest())
        if settings.near:
            self._files[SIGNATURES].write(signature(prepared.words, settings.words, settings.functions).tobytes())
        if settings.paragraphs:
            numbers = paragraph_hashes(document.text, settings.least_paragraph)
            self._files[PARAGRAPHS].write(numpy.array(numbers, numpy.uint64).tobytes())
            self._files[COUNTS].write(len(numbers).to_bytes(4, "little"))


@functools.lru_cache(1)
def _index_of(items: tuple[tuple[str, str], ...], settings: Any) -> Index:
    return Index((EvaluationItem(name, text) for name, text in items), settings)


def _index(plan: Plan) -> Index | None:
    return _index_of(plan.items, plan.steps.contamination) if plan.items else None
