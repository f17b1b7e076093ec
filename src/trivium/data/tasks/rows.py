"""Rows of any file as the items of a task; what a row lacks is told with file, line and field.

A row is a mapping from column to value; a reader of a form that has no columns gives the parts their own names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from trivium.base.errors import DataError
from trivium.data.rows import short
from trivium.task.declaration import Task
from trivium.task.items import Asked, Chosen, Item, Labelled, Place, Tagged, Written
from trivium.task.tags import BrokenScheme, parts_of, spans_of


@dataclass(frozen=True)
class Row:
    """Values by column. `lines` are the lines of a list's entries, where each stands on its own."""

    values: Mapping[str | int, Any]
    place: Place
    lines: tuple[int, ...] = ()

    def fault(self, message: str, field: str | int, entry: int | None = None) -> NoReturn:
        """Raises the DataError for a field of this row."""
        line = self.place.line if entry is None or not self.lines else self.lines[entry]
        raise DataError(message, file=self.place.file, line=line, field=str(field))


def items_of(task: Task, rows: Iterable[Row]) -> Iterator[Item]:
    """The items of the rows. Raises DataError for one that is not as the task says."""
    makers: Mapping[str, Callable[[Task, Row], Item]] = {
        "tag": _tagged,
        "answer": _asked,
        "generate": _written,
        "choose": _chosen,
    }
    make = makers.get(task.kind, _labelled)
    return (make(task, row) for row in rows)


def _labelled(task: Task, row: Row) -> Labelled:
    text = _text(row, task.column("text"))
    second = None
    if task.is_pair:
        column = task.column("second")
        if column not in row.values:
            row.fault(
                f"missing, and a pair has two texts; there are: {_columns(row)}; mend columns.second, or leave it out",
                column,
            )
        second = _text(row, column)
    column = task.column("label")
    value = _value(row, column)
    if task.kind == "regress":
        return Labelled(text, second, value=_number(row, column, value), place=row.place)
    if task.kind == "classify":
        return Labelled(text, second, (_label(task, row, column, value),), place=row.place)
    given = value if isinstance(value, list) else [part.strip() for part in str(value).split(",") if part.strip()]
    labels = tuple(dict.fromkeys(_label(task, row, column, one) for one in given))
    return Labelled(text, second, labels, place=row.place)


def _tagged(task: Task, row: Row) -> Tagged:
    words, tags = _list(row, task.column("words")), _list(row, task.column("tags"))
    column = task.column("tags")
    if len(words) != len(tags):
        row.fault(f"{len(tags)} tags for {len(words)} words; give each word one", column)
    if not words:
        row.fault("is empty; give the words or take the row out", task.column("words"))
    for entry, word in enumerate(words):
        if not word.strip():
            row.fault(f"word {entry + 1} is empty; give it or take it out", task.column("words"), entry)
    names = task.labels if isinstance(task.labels, dict) else {}
    tags = tuple(names.get(tag, tag) for tag in tags)
    if task.scheme != "none":
        try:
            spans_of(tags, task.scheme)
        except BrokenScheme as error:
            row.fault(f"word {error.word + 1} ('{words[error.word]}'): {error}", column, error.word)
    if isinstance(task.labels, list):
        for entry, tag in enumerate(tags):
            name = tag if task.scheme == "none" else parts_of(tag, task.scheme)[1]
            if name and name not in task.labels:
                row.fault(f"'{name}' is none of the task's labels: {', '.join(task.labels)}", column, entry)
    return Tagged(words, tags, row.place)


def _asked(task: Task, row: Row) -> Asked:
    context, question = (_text(row, task.column(part)) for part in ("context", "question"))
    column = task.column("answers")
    answers = tuple(_answer(row, column, context, one) for one in _answers(row, column))
    identity, article = (str(row.values.get(name, "")) for name in ("id", "title"))
    return Asked(context, question, tuple(dict.fromkeys(answers)), identity, article, row.place)


def _answers(row: Row, column: str | int) -> list[tuple[Any, Any]]:
    """(start or None, text) of each answer, in any of the forms that are about."""
    value = _value(row, column)
    if value is None or value == "":
        return []
    if isinstance(value, str):
        return [(None, value)]
    if isinstance(value, Mapping) and isinstance(value.get("text"), list):
        starts = value.get("answer_start")
        if not isinstance(starts, list) or len(starts) != len(value["text"]):
            row.fault("needs 'text' and 'answer_start', two lists of one length", column)
        return list(zip(starts, value["text"], strict=True))
    if isinstance(value, list) and all(isinstance(one, Mapping | str) for one in value):
        return [(None, one) if isinstance(one, str) else (one.get("answer_start"), one.get("text")) for one in value]
    row.fault(f"should be a text, or answers with 'text' and 'answer_start', is {short(value)}", column)


def _answer(row: Row, column: str | int, context: str, given: tuple[Any, Any]) -> tuple[int, str]:
    start, text = given
    if not isinstance(text, str) or not text.strip():
        row.fault(f"an answer should be a text, is {short(text)}", column)
    if start is None:
        start = context.find(text)
    if not isinstance(start, int) or start < 0 or context[start : start + len(text)] != text:
        there = (
            f"; at {start} stands {short(context[start : start + len(text)])}"
            if isinstance(start, int) and start >= 0
            else ""
        )
        row.fault(f"the answer {short(text)} is not in its context{there}; mend it or take the row out", column)
    return start, text


def _written(task: Task, row: Row) -> Written:
    return Written(_text(row, task.column("source")), _text(row, task.column("target")), row.place)


def _chosen(task: Task, row: Row) -> Chosen:
    """A row whose answer is one of its options, or the number of one (from 0)."""
    column = task.column("options")
    given = _value(row, column)
    parts = given.split("|") if isinstance(given, str) else given
    if not isinstance(parts, list | tuple) or not all(isinstance(one, str) and one.strip() for one in parts):
        row.fault(f"should be a list of texts (or texts with | between), is {short(given)}", column)
    options = tuple(one.strip() for one in parts)
    if len(options) < 2 or len(set(options)) < len(options):
        row.fault(f"needs at least two different options, has {short(list(options))}", column)
    column = task.column("answer")
    answer = _value(row, column)
    if str(answer) in options:
        return Chosen(_text(row, task.column("question")), options, options.index(str(answer)), row.place)
    if isinstance(answer, bool) or not str(answer).isdigit() or int(answer) >= len(options):
        row.fault(
            f"{short(answer)} is none of the options ({', '.join(options)}), nor a number from 0 to {len(options) - 1}",
            column,
        )
    return Chosen(_text(row, task.column("question")), options, int(answer), row.place)


def _value(row: Row, column: str | int) -> Any:
    if column not in row.values:
        row.fault(f"missing; there are: {_columns(row)}; name the right one in the task's columns", column)
    return row.values[column]


def _columns(row: Row) -> str:
    return ", ".join(map(str, row.values)) or "no columns"


def _text(row: Row, column: str | int) -> str:
    value = _value(row, column)
    if not isinstance(value, str):
        row.fault(f"should be text, is {short(value)}", column)
    if not value.strip():
        row.fault("is empty; give the words or take the row out", column)
    return str(value)


def _list(row: Row, column: str | int) -> tuple[str, ...]:
    value = _value(row, column)
    if isinstance(value, str):
        value = value.split()
    if not isinstance(value, list | tuple) or not all(isinstance(one, str | int) for one in value):
        row.fault(f"should be a list of texts, is {short(value)}", column)
    return tuple(map(str, value))


def _label(task: Task, row: Row, column: str | int, value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or str(value) == "":
        row.fault(f"should be a label, is {short(value)}", column)
    name = str(value)
    known = task.labels
    if known is not None and name not in known:
        row.fault(f"'{name}' is none of the task's labels: {', '.join(known)}", column)
    return known[name] if isinstance(known, dict) else name


def _number(row: Row, column: str | int, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        row.fault(f"should be a number, is {short(value)}", column)
    return number
