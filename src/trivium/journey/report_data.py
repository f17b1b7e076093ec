"""The data and tokenizer section: what was read, what was dropped and why, and how the tokenizer cuts text.

Reads `gather.json` and `tokenize.json` without trusting their shape: a table that is not there is left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.journey.report_read import Run
from trivium.journey.report_values import Number, clean, count, label, number, percent, plain, size

MOST_ROWS = 24
MOST_TOKENS = 160
TOKEN_CHARACTERS = 60
_FIGURES = (
    ("documents", "Documents", count),
    ("bytes", "Text", size),
    ("instructions", "Instructions", count),
    ("prompts", "Requests to rate", count),
)


@dataclass(frozen=True)
class Bar:
    """A row of a table with a bar: `width` in percent of the longest."""

    label: str
    values: tuple[str, ...]
    width: float


@dataclass(frozen=True)
class Bars:
    """A table of bars; `columns` name the values, `rest` tells how many rows are not shown."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[Bar, ...]
    rest: int


@dataclass(frozen=True)
class Token:
    """A chip: `text` with its spaces made visible, `title` with what it is."""

    text: str
    title: str


@dataclass(frozen=True)
class Data:
    """Figures of the data, as (name, value), and tables of bars."""

    figures: tuple[tuple[str, str], ...]
    tables: tuple[Bars, ...]


@dataclass(frozen=True)
class Tokens:
    """Figures of the tokenizer, a text cut into tokens, the longest tokens, and bytes per token by source."""

    figures: tuple[tuple[str, str], ...]
    sample: tuple[Token, ...]
    longest: tuple[Token, ...]
    tables: tuple[Bars, ...]


def data(run: Run) -> Data | None:
    """The gathered data; None where the run has none."""
    content = run.gather
    if not content:
        return None
    named = [(name, write, _amount(content.get(key))) for key, name, write in _FIGURES]
    figures = [(name, write(amount)) for name, write, amount in named if amount is not None]
    tables = [
        _amounts("By kind", content.get("by_kind") or content.get("kinds")),
        _amounts("By source", content.get("by_source") or content.get("sources")),
        _counts("Left out, and why", content.get("dropped")),
    ]
    return Data(tuple(figures), tuple(table for table in tables if table is not None))


def tokens(run: Run) -> Tokens | None:
    """The tokenizer; None where the run has none."""
    content = run.tokenize
    if not content:
        return None
    per_token = content.get("bytes_per_token")
    overall = per_token.get("overall") if isinstance(per_token, Mapping) else per_token
    by_source = content.get("bytes_per_token_by_source") or per_token
    figures = []
    for name, value, write in (
        ("Tokens in the vocabulary", content.get("vocab_size"), count),
        ("Bytes per token", overall, plain),
        ("Never used in the training text", _length(content.get("unused_tokens", content.get("unused"))), count),
    ):
        if number(value) is not None:
            figures.append((name, write(value)))
    sample = content.get("sample")
    pieces = sample.get("tokens") or sample.get("pieces") if isinstance(sample, Mapping) else sample
    tables = [_rates("Bytes per token, by source", by_source)]
    return Tokens(
        tuple(figures),
        tuple(_chip(piece) for piece in _texts(pieces)[:MOST_TOKENS]),
        tuple(_chip(piece) for piece in _texts(content.get("longest_tokens", content.get("longest")))[:MOST_ROWS]),
        tuple(table for table in tables if table is not None),
    )


def _amount(value: Any) -> Number | None:
    """A number, or the sum of a mapping of numbers (such as a count for each split)."""
    if isinstance(value, Mapping):
        parts = [number(part) for part in value.values()]
        return sum(part for part in parts if part is not None) if any(part is not None for part in parts) else None
    return number(value)


def _length(value: Any) -> Any:
    return len(value) if isinstance(value, list) else value


def _amounts(title: str, content: Any) -> Bars | None:
    """Bars for {name: {"documents", "bytes"}} or {name: number}."""
    if not isinstance(content, Mapping):
        return None
    found = []
    for name, value in content.items():
        documents = number(value.get("documents")) if isinstance(value, Mapping) else number(value)
        amount = number(value.get("bytes")) if isinstance(value, Mapping) else None
        if documents is not None or amount is not None:
            found.append((name, documents, amount))
    whole = sum(amount or documents or 0 for _, documents, amount in found)
    columns = ("Documents", "Text", "Share")
    rows = [
        (
            name,
            amount or documents or 0,
            (count(documents), size(amount), percent((amount or documents or 0) / whole if whole else 0)),
        )
        for name, documents, amount in found
    ]
    return _bars(title, columns, rows)


def _counts(title: str, content: Any) -> Bars | None:
    if not isinstance(content, Mapping):
        return None
    rows = [(name, found, (count(found),)) for name, value in content.items() if (found := _amount(value)) is not None]
    return _bars(title, ("Documents",), rows)


def _rates(title: str, content: Any) -> Bars | None:
    if not isinstance(content, Mapping):
        return None
    rows = [
        (name, found, (plain(found),))
        for name, value in content.items()
        if (found := number(value)) is not None and name != "overall"
    ]
    return _bars(title, ("Bytes per token",), rows)


def _bars(title: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, Number, tuple[str, ...]]]) -> Bars | None:
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: -row[1])
    longest = max(rows[0][1], 1e-9)
    bars = tuple(
        Bar(label(name), values, round(max(0.0, 100 * amount / longest), 1))
        for name, amount, values in rows[:MOST_ROWS]
    )
    return Bars(title, columns, bars, max(0, len(rows) - MOST_ROWS))


def _texts(content: Any) -> list[str]:
    """Texts from a list of texts, or of objects or pairs that hold one."""
    if not isinstance(content, list):
        return []
    found = []
    for piece in content:
        if isinstance(piece, Mapping):
            piece = piece.get("text", piece.get("token"))
        elif isinstance(piece, list) and piece:
            piece = piece[0]
        if isinstance(piece, str):
            found.append(piece)
    return found


def _chip(piece: str) -> Token:
    safe = clean(piece[:TOKEN_CHARACTERS])
    shown = safe.replace(" ", "\u00b7").replace("\n", "\u21b5").replace("\t", "\u21e5")
    more = "\u2026" if len(piece) > TOKEN_CHARACTERS else ""
    return Token(shown + more, f"{len(piece.encode('utf-8', 'replace'))} bytes")
