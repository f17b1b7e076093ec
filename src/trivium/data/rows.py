"""Rows of a user's JSONL file, one at a time, with the number of the line; faults name file, line and field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.data.ledger import Ledger
from trivium.data.opened import open_data
from trivium.data.pieces import Broken, Part
from trivium.data.text import decode, skip_byte_order_mark

MOST_LINE_BYTES = 64 << 20  # a row is held in memory whole
MOST_SHOWN = 60
LIST = ".json"  # one list of rows in a file


def read_rows(
    path: Path, broken: Broken, ledger: Ledger, part: Part | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number from 1, object) of every line that is not blank, or of those in a part of the file.

    A line that is not UTF-8 (unless broken='replace'), not JSON or no object is a fault for the ledger. Raises DataError
    for a line that is too long.
    """
    with open_data(path) as file:
        number = 0
        if part:
            file.seek(part.start)
            number = part.before
        if not part or not part.start:
            skip_byte_order_mark(file, path)
        while (not part or file.tell() < part.end) and (line := file.readline(MOST_LINE_BYTES + 1)):
            number += 1
            if len(line) > MOST_LINE_BYTES:
                raise DataError(
                    f"longer than {MOST_LINE_BYTES >> 20} MiB; cut the row into several, or give the text as .txt",
                    file=path,
                    line=number,
                )
            if line.strip():
                try:
                    row = parse_row(decode(line, path, 0, broken, ledger, number), path, number)
                except DataError as error:
                    ledger.fault("rows that could not be read", error)
                    continue
                yield number, row


def parse_row(text: str, path: Path, line: int) -> dict[str, Any]:
    """The object in `text`. Raises DataError naming the line."""
    try:
        row = json.loads(text)
    except RecursionError:
        raise DataError("nested too deeply; mend the line or take it out", file=path, line=line) from None
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON ({error.msg} at column {error.colno}); mend the line or take it out", file=path, line=line
        ) from None
    except ValueError as error:
        raise DataError(f"not JSON ({error}); mend the line or take it out", file=path, line=line) from None
    if not isinstance(row, dict):
        raise DataError(
            f"a row is a JSON object, this is a {type(row).__name__}; mend the line or take it out",
            file=path,
            line=line,
        )
    return row


def text_of(row: Mapping[str, Any], field: str, path: Path | str, line: int | None, where: str = "") -> str:
    """The text in `field` of a row (called `where` in a fault). Raises DataError where it is missing or no text."""
    where = where or field
    if field not in row:
        raise DataError(f"missing; there are: {', '.join(row) or 'no fields'}", file=path, line=line, field=where)
    value = row[field]
    if not isinstance(value, str):
        raise DataError(f"should be text, is {short(value)}", file=path, line=line, field=where)
    return value


def short(value: Any) -> str:
    """A JSON value as a fault shows it."""
    text = json.dumps(value, ensure_ascii=True)
    return text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "..."


def rows_in(file: Path, broken: Broken, ledger: Ledger) -> Iterator[tuple[Path | str, int | None, Mapping[str, Any]]]:
    """(place, line, row) of a .jsonl file or a .json list: a list's row has no line, its place holds its number instead.

    Raises DataError for a file that is no such list.
    """
    if file.suffix.lower() == LIST:
        yield from list_rows(file, broken, ledger)
    else:
        yield from ((file, line, row) for line, row in read_rows(file, broken, ledger))


def holds_list(file: Path) -> bool:
    """Whether a file of JSON begins as one list, and not as a row a line."""
    with open_data(file) as opened:
        skip_byte_order_mark(opened, file)
        return opened.read(MOST_SHOWN).lstrip()[:1] == b"["


def list_rows(file: Path, broken: Broken, ledger: Ledger) -> Iterator[tuple[str, None, Mapping[str, Any]]]:
    """(place, no line, row) of a file that is one list of rows. Raises DataError for another file."""
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
