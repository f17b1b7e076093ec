"""Where sentences begin in a text: by lines, and by the marks that end a sentence, without a model of any language."""

from __future__ import annotations

import re
from typing import Any

import numpy

from trivium.data.shards import SENTENCE, WORD
from trivium.tokenizer.framing import Spans

Array = numpy.ndarray[Any, Any]
# The end of lines, or a mark that ends a sentence (with what closes after it) before a space and a capital, digit or quote.
_BREAK = re.compile(
    r"[\r\n]+\s*|(?<=[.!?\u2026\u3002\uff01\uff1f])[\"'\u2019\u201d)\]]*\s+(?=[\"'\u2018\u201c(\[]*[^\W_a-z])"
)


def sentence_starts(text: str) -> list[int]:
    """The places of the first characters of the sentences of `text`, ascending; none for a text of spaces."""
    first = len(text) - len(text.lstrip())
    if first == len(text):
        return []
    return [first, *(found.end() for found in _BREAK.finditer(text) if first < found.end() < len(text))]


def marks_of(text: str, spans: Spans) -> Array:
    """What begins at each token of a text: a word (1), a sentence (2), uint8 (T,)."""
    words = numpy.array(spans.words, numpy.int64)
    # a token that ends before a sentence's first character is still of the one before
    sentences = numpy.searchsorted(
        numpy.array(sentence_starts(text), numpy.int64), numpy.array(spans.ends, numpy.int64)
    )
    marks = numpy.zeros(len(words), numpy.uint8)
    for numbers, bit in ((words, WORD), (sentences, SENTENCE)):
        begun = numpy.ones(len(words), bool)
        begun[1:] = numbers[1:] != numbers[:-1]
        marks[begun] |= bit
    return marks
