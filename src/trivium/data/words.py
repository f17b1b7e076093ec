"""One pass over a document's words, which quality rules, near-duplicates and contamination share.

A word is letters, digits and underscores, joined by single apostrophes or hyphens; a run of anything else that is no space is a
word too. Each distinct word gets a 64-bit number once; runs of n words become numbers by arithmetic on whole arrays.
The definition is part of every verdict, so changing it changes what the rules say.
Legend: W words of a document.
"""

from __future__ import annotations

import functools
import hashlib
import re
from typing import Any

import numpy

WORD = re.compile(r"\w+(?:['’-]\w+)*|[^\w\s]+")
MOST_KNOWN = 1 << 18  # distinct words remembered at once: about 30 MB
Array = numpy.ndarray[Any, Any]


class Words:
    """The words of a text, and their numbers when they are first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.list: list[str] = WORD.findall(text)

    @functools.cached_property
    def cased(self) -> Array:
        """uint64 (W,), of the words as they stand."""
        return numbers_of(self.list)

    @functools.cached_property
    def spoken(self) -> Array:
        """uint64 (words,), of the words in lower case that hold a letter or a digit: punctuation makes no difference."""
        return numbers_of([word.lower() for word in self.list if word[0].isalnum() or word[0] == "_"])


def numbers_of(words: list[str]) -> Array:
    """uint64 (W,): a number for each word, the same on every machine."""
    return numpy.fromiter(map(_number, words), numpy.uint64, len(words))


@functools.lru_cache(MOST_KNOWN)
def _number(word: str) -> int:
    return int.from_bytes(hashlib.blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


def runs(numbers: Array, length: int) -> Array:
    """uint64 (W - length + 1,): a well-mixed number for every run of `length` words; empty where there are fewer."""
    count = len(numbers) - length + 1
    if count <= 0:
        return numpy.empty(0, numpy.uint64)
    total = numpy.zeros(count, numpy.uint64)
    for place in range(length):
        total *= numpy.uint64(0x9E3779B97F4A7C15)
        total += numbers[place : place + count]
    return mix(total)


def mix(values: Array) -> Array:
    """The finaliser of splitmix64 on an array of uint64."""
    mixed = values ^ (values >> numpy.uint64(30))
    mixed *= numpy.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> numpy.uint64(27)
    mixed *= numpy.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> numpy.uint64(31)
    result: Array = mixed
    return result
