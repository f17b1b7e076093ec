"""What `trivium predict` is asked of: texts of the command line, lines, or rows with a task's columns, as its items.

Every item is checked, and a fault names file, line and field: nothing is skipped, so that what comes out lines up with what
went in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

from trivium.base.errors import DataError, UserError
from trivium.data.rows import short
from trivium.data.tasks.rows import Row, items_of
from trivium.data.tasks.tables import read
from trivium.task.declaration import Format, Kind, Task
from trivium.task.items import Item, Place, Tagged

ROWS: Mapping[str, Format] = {".jsonl": "jsonl", ".json": "json", ".csv": "csv", ".tsv": "tsv", ".parquet": "parquet"}
# The parts of an item that are read, in the order in which a line has them.
READ: Mapping[Kind, tuple[str, ...]] = {
    "tag": ("words",),
    "answer": ("question", "context"),
    "generate": ("source",),
    "choose": ("question", "options"),
}
# The part that is to be told, and what stands in for it while an item is made.
STAND_INS: Mapping[Kind, tuple[str, Any]] = {
    "classify": ("label", "?"),
    "multilabel": ("label", []),
    "regress": ("label", 0),
    "answer": ("answers", None),
    "generate": ("target", "?"),
    "choose": ("answer", 0),
}
BYTE_ORDER_MARK = "\ufeff"
Given: TypeAlias = Item | str  # a text to tag has no words yet


def items_given(task: Task | None, name: str, texts: Sequence[str], file: Path | None) -> Iterator[Given]:
    """The items of the file, of the texts, or of standard input; without a task they are texts. Raises DataError for one that
    is not as the task reads it, UserError for texts beside a file."""
    if texts and file is not None:
        raise UserError(f"texts and --file {file} are both given; give the texts or the file alone")
    task = task or Task.model_validate({"kind": "classify", "data": {"train": name}})
    if file is not None:
        _require_readable(file)
    if file is not None and file.suffix.lower() in ROWS:
        rows = read(file, ROWS[file.suffix.lower()], task)
    elif file is not None:
        rows = (_row(task, name, text, place) for text, place in _file_lines(file))
    elif texts:
        rows = (_row(task, name, text, Place("the command line", number)) for number, text in enumerate(texts, 1))
    else:
        lines = _lines(sys.stdin.buffer, "standard input")
        rows = (_row(task, name, text, place) for text, place in lines)
    return (_item(task, row) for row in rows)


def _require_readable(file: Path) -> None:
    if not file.exists():
        raise DataError("there is no such file; give --file a file that is there", file=file)
    if file.is_dir():
        raise DataError("is a folder; give --file a file in it", file=file)
    if not os.access(file, os.R_OK):
        raise DataError("must not be read by you; make it readable, or give --file another file", file=file)


def _file_lines(file: Path) -> Iterator[tuple[str, Place]]:
    with open(file, "rb") as opened:
        yield from _lines(opened, str(file))


def _lines(opened: BinaryIO, name: str) -> Iterator[tuple[str, Place]]:
    """Every line with its place; an empty last one is none."""
    held: tuple[str, Place] | None = None
    for number, data in enumerate(opened, 1):
        if held:
            yield held
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                f"byte 0x{data[error.start]:02x} at byte {error.start} of the line is not UTF-8; turn it into UTF-8 "
                "(iconv -f LATIN1 -t UTF-8)",
                file=name,
                line=number,
            ) from None
        text = text.removeprefix(BYTE_ORDER_MARK) if number == 1 else text
        held = (text.removesuffix("\n").removesuffix("\r"), Place(name, number))
    if held and held[0].strip():
        yield held


def _row(task: Task, name: str, text: str, place: Place) -> Row:
    """A line as a row with the columns of the task."""
    parts = _parts(task)
    if task.kind == "choose":
        columns = " and ".join(f"'{task.column(part)}'" for part in parts)
        raise DataError(
            f"the task '{name}' chooses among options, which a line has no room for; give a --file .jsonl with the columns "
            f"{columns}",
            file=place.file,
            line=place.line,
        )
    values = text.split("\t", 1) if len(parts) > 1 else [text]
    if len(values) != len(parts):
        what = "a question, a tab, and its context" if task.kind == "answer" else "two texts with a tab between"
        raise DataError(f"the task '{name}' reads {what}", file=place.file, line=place.line)
    return Row({task.column(part): value for part, value in zip(parts, values, strict=True)}, place)


def _item(task: Task, row: Row) -> Given:
    """The item of a row that says only what is read of it."""
    for column in map(task.column, _parts(task)):
        if column not in row.values:
            there = ", ".join(map(str, row.values)) or "no columns"
            row.fault(f"missing; there are: {there}; give it, or name the right one", column)
    if task.kind == "tag":
        return _words(row, task.column("words"))
    part, stand_in = STAND_INS[task.kind]
    if task.kind == "classify" and task.labels:
        stand_in = next(iter(task.labels))
    (item,) = items_of(task, [Row({**row.values, task.column(part): stand_in}, row.place)])
    return item


def _words(row: Row, column: str | int) -> Given:
    value = row.values[column]
    words = value if isinstance(value, list | tuple) else [value]
    if not all(isinstance(word, str) for word in words):
        row.fault(f"should be text, or a list of words, is {short(value)}", column)
    if not words or not all(word.strip() for word in words):
        row.fault("is empty, or a word in it is; give the words or take the row out", column)
    return value if isinstance(value, str) else Tagged(tuple(words), place=row.place)


def _parts(task: Task) -> tuple[str, ...]:
    return READ.get(task.kind, ("text", "second") if task.is_pair else ("text",))
