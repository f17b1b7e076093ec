"""The user's own instructions: rows with 'messages', or with 'instruction' (and 'input') and 'output'.

A request and all its answers fall on one side. A held-out row's level is 'own': its request was not seen word for word,
and no more is known of it. Its answer is compared as it stands, so a free one is rarely met.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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
from trivium.data.opened import open_data
from trivium.data.pieces import Broken
from trivium.data.rows import MOST_LINE_BYTES, read_rows, text_of
from trivium.data.text import clean, decode, skip_byte_order_mark

LIST = ".json"
SUFFIXES = (".jsonl", LIST)


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
    count = 0
    for file in found:
        before = count
        for place, line, row in _rows(file, source.broken, intake.ledger):
            count += 1
            try:
                yield from _item(row, place, line, source, name, intake)
            except DataError as error:
                intake.ledger.fault("rows that could not be read", error)
        if count == before:
            intake.ledger.drop("empty file", str(file))
    if not count:
        raise DataError(f"nothing to read: all {len(found)} files are empty; add rows", file=source.path)


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
    instruction, output = (text_of(row, field, place, line) for field in ("instruction", "output"))
    more = text_of(row, "input", place, line) if row.get("input") is not None else ""
    for field, value in (("instruction", instruction), ("output", output)):
        if not value.strip():
            raise DataError("is empty; give the words or take the row out", file=place, line=line, field=field)
    return Message("user", f"{instruction}\n\n{more}" if more.strip() else instruction), Message("assistant", output)


def _rows(file: Path, broken: Broken, ledger: Ledger) -> Iterator[tuple[Path | str, int | None, Mapping[str, Any]]]:
    """(place, line, row): a row of a .json list has no line of its own, its place holds its number instead."""
    if file.suffix.lower() != LIST:
        for line, row in read_rows(file, broken, ledger):
            yield file, line, row
        return
    for number, row in enumerate(_list(file, broken, ledger)):
        place = f"{file}[{number}]"
        if not isinstance(row, dict):
            raise DataError(
                f"a row is a JSON object, this is a {type(row).__name__}; mend it or take it out", file=place
            )
        yield place, None, row


def _list(file: Path, broken: Broken, ledger: Ledger) -> list[Any]:
    with open_data(file) as opened:
        offset = skip_byte_order_mark(opened, file)
        data = opened.read(MOST_LINE_BYTES + 1)
    if len(data) > MOST_LINE_BYTES:
        raise DataError(f"longer than {MOST_LINE_BYTES >> 20} MiB; give it as .jsonl, one row a line", file=file)
    if not data.strip():
        return []
    try:
        rows = json.loads(decode(data, file, offset, broken, ledger))
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON ({error.msg} at column {error.colno}); mend the file", file=file, line=error.lineno
        ) from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"not JSON that can be read ({error}); mend the file", file=file) from None
    if not isinstance(rows, list):
        raise DataError(
            f"should be a list of rows, is a {type(rows).__name__}; give a list, or .jsonl with one row a line",
            file=file,
        )
    return rows
