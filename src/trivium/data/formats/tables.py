"""Tables with a column of texts: CSV, TSV, Parquet, and the Arrow files of a saved Hugging Face dataset."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError, MissingExtra
from trivium.data.ledger import Ledger
from trivium.data.opened import open_data
from trivium.data.pieces import Part, Piece, Wanted
from trivium.data.text import clean, decode, skip_byte_order_mark

MOST_FIELD = 64 << 20  # characters
ROWS_AT_ONCE = 512
MOST_SHOWN = 60  # characters of a value that is no text
BAD_ROW = "rows that could not be read"


def read_csv(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """A text for each row; the first row names the columns. A row with more or fewer fields than that is a fault."""
    csv.field_size_limit(MOST_FIELD)
    rows = csv.reader(_lines(file, wanted, ledger), delimiter="\t" if ".tsv" in file.name.lower() else ",", strict=True)
    try:
        header = next(rows, [])
        column = _column(wanted.text_field, header, file)
        for number, row in enumerate(rows, 1):
            if not row:
                continue
            if len(row) != len(header):
                fault = DataError(
                    f"{len(row)} field{'s' * (len(row) > 1)} where the first row has {len(header)}; mend the row or take it out",
                    file=file,
                    line=rows.line_num,
                )
                ledger.fault(BAD_ROW, fault)
                continue
            yield Piece(f"#{number}", row[column])
    except csv.Error as error:
        raise DataError(f"not CSV ({error}); mend the quotes", file=file, line=rows.line_num) from None


def _lines(file: Path, wanted: Wanted, ledger: Ledger) -> Iterator[str]:
    with open_data(file) as opened:
        skip_byte_order_mark(opened, file)
        for number, line in enumerate(iter(lambda: opened.readline(MOST_FIELD + 1), b""), 1):
            if len(line) > MOST_FIELD:
                raise DataError(f"longer than {MOST_FIELD >> 20} MiB; cut the row into several", file=file, line=number)
            yield decode(line, file, 0, wanted.broken, ledger, number)


def read_parquet(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """A text for each row, or for each row of some row groups."""
    parquet = _pyarrow("parquet")
    import pyarrow

    try:
        with parquet.ParquetFile(file) as table:
            _column(wanted.text_field, table.schema_arrow.names, file)
            groups = range(part.start, part.end) if part else None
            batches = table.iter_batches(ROWS_AT_ONCE, row_groups=groups, columns=[wanted.text_field])
            yield from _texts(batches, part.before if part else 0, file, wanted, ledger)
    except (pyarrow.ArrowException, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"damaged ({_first_line(error)}); get the file again", file=file) from None


def row_groups(file: Path) -> list[int]:
    """The rows of each row group. Raises DataError where the file is damaged."""
    parquet = _pyarrow("parquet")
    try:
        with parquet.ParquetFile(file) as table:
            return [table.metadata.row_group(number).num_rows for number in range(table.num_row_groups)]
    except Exception as error:  # what pyarrow raises depends on where the damage is
        raise DataError(f"damaged ({_first_line(error)}); get the file again", file=file) from None


def read_arrow(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """A text for each row of a file that `datasets` saved."""
    ipc = _pyarrow("ipc")
    import pyarrow

    try:
        with pyarrow.memory_map(str(file)) as mapped, ipc.open_stream(mapped) as stream:
            _column(wanted.text_field, stream.schema.names, file)
            yield from _texts(stream, 0, file, wanted, ledger)
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"damaged ({_first_line(error)}); get the file again", file=file) from None


def _texts(batches: Any, before: int, file: Path, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    number = before
    for batch in batches:
        for value in batch.column(wanted.text_field).to_pylist():
            number += 1
            if isinstance(value, str):
                yield Piece(f"#{number}", clean(value, f"{file}:{number}", ledger))
            else:
                what = "nothing" if value is None else f"{type(value).__name__} {value!r}"[:MOST_SHOWN]
                fault = DataError(
                    f"should be text, is {what}; mend the row or take it out",
                    file=file,
                    line=number,
                    field=wanted.text_field,
                )
                ledger.fault(BAD_ROW, fault)


def _column(name: str, columns: Sequence[str], file: Path) -> int:
    if name not in columns:
        raise DataError(
            f"missing; there are: {', '.join(columns) or 'no columns'}; set text_field on the source",
            file=file,
            field=name,
        )
    return columns.index(name)


def _pyarrow(module: str) -> Any:
    import importlib

    try:
        return importlib.import_module(f"pyarrow.{module}")
    except ImportError:
        raise MissingExtra("pyarrow", "data", "reading Parquet and Arrow files") from None


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]
