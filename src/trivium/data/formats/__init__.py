"""What is in a file: a table from a file name's ending to the reader of that format.

A reader takes (file, part, wanted, ledger) and yields `Piece`s, in an order that does not change. It never runs what it
reads, fetches nothing, follows no entity and no link. A fault inside a file goes to the ledger, which raises where it is strict;
a fault of the file as a whole is raised as DataError. Libraries are imported when a file needs them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from trivium.base.errors import DataError
from trivium.data.find import fits_name, suffix_of
from trivium.data.formats import archives, books, plain, tables, web
from trivium.data.ledger import Ledger
from trivium.data.opened import COMPRESSED, Grown
from trivium.data.pieces import Part, Piece, Wanted

Reader = Callable[[Path, Part | None, Wanted, Ledger], Iterator[Piece]]

READERS: dict[str, Reader] = {
    ".txt": plain.read_text_file,
    ".md": plain.read_text_file,
    ".rst": plain.read_text_file,
    ".jsonl": plain.read_json_lines,
    ".csv": tables.read_csv,
    ".tsv": tables.read_csv,
    ".parquet": tables.read_parquet,
    ".arrow": tables.read_arrow,
    ".html": web.read_html,
    ".htm": web.read_html,
    ".xhtml": web.read_html,
    ".warc": archives.read_warc,
    ".pdf": books.read_pdf,
    ".epub": books.read_epub,
    ".docx": books.read_docx,
}
MAY_BE_COMPRESSED = (".txt", ".md", ".rst", ".jsonl", ".csv", ".tsv", ".html", ".warc")
SUFFIXES = (*READERS, *(suffix + packed for suffix in MAY_BE_COMPRESSED for packed in COMPRESSED))
CUT_SHORT = "files that could not be read to the end"  # what was read of them stays
CHANGED, GREW = "files that changed while they were read", "files that grow without measure"
TO_FORGET = (CHANGED, GREW)  # nothing of such a file stays
MAGIC = {
    ".pdf": (b"%PDF", "a PDF file"),
    ".epub": (b"PK", "an EPUB file"),
    ".docx": (b"PK", "a Word file"),
    ".parquet": (b"PAR1", "a Parquet file"),
    ".gz": (b"\x1f\x8b", "gzip data"),
    ".zst": (b"\x28\xb5\x2f\xfd", "Zstandard data"),
}


def format_of(file: Path) -> str:
    """The ending that names the format, without a compression's: '.jsonl' for rows.jsonl.gz."""
    suffix = suffix_of(file)
    return next((suffix.removesuffix(packed) for packed in COMPRESSED if suffix.endswith(packed)), suffix)


def read_pieces(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """What is in `file`, or in a part of it; what cannot be read goes to the ledger.

    Raises DataError where the ledger is strict, and MissingExtra where a library is missing.
    """
    before = os.stat(file)
    if not before.st_size:
        return
    try:
        _check_beginning(file)
        yield from _reader(file, wanted)(file, part, wanted, ledger)
    except DataError as error:
        ledger.fault(GREW if isinstance(error, Grown) else CUT_SHORT, error)
        return
    except OSError as error:
        fault = DataError(f"cannot be read ({error.strerror or error}); make it readable or take it out", file=file)
        ledger.fault(CUT_SHORT, fault)
        return
    after = os.stat(file)
    if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        fault = DataError("changed while it was read; gather again when nothing writes to it", file=file)
        ledger.fault(CHANGED, fault)


def _reader(file: Path, wanted: Wanted) -> Reader:
    kind = kind_of(file, wanted.as_rows)
    return READERS.get(format_of(file)) or (plain.read_json if kind == "json" else plain.read_text_file)


def kind_of(file: Path, as_rows: Collection[str] = ()) -> str:
    """What the account calls the form of a file: its ending, 'json' for what fits `as_rows`, 'text' for any other."""
    if suffix_of(file) in SUFFIXES:
        return format_of(file).removeprefix(".")
    return "json" if fits_name(file, as_rows) else "text"


def _check_beginning(file: Path) -> None:
    suffix = file.suffix.lower()
    if suffix in MAGIC:
        magic, what = MAGIC[suffix]
        with open(file, "rb") as opened:
            start = opened.read(8)
        if not start.startswith(magic):
            raise DataError(
                f"begins with {start!r}, so it is not {what} although its name ends in {suffix}; rename it or take it out",
                file=file,
            )
