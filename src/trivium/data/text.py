"""Text out of bytes, in bounded memory: pieces of a file, checked, and cut where a reader would cut.

A file is never held whole: it comes in pieces of at most a given size, whose concatenation is the file's text. Only
UTF-8 is read; what is not is refused with its byte offset, or replaced and counted. Nothing is normalised.
"""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from trivium.base.errors import DataError
from trivium.data.ledger import Ledger
from trivium.data.opened import open_data
from trivium.data.pieces import Broken
from trivium.tokenizer.layout import without_surrogates

BLOCK = 1 << 20
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
REPLACEMENT = "\ufffd"


def read_text(path: Path, most_bytes: int, broken: Broken, ledger: Ledger) -> Iterator[str]:
    """The text of the file `path` in pieces of at most `most_bytes` UTF-8 bytes.

    Raises DataError where the file cannot be read, is binary or (with broken='refuse') is not UTF-8.
    """
    with open_data(path) as file:
        offset = skip_byte_order_mark(file, path)
        for piece in cut(file, most_bytes):
            yield decode(piece, path, offset, broken, ledger)
            offset += len(piece)


def skip_byte_order_mark(file: BinaryIO, path: Path) -> int:
    """Go behind a UTF-8 byte order mark at the start of `file`. Returns the offset. Raises DataError for UTF-16."""
    reader: Any = file  # what open_data gives can always look ahead
    start = reader.peek(len(BYTE_ORDER_MARK))[: len(BYTE_ORDER_MARK)]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError("this is UTF-16; turn it into UTF-8: iconv -f UTF-16 -t UTF-8", file=path)
    return len(file.read(len(BYTE_ORDER_MARK))) if start == BYTE_ORDER_MARK else 0


def decode(data: bytes, path: Path, offset: int, broken: Broken, ledger: Ledger, line: int | None = None) -> str:
    """The text of `data`, which stands at byte `offset` of the file (of its line `line`). Raises DataError as above."""
    of_what = "the line" if line else "the file"
    nul = data.find(0)
    if nul >= 0:
        raise DataError(
            f"a NUL byte at byte {offset + nul} of {of_what}: a binary file, not text; take it out of the source",
            file=path,
            line=line,
        )
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if broken == "refuse":
            raise DataError(
                f"byte 0x{data[error.start]:02x} at byte {offset + error.start} of {of_what} is not UTF-8; turn the file "
                "into UTF-8 (iconv -f LATIN1 -t UTF-8), or set broken: replace on the source",
                file=path,
                line=line,
            ) from None
    text = data.decode("utf-8", errors="replace")
    ledger.mend("broken UTF-8 replaced", str(path), text.count(REPLACEMENT) - data.count(REPLACEMENT.encode()))
    return text


def clean(text: str, name: str, ledger: Ledger) -> str:
    """`text` without lone surrogates and NUL characters (JSON escapes can hold them); they are counted."""
    mended, count = without_surrogates(text)
    ledger.mend("lone surrogates replaced", name, count)
    if "\0" in mended:
        ledger.mend("NUL characters taken out", name, mended.count("\0"))
        mended = mended.replace("\0", "")
    return mended


def cut_text(text: str, most_bytes: int) -> list[str]:
    """`text` in pieces of at most `most_bytes` UTF-8 bytes; most often one."""
    if len(text) * 4 <= most_bytes:
        return [text]
    return [piece.decode("utf-8") for piece in cut(BytesIO(text.encode("utf-8")), most_bytes)]


def cut(file: BinaryIO, most_bytes: int) -> Iterator[bytes]:
    """The rest of `file` in pieces of at most `most_bytes`, none empty, cut behind a paragraph, else a line, else before
    a space, else between two characters; the later the better."""
    held = bytearray()
    while block := file.read(BLOCK):
        held += block
        start = 0
        while len(held) - start > most_bytes:
            end = _boundary(held, start, start + most_bytes)
            yield bytes(held[start:end])
            start = end
        del held[:start]
    if held:
        yield bytes(held)


def _boundary(data: bytearray, start: int, end: int) -> int:
    middle = (start + end) // 2
    for mark, behind in ((b"\n\n", 2), (b"\n", 1), (b" ", 0)):
        found = data.rfind(mark, middle, end)
        if found > start:
            return found + behind
    back = end
    while back > end - 4 and data[back] & 0xC0 == 0x80:  # inside a character
        back -= 1
    return back if back > start and data[back] & 0xC0 != 0x80 else end
