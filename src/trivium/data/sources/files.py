"""The user's own texts: .txt and .md files are documents, .jsonl files hold one a line.

A document longer than a limit is cut at a paragraph, a line or a space. Validation text is either whole documents, by the
hash of their name, or the last part of every file (as nanoGPT cuts its single file), where there are few documents.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError
from trivium.base.words import Document
from trivium.data.find import find_files
from trivium.data.intake import Intake, Item
from trivium.data.ledger import Ledger
from trivium.data.rows import read_rows, text_of
from trivium.data.text import Broken, clean, cut_text, read_text

ROWS = ".jsonl"
SUFFIXES = (".txt", ".md", ROWS)
FEW = 20  # documents; with fewer, the hash of a name would often leave one side empty
LOOKED_AT = 10_000  # documents, to find one on either side


class FilesSource(Settings):
    """A file, a folder or a pattern."""

    kind: Literal["files"] = "files"
    path: Path = Field(description="a file, a folder (read with all in it) or a pattern such as texts/*.txt")
    name: str | None = Field(
        default=None, min_length=1, description="what the documents say they come from; the path's name if not given"
    )
    text_field: str = Field(default="text", description="the field of a .jsonl row that holds the text")
    license: str = Field(default="unknown", description="kept with every document")
    split: Literal["auto", "documents", "tail"] = Field(
        default="auto",
        description="validation text: whole documents, or the last part of every file; auto: documents if there are enough",
    )
    broken: Broken = Field(default="refuse", description="what to do with bytes that are not UTF-8")
    max_document_megabytes: float = Field(default=2.0, ge=0.001, le=64, description="longer documents are cut")

    @property
    def max_document_bytes(self) -> int:
        return int(self.max_document_megabytes * 1_000_000)


def read(source: FilesSource, name: str, intake: Intake) -> Iterator[Item]:
    """The documents of the files, in the order of their paths. Raises DataError where one cannot be read or none is left."""
    found = find_files(source.path, SUFFIXES, intake.ledger)
    split = _split_of(source, name, found, intake)
    intake.facts[name] = {"split": split, "files": len(found)}
    count = 0
    for file in found:
        if split == "tail":
            cut = _length(source, name, file) * (1 - intake.valid_share)
            pairs = _tail(documents_of(source, name, file, intake.ledger), int(cut))
        else:
            pairs = (
                (intake.side(document.id), document) for document in documents_of(source, name, file, intake.ledger)
            )
        for is_valid, document in pairs:
            count += 1
            yield from intake.document("valid" if is_valid else "train", document)
    if not count:
        raise DataError(f"nothing to read: all {len(found)} files are empty or blank; add text", file=source.path)


def documents_of(source: FilesSource, name: str, file: Path, ledger: Ledger) -> Iterator[Document]:
    """The documents of one file that are not blank; long ones in pieces. Raises DataError where it cannot be read."""
    root = source.path if source.path.is_dir() else source.path.parent
    label = file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name
    kind = file.suffix.lower().removeprefix(".")
    blank: list[str] = []
    count = 0
    for place, text in _texts(source, file, ledger):
        if text.strip():
            count += 1
            yield Document(f"{name}/{label}{place}", text, name, source.license, {"kind": kind})
        else:
            blank.append(place)
    if not count:
        ledger.drop("empty file", str(file))
    for place in blank if count else ():
        ledger.drop("blank text", f"{file}{place}")


def size_of(path: Path) -> int:
    """Bytes of the files at `path`; 0 where there are none."""
    try:
        return sum(file.stat().st_size for file in find_files(path, (*SUFFIXES, ".json"), Ledger()))
    except (OSError, DataError):
        return 0


def _texts(source: FilesSource, file: Path, ledger: Ledger) -> Iterator[tuple[str, str]]:
    """(place in the file, text): '#12' for line 12, '#2' for the second piece of a long file, '#12.2' for both."""
    if file.suffix.lower() == ROWS:
        for line, row in read_rows(file, source.broken, ledger):
            text = clean(text_of(row, source.text_field, file, line), f"{file}:{line}", ledger)
            for number, piece in enumerate(cut_text(text, source.max_document_bytes), 1):
                yield f"#{line}" if number == 1 else f"#{line}.{number}", piece
    else:
        for number, piece in enumerate(read_text(file, source.max_document_bytes, source.broken, ledger), 1):
            yield "" if number == 1 else f"#{number}", piece


def _split_of(source: FilesSource, name: str, found: list[Path], intake: Intake) -> Literal["documents", "tail"]:
    """How to split: what the settings say, or by documents where there are enough and both sides get one."""
    if source.split != "auto":
        return source.split
    documents = (document for file in found for document in documents_of(source, name, file, Ledger()))
    sides = set()
    for count, document in enumerate(itertools.islice(documents, LOOKED_AT), 1):
        sides.add(intake.side(document.id))
        if count >= FEW and len(sides) == 2:
            return "documents"
    return "tail"


def _length(source: FilesSource, name: str, file: Path) -> int:
    return sum(len(document.text) for document in documents_of(source, name, file, Ledger()))


def _tail(documents: Iterator[Document], cut: int) -> Iterator[tuple[bool, Document]]:
    """(is it validation text, document), what lies behind `cut` characters being that; the document on the line is cut."""
    start = 0
    for document in documents:
        before = min(max(cut - start, 0), len(document.text))
        start += len(document.text)
        if before:
            yield False, replace(document, text=document.text[:before])
        if before < len(document.text):
            yield True, replace(document, id=f"{document.id}~" if before else document.id, text=document.text[before:])
