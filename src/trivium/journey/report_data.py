"""The data and tokenizer section: what was read, what was dropped and why, and how the tokenizer cuts text.

Reads `gather.json` and `tokenize.json` without trusting their shape: a table that is not there is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.journey.report_read import Run
from trivium.journey.report_steps import Sample, samples_of, tables_of
from trivium.journey.report_values import (
    Number,
    clean,
    count,
    label,
    large,
    many,
    number,
    percent,
    plain,
    reach,
    size,
)

Figure = tuple[str, str, Callable[[Any], str]]  # dotted key, name, how it is written

MOST_ROWS = 24
MOST_LISTED = 30
MOST_TOKENS = 160
TOKEN_CHARACTERS = 60

_FIGURES = (
    ("documents", "Documents", count),
    ("bytes", "Text", size),
    ("train.bytes", "To train on", size),
    ("valid.bytes", "To validate with", size),
    ("instructions", "Instructions", count),
    ("prompts", "Open requests", count),
)
_TOKEN_FIGURES = (
    ("vocab_size", "Tokens in the vocabulary", count),
    ("bytes_per_token", "Bytes per token", plain),
    ("shards.train.tokens", "Tokens to train on", large),
    ("shards.valid.tokens", "Tokens to validate with", large),
    ("unused_tokens", "Never used in training text", count),
)


@dataclass(frozen=True)
class Bar:
    """A row of a table with a bar: `width` in percent of the longest; `hint` is an example."""

    label: str
    hint: str
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
    """Figures of the data, as (name, value), tables of bars, and the beginnings of dropped documents."""

    figures: tuple[tuple[str, str], ...]
    tables: tuple[Bars, ...]
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True)
class Tokens:
    """Figures of the tokenizer, a text cut into tokens, lists of tokens, and tables of bars."""

    figures: tuple[tuple[str, str], ...]
    sample: tuple[Token, ...]
    lists: tuple[tuple[str, tuple[Token, ...]], ...]
    tables: tuple[Bars, ...]


def data(run: Run) -> Data | None:
    """The gathered data; None where the run has none."""
    content = run.gather
    if not content:
        return None
    tables = (
        _amounts("By kind", content.get("by_kind")),
        _amounts("By source", content.get("by_source")),
        _counts("Left out, and why", content.get("dropped"), content.get("names")),
        _counts("Taken in, but mended", content.get("mended"), content.get("names")),
        *(_bars(table.title, table.columns, table.rows, {}, table.ranked) for table in tables_of(content)),
    )
    shown = tuple(table for table in tables if table is not None)
    return Data(_figures(content, _FIGURES), shown, samples_of(content))


def tokens(run: Run) -> Tokens | None:
    """The tokenizer; None where the run has none."""
    content = run.tokenize
    if not content:
        return None
    lists = (("The longest tokens", "longest_tokens"), ("The most frequent tokens", "frequent_tokens"))
    sample = reach(content, "sample.tokens")
    chips = [(name, tuple(_chips(content.get(key), MOST_LISTED))) for name, key in lists]
    tables = (
        _rates("Bytes per token, by source", content.get("bytes_per_token_by_source")),
        _sizes("Vocabulary", content.get("sizes"), content.get("advice")),
    )
    return Tokens(
        _figures(content, _TOKEN_FIGURES),
        tuple(_chips(sample, MOST_TOKENS)),
        tuple((name, found) for name, found in chips if found),
        tuple(table for table in tables if table is not None),
    )


def _figures(content: Mapping[str, Any], wanted: Iterable[Figure]) -> tuple[tuple[str, str], ...]:
    found = [(name, write, number(reach(content, key))) for key, name, write in wanted]
    return tuple((name, write(value)) for name, write, value in found if value is not None)


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
    return _bars(title, columns, rows, {})


def _counts(title: str, content: Any, names: Any) -> Bars | None:
    """Bars for {reason: number}; `names` gives examples by reason."""
    if not isinstance(content, Mapping):
        return None
    rows = [(name, found, (count(found),)) for name, value in content.items() if (found := number(value)) is not None]
    examples = {name: listed[0] for name, listed in names.items() if listed} if _are_lists(names) else {}
    return _bars(title, ("Times",), rows, examples)


def _are_lists(names: Any) -> bool:
    return isinstance(names, Mapping) and all(isinstance(listed, list) for listed in names.values())


def _rates(title: str, content: Any) -> Bars | None:
    """Bars for {source: bytes per token}; nothing to compare where there is one source."""
    if not isinstance(content, Mapping) or len(content) < 2:
        return None
    rows = [(name, found, (plain(found),)) for name, value in content.items() if (found := number(value)) is not None]
    return _bars(title, ("Bytes per token",), rows, {})


def _sizes(title: str, content: Any, advice: Any) -> Bars | None:
    """Bars for what smaller vocabularies would have given, with the advice in the title."""
    rows = []
    for row in content if isinstance(content, list) else ():
        found = [number(reach(row, key)) for key in ("vocab_size", "bytes_per_token", "often")]
        if None not in found:
            tokens, rate, often = (value or 0.0 for value in found)
            rows.append((f"{count(tokens)} tokens", rate, (plain(rate), percent(often))))
    told = f"{title}: {label(advice)}" if isinstance(advice, str) and advice else title
    return _bars(told, ("Bytes per token", "Seen 100 times"), rows, {}, ranked=False)


def _bars(
    title: str,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, Number, tuple[str, ...]]],
    examples: Mapping[Any, Any],
    ranked: bool = True,
) -> Bars | None:
    if not rows:
        return None
    rows = sorted(rows, key=lambda row: -row[1]) if ranked else rows
    longest = max(*(row[1] for row in rows), 1e-9)
    bars = [
        Bar(
            label=label(name).replace("_", " "),
            hint=f"for example {label(examples[name])}" if name in examples else "",
            values=values,
            width=round(max(0.0, 100 * amount / longest), 1),
        )
        for name, amount, values in rows[:MOST_ROWS]
    ]
    return Bars(title, columns, tuple(bars), max(0, len(rows) - MOST_ROWS))


def _chips(content: Any, most: int) -> Iterator[Token]:
    """Chips for a list of texts, or of {"text", "count"}; what is neither is left out."""
    for piece in content[:most] if isinstance(content, list) else ():
        text = piece.get("text") if isinstance(piece, Mapping) else piece
        if isinstance(text, str):
            times = f", {count(piece.get('count'))} times" if isinstance(piece, Mapping) else ""
            yield _chip(text, times)


def _chip(piece: str, times: str) -> Token:
    shown = clean(piece[:TOKEN_CHARACTERS]).replace(" ", "\u00b7").replace("\n", "\u21b5").replace("\t", "\u21e5")
    more = "\u2026" if len(piece) > TOKEN_CHARACTERS else ""
    return Token(shown + more, f"{many(len(piece.encode('utf-8', 'replace')), 'byte')}{times}")
