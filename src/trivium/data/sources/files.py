"""The user's own files: texts, rows, tables, pages, archives, books; a folder or a pattern of them.

A plain text longer than a limit is cut at a paragraph, a line or a space. Validation text is either whole documents, by the
hash of their name, or the last part of every file (as nanoGPT cuts its single file), where there are few documents.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError
from trivium.base.words import Document
from trivium.data.find import find_files, name_inside
from trivium.data.formats import SUFFIXES, kind_of, read_pieces
from trivium.data.intake import Intake, Item
from trivium.data.ledger import Ledger
from trivium.data.pieces import Broken, Part, Wanted
from trivium.data.text import cut_text

FEW = 20  # documents; with fewer, the hash of a name would often leave one side empty
LOOKED_AT = 10_000  # documents, to find one on either side


class TextSettings(Settings):
    """What sources of files of text have in common."""

    name: str | None = Field(
        default=None, min_length=1, description="what the documents say they come from; the path's name if not given"
    )
    text_field: str = Field(default="text", description="the field of a row, or the column of a table, with the text")
    as_text: tuple[str, ...] = Field(
        default=(), description="patterns of names, such as README or *.log, of more files to be read as plain text"
    )
    as_rows: tuple[str, ...] = Field(
        default=(), description="patterns of names, such as *.json, of more files to be read as rows of JSON"
    )
    license: str = Field(default="unknown", description="kept with every document")
    split: Literal["auto", "documents", "tail"] = Field(
        default="auto",
        description="validation text: whole documents, or the last part of every file; auto: documents if there are enough",
    )
    broken: Broken = Field(default="refuse", description="what to do with bytes that are not UTF-8")
    max_document_megabytes: float = Field(default=2.0, ge=0.001, le=64, description="longer documents are cut")
    pages: Literal["main", "all"] = Field(
        default="main", description="of a web page: its main text without menus and the like, or all of it"
    )
    weight: float | None = Field(
        default=None,
        gt=0,
        description="share of this source in training, against the other weights; by size if not given",
    )
    epochs: float | None = Field(
        default=None, gt=0, description="passes over this source at most, where weights are given"
    )
    max_megabytes: float | None = Field(
        default=None, gt=0, description="text that is taken of it at most; all if not given"
    )

    @property
    def max_document_bytes(self) -> int:
        return int(self.max_document_megabytes * 1_000_000)

    @property
    def wanted(self) -> Wanted:
        """What the readers of its files need to know."""
        return Wanted(self.text_field, self.broken, self.max_document_bytes, self.pages == "main", self.as_rows)


class FilesSource(TextSettings):
    """A file, a folder or a pattern."""

    kind: Literal["files"] = "files"
    path: Path = Field(description="a file, a folder (read with all in it) or a pattern such as texts/*.txt")
    only: tuple[str, ...] = Field(
        default=(),
        description="of a folder only what fits one of these patterns, such as **/*.md; all if none is given",
    )


Documents = Callable[[FilesSource, str, Path, Ledger], Iterator[Document]]  # of one file, in the order of the file


def read(source: FilesSource, name: str, intake: Intake, documents: Documents | None = None) -> Iterator[Item]:
    """The documents of the files, in the order of their paths. Raises DataError where one cannot be read or none is left.

    `documents` gives those of a file where they were prepared before; else the file is read here.
    """
    given = documents or documents_of
    found = files_of(source, intake.ledger)
    split = _split_of(source, name, found, intake, given)
    intake.facts[name] = {"split": split, "files": len(found)}
    left = source.max_megabytes * 1_000_000 if source.max_megabytes else float("inf")
    count = 0
    for file in found:
        if left <= 0:
            intake.ledger.drop("files beyond max_megabytes", str(file))
            count += 1
            continue
        for is_valid, document in _sides(source, name, file, split, intake, given):
            count += 1
            if left > 0:
                left -= len(document.text.encode("utf-8"))
                yield from intake.document("valid" if is_valid else "train", document)
            else:
                intake.ledger.drop("documents beyond max_megabytes", document.id)
    if not count and intake.ledger.strict:
        told = "the file is" if len(found) == 1 else f"all {len(found)} files are"
        raise DataError(f"nothing to read: {told} empty or blank; add text", file=source.path)


def _sides(
    source: FilesSource, name: str, file: Path, split: str, intake: Intake, given: Documents
) -> Iterator[tuple[bool, Document]]:
    """(is it validation text, document) for the documents of a file."""
    documents = given(source, name, file, intake.ledger)
    if split != "tail":
        return ((intake.side(document.id), document) for document in documents)
    length = sum(len(document.text) for document in given(source, name, file, Ledger(intake.ledger.strict)))
    return _tail(documents, int(length * (1 - intake.valid_share)))


def documents_of(
    source: FilesSource, name: str, file: Path, ledger: Ledger, part: Part | None = None
) -> Iterator[Document]:
    """The documents of one file (or of a part of it) that are not blank; long ones in pieces.

    What cannot be read goes to the ledger: DataError is raised where that is strict.
    """
    label = label_of(source, file)
    kind = kind_of(file, source.as_rows)
    blank: list[str] = []
    count = 0
    for place, text, meta in _texts(source, file, ledger, part):
        if text.strip():
            count += 1
            yield Document(f"{name}/{label}{place}", text, name, source.license, {"kind": kind, **meta})
        else:
            blank.append(place)
    if not count and (not os.path.getsize(file) or blank):
        ledger.drop("empty file", str(file))
    for place in blank if count else ():
        ledger.drop("blank text", f"{file}{place}")


def files_of(source: FilesSource, ledger: Ledger) -> list[Path]:
    """The files of the source, sorted. Raises DataError where there is none."""
    return find_files(source.path, SUFFIXES, ledger, (*source.as_text, *source.as_rows), source.only)


def label_of(source: FilesSource, file: Path) -> str:
    """The file's name inside the source, as its documents' names hold it."""
    name = name_inside(source.path, file)
    return name.encode("utf-8", "backslashreplace").decode()  # a name may hold bytes that are no UTF-8


def size_of(source: FilesSource) -> int:
    """Bytes of the files of the source; 0 where there are none."""
    try:
        return sum(file.stat().st_size for file in files_of(source, Ledger()))
    except (OSError, DataError):
        return 0


def bytes_at(path: Path) -> int:
    """Bytes of the files of text or of rows at `path`; 0 where there are none."""
    try:
        return sum(file.stat().st_size for file in find_files(path, (*SUFFIXES, ".json"), Ledger()))
    except (OSError, DataError):
        return 0


def _texts(
    source: FilesSource, file: Path, ledger: Ledger, part: Part | None
) -> Iterator[tuple[str, str, dict[str, object]]]:
    """(place in the file, text, meta): '#12' for line 12, '#2' for the second piece of a long file, '#12.2' for both."""
    for piece in read_pieces(file, part, source.wanted, ledger):
        for number, text in enumerate(cut_text(piece.text, source.max_document_bytes), 1):
            place = piece.place if number == 1 else f"{piece.place}.{number}" if piece.place else f"#{number}"
            yield place, text, dict(piece.meta)


def _split_of(
    source: FilesSource, name: str, found: list[Path], intake: Intake, given: Documents
) -> Literal["documents", "tail"]:
    """How to split: what the settings say, or by documents where there are enough and both sides get one."""
    if source.split != "auto":
        return source.split
    documents = (document for file in found for document in given(source, name, file, Ledger(intake.ledger.strict)))
    sides = set()
    for count, document in enumerate(itertools.islice(documents, LOOKED_AT), 1):
        sides.add(intake.side(document.id))
        if count >= FEW and len(sides) == 2:
            return "documents"
    return "tail"


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
