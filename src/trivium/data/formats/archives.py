"""Web archives (WARC): the pages among the responses, and the texts of conversion records (WET).

A record that is shorter than it says is a fault: the library alone ends there without a word.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError, MissingExtra
from trivium.data.formats.web import NO_TEXT, page_text
from trivium.data.ledger import Ledger
from trivium.data.opened import COMPRESSED, open_data
from trivium.data.pieces import MOST_PAGE_BYTES, Part, Piece, Wanted
from trivium.data.text import clean

END = b"\r\n\r\n"  # of every record (ISO 28500)
PAGES = ("text/html", "application/xhtml+xml")


def read_warc(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """A text for each page. Raises DataError, behind the last whole record, where the archive is cut off or damaged."""
    damage = _damage(file)
    number = 0
    for record, data in _records(file):
        number += 1
        place = f"#{number}"
        if "Content-Length" not in record.headers:
            raise damage or DataError(
                f"cut off: the head of record {number} does not end; get the file again", file=file
            )
        if (told := record.headers["Content-Length"]) != str(record.content_length):
            raise DataError(
                f"the head of record {number} gives its length ({told[:20]}) in a form that the reader does not know; the field "
                "is called Content-Length, and is a number",
                file=file,
            )
        if len(data) < min(record.content_length, MOST_PAGE_BYTES):
            found = f"record {number} has {len(data):,} of its {record.content_length:,} bytes"
            raise damage or DataError(f"cut off: {found}; get the file again", file=file)
        if record.content_length > MOST_PAGE_BYTES:
            ledger.drop("pages that are too large", f"{file}{place}")
            continue
        try:
            text = _text(record, data, wanted, f"{file}{place}")
        except DataError as error:
            ledger.fault("pages that could not be read", error)
            continue
        if text is None:
            ledger.drop("records that hold no page", f"{file}{place}")
        elif text:
            about = {"url": record.headers.get("WARC-Target-URI"), "at": record.headers.get("WARC-Date")}
            yield Piece(place, clean(text, f"{file}{place}", ledger), {k: v for k, v in about.items() if v})
        else:
            ledger.drop(NO_TEXT, f"{file}{place}")
    if damage:
        raise damage
    if number and not _ends(file):
        raise DataError("cut off: its last record does not end; get the file again", file=file)
    if not number:
        raise DataError("holds no WARC record; get the file again or take it out of the source", file=file)


def _damage(file: Path) -> DataError | None:
    """What is wrong with the compressed data: the library ends at such a place as if it were the end of the file."""
    try:
        with open_data(file) as opened:
            while file.suffix.lower() in COMPRESSED and opened.read(1 << 20):
                pass
    except DataError as error:
        return error
    return None


def _ends(file: Path) -> bool:
    """Whether an archive that is not compressed ends as every record does."""
    if file.suffix.lower() in COMPRESSED:
        return True
    with open(file, "rb") as opened:
        opened.seek(-min(len(END), os.path.getsize(file)), os.SEEK_END)
        return opened.read() == END


def _records(file: Path) -> Iterator[tuple[Any, bytes]]:
    """Every record with its content, of a long one the beginning."""
    try:
        from fastwarc.warc import ArchiveIterator, WarcRecordType
    except ImportError:
        raise MissingExtra("fastwarc", "data", "reading WARC files") from None
    try:
        with open(file, "rb") as opened:
            for record in ArchiveIterator(opened, record_types=WarcRecordType.any_type, parse_http=False):
                yield record, record.reader.read(min(record.content_length, MOST_PAGE_BYTES))
    except BaseException as error:
        if isinstance(error, DataError) or type(error).__name__ not in ("PanicException", "ValueError", "OSError"):
            raise
        raise DataError(f"not a WARC that can be read ({str(error)[:200]})", file=file) from None


def _text(record: Any, data: bytes, wanted: Wanted, name: str) -> str | None:
    """The text of a record; None where it is no page."""
    from fastwarc.warc import WarcRecordType

    if not record.record_type & (WarcRecordType.response | WarcRecordType.conversion):
        return None
    if record.record_type == WarcRecordType.conversion:
        return data.decode("utf-8", errors="replace")
    head, _, body = data.partition(b"\r\n\r\n")
    status, *lines = head.split(b"\r\n")
    fields = {
        name.strip().lower(): value.strip().lower() for name, _, value in (line.partition(b":") for line in lines)
    }
    kind = fields.get(b"content-type", b"").partition(b";")[0].decode("latin-1")
    if (
        not status.startswith(b"HTTP/")
        or b" 200" not in status
        or fields.get(b"content-encoding") not in (None, b"identity")
    ):
        return None
    if kind == "text/plain":
        return body.decode("utf-8", errors="replace")
    return page_text(body, wanted.main_text, name) if kind in PAGES else None
