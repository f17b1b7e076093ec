"""Whether an answer is the expected one.

Exact match after the differences that carry no meaning are taken away: case, outer and doubled spaces, and the
punctuation at the end. Words, their order and the punctuation between them still count.
"""

from __future__ import annotations

_FINAL = ".!?,;: \"'"


def normalise(text: str) -> str:
    """`text` in lower case, single spaces, without final punctuation and outer quotation marks."""
    return " ".join(text.lower().split()).strip("\"'").rstrip(_FINAL)


def check(expected: str, answer: str) -> bool:
    """True where `answer` is `expected`, apart from case, spacing and final punctuation; an empty answer is never right."""
    wanted = normalise(expected)
    return bool(wanted) and wanted == normalise(answer)
