"""Files opened for reading bytes, decompressed where their name says so, and never silently short.

A gzip or Zstandard stream that ends in the middle is an error here (most readers end without a word), and so is one that
grows without measure.
"""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from trivium.base.errors import DataError, MissingExtra

COMPRESSED = (".gz", ".zst")
IN_BLOCK, OUT_BLOCK = 1 << 14, 1 << 20
ZST_BLOCK = 1 << 10  # no bound can be given to what comes out: four bytes may stand for 128 KiB
MOST_GROWTH = 200  # times; text is rarely compressed to a tenth
FREE_GROWTH = 64 << 20  # bytes that may come out before growth is looked at
FRAME_HEADER = 18  # bytes at most, of Zstandard (RFC 8878)


def open_data(path: Path) -> BinaryIO:
    """The file `path`, open for reading bytes (decompressed). Raises DataError where the system does not let us."""
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed by the caller
    except FileNotFoundError:
        raise DataError("there is no such file; mend the path in the recipe", file=path) from None
    except OSError as error:
        raise DataError(
            f"cannot be read ({error.strerror}); make it readable or take it out of the source", file=path
        ) from None
    if path.suffix.lower() not in COMPRESSED:
        return file
    try:
        return io.BufferedReader(Expanding(file, path), OUT_BLOCK)
    except Exception:
        file.close()
        raise


class Grown(DataError):
    """Compressed data that grows without measure: nothing of it is to be believed."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"grows to more than {MOST_GROWTH} times its size; decompress it yourself, or take it out of the source",
            file=path,
        )


class Expanding(io.RawIOBase):
    """The content of a compressed file as a stream; several members or frames may follow one another.

    Raises Grown at once where the file itself says that it grows without measure, and does."""

    def __init__(self, file: BinaryIO, path: Path) -> None:
        self._file, self._path = file, path
        self._zst = path.suffix.lower() == ".zst"
        self._stream: Any = None  # the member that is open
        self._waiting = b""  # compressed bytes that were read and not yet used
        self._ready = b""  # decompressed bytes that were not yet taken
        self._in = self._out = 0
        size = path.stat().st_size
        if self._is_too_much(self._declared(size), size):
            self._look_ahead()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer`; 0 at the end. Raises DataError where the data is damaged, cut off or grows without measure."""
        while not self._ready:
            if not self._waiting:
                self._waiting = self._file.read(IN_BLOCK)
                self._in += len(self._waiting)
            if not self._waiting:
                if self._stream is not None:
                    raise self._fault(f"cut off: the compressed data ends in the middle, at byte {self._in:,}")
                return 0
            self._expand()
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def close(self) -> None:
        self._file.close()
        super().close()

    def _declared(self, size: int) -> int:
        """The bytes that the last member or the first frame says it holds; 0 where it says nothing. Damaged data lies."""
        if self._zst:
            start = self._file.read(FRAME_HEADER)
            self._file.seek(0)
            try:
                return max(int(_zstandard().frame_content_size(start)), 0)
            except _zstandard().ZstdError:
                return 0  # damaged, which reading tells
        self._file.seek(max(size - 4, 0))
        end = self._file.read(4)
        self._file.seek(0)
        return int.from_bytes(end, "little")

    def _look_ahead(self) -> None:
        try:
            while self.read(OUT_BLOCK):
                pass
        except Grown:
            raise
        except DataError:
            pass  # damaged: whoever reads it tells where
        self._file.seek(0)
        self._stream, self._waiting, self._ready = None, b"", b""
        self._in = self._out = 0

    def _is_too_much(self, out: int, packed: int) -> bool:
        return out > FREE_GROWTH and out > MOST_GROWTH * packed

    def _expand(self) -> None:
        if self._stream is None:
            if not self._zst and self._waiting.strip(b"\0") == b"":
                self._waiting = b""  # gzip files may be padded with zeros
                return
            self._stream = _zstandard().ZstdDecompressor().decompressobj() if self._zst else zlib.decompressobj(31)
        try:
            if self._zst:
                self._ready = self._stream.decompress(self._waiting[:ZST_BLOCK])
                self._waiting = self._waiting[ZST_BLOCK:]
            else:
                self._ready = self._stream.decompress(self._waiting, OUT_BLOCK)
                self._waiting = self._stream.unconsumed_tail
        except Exception as error:  # zlib.error, ZstdError: the libraries share no class
            raise self._fault(f"damaged compressed data before byte {self._in:,} ({error})") from None
        self._out += len(self._ready)
        if self._is_too_much(self._out, self._in):
            raise Grown(self._path)
        if self._stream.eof:
            self._waiting = self._stream.unused_data + self._waiting
            self._stream = None

    def _fault(self, text: str) -> DataError:
        return DataError(f"{text}; get the file again or take it out of the source", file=self._path)


def _zstandard() -> Any:
    try:
        import zstandard
    except ImportError:
        raise MissingExtra("zstandard", "data", "reading .zst files") from None
    return zstandard
