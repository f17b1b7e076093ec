"""Plain text, and rows of JSON: one a line, or all in a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.data.ledger import Ledger
from trivium.data.pieces import Part, Piece, Wanted
from trivium.data.rows import holds_list, list_rows, read_rows, text_of
from trivium.data.text import clean, read_text


def read_text_file(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """The file in pieces of at most `wanted.most_bytes`."""
    for number, text in enumerate(read_text(file, wanted.most_bytes, wanted.broken, ledger), 1):
        yield Piece("" if number == 1 else f"#{number}", text)


def read_json_lines(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """A text for each line, or for each in a part of the file."""
    for line, row in read_rows(file, wanted.broken, ledger, part):
        yield from _text(row, file, line, f"#{line}", wanted, ledger)


def read_json(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """A text for each row of a list, or for each line where the file is no list."""
    if not holds_list(file):
        yield from read_json_lines(file, part, wanted, ledger)
        return
    for number, (place, _, row) in enumerate(list_rows(file, wanted.broken, ledger), 1):
        yield from _text(row, place, None, f"#{number}", wanted, ledger)


def _text(
    row: Mapping[str, Any], file: Path | str, line: int | None, place: str, wanted: Wanted, ledger: Ledger
) -> Iterator[Piece]:
    try:
        text = text_of(row, wanted.text_field, file, line)
    except DataError as error:
        ledger.fault("rows that could not be read", error)
        return
    yield Piece(place, clean(text, f"{file}:{line}" if line else str(file), ledger))
