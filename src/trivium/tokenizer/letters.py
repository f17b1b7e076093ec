"""The letters of words as numbers, for a tagger that reads how words are spelled.

Printable ASCII has a number for each character, so that case and digits stay; all others share one for each of their
Unicode categories (a capital, a small letter, a digit, a sign, a symbol, an emoji ...).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from numpy import ndarray

LONGEST = 20  # letters of a word: the first and the last ones
_CATEGORIES = (
    "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm",
    "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co", "Cn",
)  # fmt: skip
BEGIN, END = 1, 2  # 0 is padding
_ASCII = 3
SIZE = _ASCII + 95 + len(_CATEGORIES)


def number_of(character: str) -> int:
    """The number of a character, 3 to `SIZE` - 1."""
    if " " <= character <= "~":
        return _ASCII + ord(character) - ord(" ")
    return _ASCII + 95 + _CATEGORIES.index(unicodedata.category(character))


def letters_of(words: Sequence[str]) -> ndarray[Any, Any]:
    """int64 (words + 1, `LONGEST` + 2): row 0 is that of no word, the others begin, spell, end, and are padded with 0."""
    import numpy

    table = numpy.zeros((len(words) + 1, LONGEST + 2), numpy.int64)
    for row, word in enumerate(words, 1):
        half = LONGEST // 2
        kept = word if len(word) <= LONGEST else word[:half] + word[-half:]
        table[row, : len(kept) + 2] = [BEGIN, *map(number_of, kept), END]
    return table
