"""The work of preparing files, cut into units that can be done anywhere, again, and in any order.

A unit is some small files, or a part of a large one. It is keyed by the content that it reads and by what is done to it; its
folder appears whole or not at all, so a killed worker leaves nothing behind and a finished unit is never done twice. Workers need
nothing but the plan and a common folder: a lock (given up by the system when a worker dies) keeps two off one unit.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from pydantic import BaseModel, ConfigDict

from trivium import __version__
from trivium.base.errors import TriviumError
from trivium.base.files import CHUNK, hash_json, read_json, write_atomic, write_json
from trivium.data.formats import format_of
from trivium.data.ledger import Ledger
from trivium.data.pieces import Part
from trivium.data.prepare import StepSettings
from trivium.data.sources.files import FilesSource, files_of, label_of

MOST_FILES = 2000  # in a unit
PLAN, FACTS, FAULT, READ = "plan.json", "facts.json", "fault.json", "read"


class Span(BaseModel):
    """A file, or a part of it, of the source with that number."""

    model_config = ConfigDict(frozen=True)

    source: int
    file: str
    part: tuple[int, int, int] | None = None

    @property
    def path(self) -> Path:
        return Path(os.fsdecode(bytes.fromhex(self.file)))  # a name may hold bytes that are no UTF-8


class Unit(BaseModel):
    """Spans that are done together; `key` names the folder of what comes out, `size` is in bytes."""

    model_config = ConfigDict(frozen=True)

    key: str
    spans: tuple[Span, ...]
    size: int


class Plan(BaseModel):
    """All units, in the order of the corpus, and what is done to them."""

    model_config = ConfigDict(frozen=True)

    sources: tuple[FilesSource, ...]
    names: tuple[str, ...]
    steps: StepSettings
    strict: bool
    items: tuple[tuple[str, str], ...]  # evaluation items: name and text
    units: tuple[Unit, ...]


@dataclass(frozen=True)
class Work:
    """What a plan is made from."""

    sources: Sequence[FilesSource]
    names: Sequence[str]
    steps: StepSettings
    strict: bool = False
    items: Sequence[tuple[str, str]] = ()
    unit_bytes: int = 16 << 20  # a larger file is cut where its format allows


def make_plan(work: Work) -> Plan:
    """Cut the files of the sources into units. Raises DataError where a source has no file."""
    about = {
        "version": __version__,
        "steps": work.steps.model_dump(mode="json"),
        "strict": work.strict,
        "items": work.items,
    }
    units = [
        Unit(key=_key(about, work, spans), spans=tuple(spans), size=size)
        for number, source in enumerate(work.sources)
        for spans, size in _groups(number, source, work.unit_bytes)
    ]
    return Plan(
        sources=tuple(work.sources),
        names=tuple(work.names),
        steps=work.steps,
        strict=work.strict,
        items=tuple(work.items),
        units=tuple(units),
    )


def write_plan(plan: Plan, folder: Path) -> None:
    """Write `plan` into `folder`, where the results of its units are to lie."""
    write_atomic(folder / PLAN, plan.model_dump_json())


def work(folder: str | Path, numbers: Sequence[int] | None = None) -> None:
    """Do every unit (or those of `numbers`) of the plan in `folder` that is not done and that no other worker holds.

    What is wrong with the data is left in the folder as fault.json, for whoever gave the work.
    """
    place = Path(folder)
    try:
        plan = Plan.model_validate_json((place / PLAN).read_bytes())
        for number in range(len(plan.units)) if numbers is None else numbers:
            if (place / FAULT).exists():
                return
            do_unit(plan, number, place)
    except TriviumError as error:
        write_json(place / FAULT, {"kind": type(error).__name__, "message": str(error)})


def do_unit(plan: Plan, number: int, folder: Path) -> bool:
    """Do a unit, unless it is done or held by another worker. Returns whether it was done here."""
    unit = plan.units[number]
    if is_done(unit, folder):
        return False
    with _held(folder / f".{unit.key}.lock") as is_ours:
        if not is_ours or is_done(unit, folder):
            return False
        from trivium.data.unit import write_unit

        write_unit(plan, unit, folder / unit.key)
    return True


def is_done(unit: Unit, folder: Path) -> bool:
    """Whether the unit's results are there."""
    return (folder / unit.key / FACTS).exists()


def underway(unit: Unit, folder: Path) -> int:
    """How many of the unit's bytes a worker has behind it, file by file; for people to see."""
    read = 0
    for path in folder.glob(f".{unit.key}.*.part/{READ}"):
        with contextlib.suppress(OSError):  # it was finished meanwhile
            read = max(read, path.stat().st_size)
    return min(read, unit.size)


def facts_of(unit: Unit, folder: Path) -> dict[str, Any]:
    """What a finished unit says of itself."""
    facts: dict[str, Any] = read_json(folder / unit.key / FACTS)
    return facts


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
    with open(path, "a", encoding="utf-8") as file:
        yield _lock(file)


def _lock(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _groups(number: int, source: FilesSource, most: int) -> Iterator[tuple[list[Span], int]]:
    spans: list[Span] = []
    total = 0
    for file in files_of(source, Ledger()):
        name = os.fsencode(file).hex()
        size = file.stat().st_size
        parts = _parts(file, size, most)
        if spans and (parts or total + size > most or len(spans) >= MOST_FILES):
            yield spans, total
            spans, total = [], 0
        if parts:
            yield from (([Span(source=number, file=name, part=part)], size // len(parts)) for part in parts)
        else:
            spans.append(Span(source=number, file=name))
            total += size
    if spans:
        yield spans, total


def _parts(file: Path, size: int, most: int) -> list[tuple[int, int, int]]:
    """The parts of a file that is larger than a unit, where its format can be cut; else none."""
    if size <= most or file.suffix.lower() not in (".jsonl", ".parquet"):
        return []
    if format_of(file) == ".parquet":
        from trivium.base.errors import DataError
        from trivium.data.formats.tables import row_groups

        try:
            counts = row_groups(file)
        except DataError:
            return []  # whoever reads it tells
        share = max(1, -(-len(counts) * most // size))
        return [(at, min(at + share, len(counts)), sum(counts[:at])) for at in range(0, len(counts), share)]
    return list(_line_parts(file, size, most))


def _line_parts(file: Path, size: int, most: int) -> Iterator[tuple[int, int, int]]:
    """Bytes from the beginning of a line to the end of one, and the lines before them."""
    with open(file, "rb") as opened:
        start = before = 0
        while start < size:
            lines = 0
            left = most
            while left > 0 and (block := opened.read(min(left, CHUNK))):
                lines += block.count(b"\n")
                left -= len(block)
            lines += opened.readline(1 << 31).count(b"\n")
            yield start, opened.tell(), before
            start, before = opened.tell(), before + lines


def _key(about: dict[str, Any], work: Work, spans: Sequence[Span]) -> str:
    source = work.sources[spans[0].source]
    return hash_json(
        {
            **about,
            "name": work.names[spans[0].source],
            "source": {**source.model_dump(mode="json", exclude={"only"}), "path": source.path.name},
            "content": [[label_of(source, span.path), span.part, _hash(span)] for span in spans],
        }
    )[:32]


def _hash(span: Span) -> str:
    """A hash of the bytes that a span reads; '' where they cannot be read, which whoever reads them tells."""
    part = Part(*span.part) if span.part and span.path.suffix.lower() == ".jsonl" else None
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(span.path, "rb") as file:
            file.seek(part.start if part else 0)
            left = part.end - part.start if part else 1 << 62
            while left > 0 and (block := file.read(min(CHUNK, left))):
                digest.update(block)
                left -= len(block)
    except OSError:
        return ""
    return digest.hexdigest()
