"""Where the words of a text are, the same for training data that comes as text and for text that is to be tagged."""

from __future__ import annotations

import re

_WORD = re.compile(r"\w+|[^\w\s]")


def words_in(text: str) -> list[tuple[int, int]]:
    """(start, end) by characters of every run of letters and digits, and of every other sign alone."""
    return [match.span() for match in _WORD.finditer(text)]
