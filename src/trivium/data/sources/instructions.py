"""The user's own instructions: rows with 'messages', or with 'instruction' (and 'input') and 'output'.

A request and all its answers fall on one side. A held-out row's level is 'own': its request was not seen word for word,
and no more is known of it. Its answer is compared as it stands, so a free one is rarely met.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError
from trivium.base.words import Message
from trivium.data.conversations import messages_of
from trivium.data.find import find_files
from trivium.data.intake import OWN_LEVEL, Intake, Item
from trivium.data.ledger import Ledger
from trivium.data.pieces import Broken
from trivium.data.rows import LIST, rows_in, text_of
from trivium.data.text import clean

SUFFIXES = (".jsonl", LIST)
Row = tuple[Path | str, int | None, Mapping[str, Any]]  # the place, its line if it has one, what stands there
Items = Callable[[Mapping[str, Any], Path | str, int | None], Iterator[Item]]


class InstructionsSource(Settings):
    """A file, a folder or a pattern of instructions."""

    kind: Literal["instructions"] = "instructions"
    path: Path = Field(description="a .jsonl file, a .json list, a folder of them, or a pattern")
    name: str | None = Field(
        default=None, min_length=1, description="the family of rows that name none; the path's name if not given"
    )
    heldout_share: float = Field(default=0.1, ge=0, lt=1, description="share of the requests kept for measuring")
    broken: Broken = Field(default="refuse", description="what to do with bytes that are not UTF-8")


def read(source: InstructionsSource, name: str, intake: Intake) -> Iterator[Item]:
    """The conversations, in the order of paths and lines. Raises DataError where a row is none, or there is none."""
    found = find_files(source.path, SUFFIXES, intake.ledger)
    intake.facts[name] = {"files": len(found)}

    def items(row: Mapping[str, Any], place: Path | str, line: int | None) -> Iterator[Item]:
        return _item(row, place, line, source, name, intake)

    rows = ((file, rows_in(file, source.broken, intake.ledger)) for file in found)
    if not (yield from items_of(rows, items, intake.ledger)):
        told = "the file is" if len(found) == 1 else f"all {len(found)} files are"
        raise DataError(f"nothing to read: {told} empty; add rows", file=source.path)


def items_of(files: Iterable[tuple[Path, Iterable[Row]]], items: Items, ledger: Ledger) -> Generator[Item, None, int]:
    """What `items` makes of the rows of files, in their order; faults of rows and empty files go to the ledger. Returns the
    number of rows."""
    count = 0
    for file, rows in files:
        before = count
        for place, line, row in rows:
            count += 1
            try:
                yield from items(row, place, line)
            except DataError as error:
                ledger.fault("rows that could not be read", error)
        if count == before:
            ledger.drop("empty file", str(file))
    return count


def _item(
    row: Mapping[str, Any], place: Path | str, line: int | None, source: InstructionsSource, name: str, intake: Intake
) -> Iterator[Item]:
    where = f"{place}:{line}" if line else str(place)
    messages = [
        replace(message, content=clean(message.content, where, intake.ledger))
        for message in _messages(row, place, line)
    ]
    turns = [asdict(message) for message in messages]
    if not intake.is_new("instructions", json.dumps(turns), where):
        return
    family = row["family"] if isinstance(row.get("family"), str) else name
    if intake.side(json.dumps(turns[:-1]), source.heldout_share):
        asked = {"messages": turns[:-1], "answer": messages[-1].content, "family": family}
        yield Item("instructions", "heldout", asked | {"level": OWN_LEVEL, "verifiable": True})
    else:
        yield Item("instructions", "train", {"messages": turns, "family": family})


def _messages(row: Mapping[str, Any], place: Path | str, line: int | None) -> Sequence[Message]:
    if "messages" in row:
        return messages_of(row, place, line)
    if "instruction" not in row or "output" not in row:
        has = ", ".join(row) or "no fields"
        raise DataError(
            f"a row has 'messages', or 'instruction' (and 'input') and 'output'; this one has {has}",
            file=place,
            line=line,
        )
    asked, output = instruction_of(row, place, line), text_of(row, "output", place, line)
    if not output.strip():
        raise DataError("is empty; give the words or take the row out", file=place, line=line, field="output")
    return Message("user", asked), Message("assistant", output)


def instruction_of(row: Mapping[str, Any], place: Path | str, line: int | None) -> str:
    """'instruction' of a row and, below it, its 'input'. Raises DataError where it is empty or no text."""
    instruction = text_of(row, "instruction", place, line)
    more = text_of(row, "input", place, line) if row.get("input") is not None else ""
    if not instruction.strip():
        raise DataError("is empty; give the words or take the row out", file=place, line=line, field="instruction")
    return f"{instruction}\n\n{more}" if more.strip() else instruction
