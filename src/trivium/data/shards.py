"""Token shards: what tokenize leaves and pre-training reads, mapped into memory.

A folder with tokens.bin (flat little-endian uint16 or uint32), ends.bin (uint64, the offset behind each document) and
shard.json (sizes, hashes, and the tokenizer's); for masked models also marks.bin (uint8, what begins at each token). Each
document is followed by one <|endoftext|>, which its end includes.
A shard is whole or absent, and is refused with another tokenizer than its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy

from trivium.base.errors import RunError
from trivium.base.files import hash_file, read_json, replacing_folder, write_json

FORMAT = 1
TOKENS, ENDS, MARKS, HEADER = "tokens.bin", "ends.bin", "marks.bin", "shard.json"
WORD, SENTENCE = 1, 2  # bits of a mark
SMALL_VOCABULARY = 1 << 16  # the ids up to here fit into two bytes
AGAIN = "delete the stage's folder and run it again"
Array = numpy.ndarray[Any, Any]


@dataclass(frozen=True)
class Section:
    """The documents of one source, which follow one another in a shard; `weight` and `epochs` as its source has them."""

    name: str
    documents: int
    tokens: int
    weight: float
    epochs: float | None


class ShardWriter:
    """Appends documents to a shard; `write_shard` makes one and finishes it."""

    def __init__(
        self, folder: Path, tokenizer_sha256: str, vocab_size: int, end_of_text: int, marked: bool = False
    ) -> None:
        self._folder = folder
        self._dtype = numpy.dtype("<u2" if vocab_size <= SMALL_VOCABULARY else "<u4")
        self._vocab_size = vocab_size
        self._facts = {"vocab_size": vocab_size, "end_of_text": end_of_text, "tokenizer_sha256": tokenizer_sha256}
        self._separator = numpy.array([end_of_text], self._dtype).tobytes()
        self._files: dict[str, BinaryIO] = {
            name: open(folder / name, "wb")  # noqa: SIM115 - closed by `close`
            for name in (TOKENS, ENDS, *([MARKS] if marked else []))
        }
        self._hashes = {name: hashlib.sha256() for name in self._files}
        self.tokens = self.documents = self.bytes = 0
        self.sections: list[Section] = []  # only where sources are mixed by weight

    def add(self, ids: Array, text_bytes: int, marks: Array | None = None) -> None:
        """Append a document of `ids` (T,), which are those of `text_bytes` bytes of UTF-8 text; `marks` (T,) tell where words
        and sentences begin."""
        assert (marks is not None) == (MARKS in self._files)
        assert not len(ids) or int(ids.max()) < self._vocab_size, f"id {ids.max()} of {self._vocab_size}"
        self._write(TOKENS, ids.astype(self._dtype).tobytes() + self._separator)
        if marks is not None:
            self._write(MARKS, marks.astype(numpy.uint8).tobytes() + b"\0")
        self.tokens += len(ids) + 1
        self._write(ENDS, self.tokens.to_bytes(8, "little"))
        self.documents += 1
        self.bytes += text_bytes

    def finish(self) -> None:
        """Close the files and write shard.json."""
        self.close()
        sizes = {"tokens": self.tokens, "documents": self.documents, "bytes": self.bytes}
        hashes = {name: digest.hexdigest() for name, digest in self._hashes.items()}
        parts = {"sections": [asdict(section) for section in self.sections]} if self.sections else {}
        write_json(
            self._folder / HEADER,
            {"format": FORMAT, "dtype": self._dtype.name, **self._facts, **sizes, **parts, "sha256": hashes},
        )

    def close(self) -> None:
        for file in self._files.values():
            file.close()

    def _write(self, name: str, data: bytes) -> None:
        self._files[name].write(data)
        self._hashes[name].update(data)


@contextlib.contextmanager
def write_shard(
    folder: Path, tokenizer_sha256: str, vocab_size: int, end_of_text: int, marked: bool = False
) -> Iterator[ShardWriter]:
    """A writer whose shard takes the place of `folder` when the block ends without an error."""
    with replacing_folder(folder) as part:
        writer = ShardWriter(part, tokenizer_sha256, vocab_size, end_of_text, marked)
        try:
            yield writer
            writer.finish()
        finally:
            writer.close()


def without_documents(folder: Path, numbers: Collection[int]) -> int:
    """Write the shard in `folder` anew without the documents of these numbers. Returns the tokens that went.

    Text bytes are taken off in proportion to the tokens, since a shard does not keep those of each document.
    """
    shard = Shard(folder)
    starts = numpy.concatenate(([0], shard.ends[:-1].astype(numpy.int64)))
    before, text_bytes = len(shard.tokens), shard.bytes
    ends_of_sections = list(itertools.accumulate(section.documents for section in shard.sections))
    facts = (shard.tokenizer_sha256, shard.vocab_size, shard.end_of_text, shard.marks is not None)
    with write_shard(folder, *facts) as writer:
        for section, end in zip(shard.sections, ends_of_sections, strict=True):
            gone = [number for number in numbers if end - section.documents <= number < end]
            tokens = sum(int(shard.ends[number]) - int(starts[number]) for number in gone)
            left = replace(section, documents=section.documents - len(gone), tokens=section.tokens - tokens)
            writer.sections.append(left)
        for number, (start, end) in enumerate(zip(starts.tolist(), shard.ends.tolist(), strict=True)):
            if number not in numbers:
                marks = None if shard.marks is None else numpy.array(shard.marks[start : end - 1])
                writer.add(numpy.array(shard.tokens[start : end - 1]), 0, marks)
        writer.bytes = round(text_bytes * writer.tokens / max(before, 1))
    return before - writer.tokens


class Shard:
    """A shard on the disk. `tokens` (N,), `ends` (documents,) and `marks` (N,; None where there are none) are mapped, `bytes` is
    the size of the text as UTF-8."""

    def __init__(self, folder: Path, tokenizer_sha256: str | None = None) -> None:
        """Raises RunError where files are missing or of the wrong size, the format is unknown, or (where a hash is
        given) the tokenizer is another one. What is inside the files is looked at by `verify` only."""
        self.folder = folder
        header = read_json(folder / HEADER)
        if header.get("format") != FORMAT:
            raise RunError(f"{folder}: shard format {header.get('format')}; this version reads {FORMAT}: {AGAIN}")
        try:
            self.dtype = numpy.dtype(header["dtype"]).newbyteorder("<")
            self.vocab_size, self.end_of_text = int(header["vocab_size"]), int(header["end_of_text"])
            self.tokenizer_sha256, self.bytes = str(header["tokenizer_sha256"]), int(header["bytes"])
            self._sha256 = dict(header["sha256"])
            tokens, documents = int(header["tokens"]), int(header["documents"])
            self.sections = tuple(Section(**section) for section in header.get("sections", ()))
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{folder / HEADER}: damaged ({type(error).__name__}: {error}); {AGAIN}") from None
        if tokenizer_sha256 is not None and tokenizer_sha256 != self.tokenizer_sha256:
            raise RunError(
                f"{folder}: these tokens are another tokenizer's ({self.tokenizer_sha256[:12]}, not "
                f"{tokenizer_sha256[:12]}); run tokenize again"
            )
        self.tokens = self._map(TOKENS, self.dtype, tokens)
        self.marks = self._map(MARKS, numpy.dtype("<u1"), tokens) if MARKS in self._sha256 else None
        self.ends = self._map(ENDS, numpy.dtype("<u8"), documents)
        if (int(self.ends[-1]) if documents else 0) != tokens:
            raise RunError(f"{folder / ENDS}: damaged (the last document does not end with the tokens); {AGAIN}")

    def verify(self) -> None:
        """Read everything and compare hashes. Raises RunError naming the file that has changed."""
        for name, expected in self._sha256.items():
            if hash_file(self.folder / name) != expected:
                raise RunError(f"{self.folder / name}: damaged (its hash has changed); {AGAIN}")

    def _map(self, name: str, dtype: numpy.dtype[Any], count: int) -> Array:
        path = self.folder / name
        try:
            size = path.stat().st_size
        except OSError as error:
            raise RunError(f"{path}: {error.strerror}; {AGAIN}") from None
        if size != count * dtype.itemsize:
            raise RunError(f"{path}: damaged ({size:,} bytes instead of {count * dtype.itemsize:,}); {AGAIN}")
        return numpy.asarray(numpy.memmap(path, dtype, "r")) if count else numpy.empty(0, dtype)
