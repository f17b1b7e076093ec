"""Plain text, and rows of JSON."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trivium.base.errors import DataError
from trivium.data.ledger import Ledger
from trivium.data.pieces import Part, Piece, Wanted
from trivium.data.rows import read_rows, text_of
from trivium.data.text import clean, read_text


def read_text_file(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """The file in pieces of at most `wanted.most_bytes`."""
    for number, text in enumerate(read_text(file, wanted.most_bytes, wanted.broken, ledger), 1):
        yield Piece("" if number == 1 else f"#{number}", text)


def read_json_lines(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """A text for each line, or for each in a part of the file."""
    for line, row in read_rows(file, wanted.broken, ledger, part):
        try:
            text = text_of(row, wanted.text_field, file, line)
        except DataError as error:
            ledger.fault("rows that could not be read", error)
            continue
        yield Piece(f"#{line}", clean(text, f"{file}:{line}", ledger))
