"""The words that the readers of formats share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Broken = Literal["refuse", "replace"]
MOST_PAGE_BYTES = 32 << 20  # of one page, chapter or entry that is parsed as a whole


@dataclass(frozen=True)
class Piece:
    """One text of a file. `place` is where it stands: '#12' for line or row 12, '' for a file that is one text."""

    place: str
    text: str
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Part:
    """A stretch of a large file: bytes `start` to `end` of a .jsonl file, which begin behind `before` lines; row groups
    `start` to `end` of a Parquet file, behind `before` rows."""

    start: int
    end: int
    before: int


@dataclass(frozen=True)
class Wanted:
    """What a source wants of its files."""

    text_field: str = "text"
    broken: Broken = "refuse"
    most_bytes: int = 2_000_000  # of one text; longer plain text is cut, see trivium.data.text
    main_text: bool = True  # of a web page: what it is about, without menus and the like
    as_rows: tuple[str, ...] = ()  # patterns of names of further files that hold rows of JSON
