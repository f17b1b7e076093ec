"""The user's own open requests, for rating and alignment: what people ask, with no right answer beside it.

A row has 'prompt', or 'instruction' (and 'input'), or 'messages' (what comes after the last turn of the user is left away);
in a .txt file each line is a request. What else a row has is not read, so files of instructions and of preferences do as
they are. On which side a request falls depends on its words alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError
from trivium.base.words import Message
from trivium.data.conversations import turns_of
from trivium.data.find import find_files
from trivium.data.intake import OWN_KIND, Intake, Item
from trivium.data.ledger import Ledger
from trivium.data.opened import open_data
from trivium.data.pieces import Broken
from trivium.data.rows import LIST, MOST_LINE_BYTES, rows_in, text_of
from trivium.data.sources.instructions import Row, instruction_of, items_of
from trivium.data.text import clean, decode, skip_byte_order_mark

LINES = ".txt"
SUFFIXES = (".jsonl", LIST, LINES)


class RequestsSource(Settings):
    """A file, a folder or a pattern of open requests."""

    kind: Literal["requests"] = "requests"
    path: Path = Field(description="a .jsonl file, a .json list, a .txt of a request a line, a folder, or a pattern")
    name: str | None = Field(
        default=None, min_length=1, description="what the account calls it; the path's name if not given"
    )
    heldout_share: float = Field(default=0.1, ge=0, lt=1, description="share of the requests kept for measuring")
    broken: Broken = Field(default="refuse", description="what to do with bytes that are not UTF-8")


def read(source: RequestsSource, name: str, intake: Intake) -> Iterator[Item]:
    """The requests, in the order of paths and lines. Raises DataError where a row is none, or there is none."""
    found = find_files(source.path, SUFFIXES, intake.ledger)
    intake.facts[name] = {"files": len(found)}

    def items(row: Mapping[str, Any], place: Path | str, line: int | None) -> Iterator[Item]:
        return _item(row, place, line, source, intake)

    readers = ((file, _lines if file.suffix.lower() == LINES else rows_in) for file in found)
    rows = ((file, reader(file, source.broken, intake.ledger)) for file, reader in readers)
    if not (yield from items_of(rows, items, intake.ledger)):
        told = "the file is" if len(found) == 1 else f"all {len(found)} files are"
        raise DataError(f"nothing to read: {told} empty; add requests", file=source.path)


def _item(
    row: Mapping[str, Any], place: Path | str, line: int | None, source: RequestsSource, intake: Intake
) -> Iterator[Item]:
    where = f"{place}:{line}" if line else str(place)
    messages = [
        replace(message, content=clean(message.content, where, intake.ledger)) for message in _asked(row, place, line)
    ]
    turns = [asdict(message) for message in messages]
    key = json.dumps(turns)
    if intake.is_new("prompts", key, where):
        digest = hashlib.blake2b(key.encode(), digest_size=8).hexdigest()
        side: Literal["heldout", "train"] = "heldout" if intake.side(key, source.heldout_share) else "train"
        yield Item("prompts", side, {"id": f"{OWN_KIND}-{digest}", "messages": turns, "kind": OWN_KIND})


def _asked(row: Mapping[str, Any], place: Path | str, line: int | None) -> list[Message]:
    """The conversation up to what the user said last."""
    turned = row.get("messages", row.get("prompt"))
    if isinstance(turned, list):
        field = "messages" if "messages" in row else "prompt"
        turns = list(turns_of({"messages": turned}, place, line))
        while turns and turns[-1].role != "user":
            turns.pop()
        if not turns:
            raise DataError("no turn of the user, so nothing is asked", file=place, line=line, field=field)
        return turns
    if "prompt" in row:
        prompt = text_of(row, "prompt", place, line)
        if not prompt.strip():
            raise DataError("is empty; give the words or take the row out", file=place, line=line, field="prompt")
        return [Message("user", prompt)]
    if "instruction" in row:
        return [Message("user", instruction_of(row, place, line))]
    has = ", ".join(row) or "no fields"
    raise DataError(
        f"a row has 'prompt', 'instruction' (and 'input') or 'messages'; this one has {has}", file=place, line=line
    )


def _lines(file: Path, broken: Broken, ledger: Ledger) -> Iterator[Row]:
    with open_data(file) as opened:
        skip_byte_order_mark(opened, file)
        number = 0
        while data := opened.readline(MOST_LINE_BYTES + 1):
            number += 1
            if len(data) > MOST_LINE_BYTES:
                raise DataError(f"longer than {MOST_LINE_BYTES >> 20} MiB; cut the line", file=file, line=number)
            if data.strip():
                try:
                    text = decode(data, file, 0, broken, ledger, number).strip()
                except DataError as error:
                    ledger.fault("rows that could not be read", error)
                    continue
                yield file, number, {"prompt": text}
