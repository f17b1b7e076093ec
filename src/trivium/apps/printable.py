"""Texts at a terminal: what it would obey (moved cursors, colours, hidden words) by its number, and words whole at its edge."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Callable, Mapping

NARROWEST = 20  # columns below which nothing is gained by keeping words whole


def visible(text: str) -> str:
    """`text` with every character that a terminal would obey, or that turns or hides others, by its number."""
    kept = (char if char in "\n\t" or char.isprintable() else f"<U+{ord(char):04X}>" for char in text)
    return "".join(kept)


def columns(text: str) -> int:
    """How wide a terminal shows a text of one line."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) != 0 for char in text)


def listed(rows: Mapping[str, str], first: int, width: int) -> str:
    """A line for each of `rows`, its name in `first` columns; longer ones go on below what they say, not below the name."""
    room = max(NARROWEST, width - first - 1)
    lines = ((name, textwrap.wrap(does, room)) for name, does in rows.items())
    return "\n".join(f"{name:<{first}}" + ("\n" + " " * first).join(does) for name, does in lines)


class Wrapped:
    """Writes a text that comes in pieces; a line ends before the word that would not fit. A word is written once it is whole."""

    def __init__(self, write: Callable[[str], object], width: Callable[[], int]) -> None:
        self._write, self._width = write, width
        self._column, self._word = 0, ""

    def add(self, text: str) -> None:
        """The next piece."""
        for char in visible(text):
            alone = char in " \n\t" or columns(char) > 1  # a script of wide characters breaks anywhere
            if alone:
                self.end()
            self._word += char
            if alone:
                self.end()

    def end(self) -> None:
        """Write what was held back."""
        word, self._word = self._word, ""
        size, room = columns(word), self._width() - 1  # the last column is the cursor's
        if word not in ("", "\n") and self._column + size > room >= NARROWEST and self._column:
            if word in " \t":
                return  # the line ends here anyhow
            self._write("\n")
            self._column = 0
        self._write(word)
        self._column = 0 if word == "\n" else self._column + size + (word == "\t") * (7 - self._column % 8)
