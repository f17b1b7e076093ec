"""Columns of words and tags, a word a line, a blank line after each sentence (CoNLL's shared tasks, WNUT).

Columns are separated by tabs where the first line has one, by spaces otherwise. Lines of `-DOCSTART-`, and comments before a
sentence (`# ` and no second column), are no words.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from trivium.base.errors import DataError
from trivium.data.tasks.rows import Row
from trivium.data.tasks.tables import open_text
from trivium.task.declaration import Task
from trivium.task.items import Place

DOCUMENT = "-DOCSTART-"


def read(path: Path, task: Task) -> Iterator[Row]:
    """A row a sentence, its words and tags as lists under the task's columns. Raises DataError with file and line."""
    places = task.columns.get("words", 0), task.columns.get("tags", -1)
    if not all(isinstance(place, int) for place in places):
        raise DataError(
            f"its columns have numbers, from 0 or from -1 backwards; given: {places[0]}, {places[1]}", file=path
        )
    sentence: list[tuple[int, list[str]]] = []
    separator: str | None = None
    try:
        with open_text(path) as file:
            for number, raw in enumerate(file, 1):
                line = raw.rstrip("\r\n")
                if separator is None and line.strip():
                    separator = "\t" if "\t" in line else " "
                if not line.strip() or line.startswith(DOCUMENT):
                    if sentence:
                        yield _row(path, sentence, task)
                    sentence = []
                else:
                    fields = [one for one in line.split("\t" if separator == "\t" else None) if one != ""]
                    if not (line.startswith("# ") and not sentence and len(fields) < 2):
                        sentence.append((number, fields))
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 ({error}); turn it into UTF-8", file=path) from None
    if sentence:
        yield _row(path, sentence, task)


def _row(path: Path, sentence: list[tuple[int, list[str]]], task: Task) -> Row:
    columns = {"words": task.columns.get("words", 0), "tags": task.columns.get("tags", -1)}
    values: dict[str | int, list[str]] = {task.column(part): [] for part in columns}
    for number, fields in sentence:
        for part, place in columns.items():
            assert isinstance(place, int)
            if len(fields) < 2 or not -len(fields) <= place < len(fields):
                raise DataError(
                    f"{len(fields)} columns; the task reads words from {columns['words']} and tags from {columns['tags']}",
                    file=path,
                    line=number,
                    field=part,
                )
            values[task.column(part)].append(fields[place])
    return Row(values, Place(str(path), sentence[0][0]), tuple(number for number, _ in sentence))
