"""The spans that a tagger finds in sentences whose words are given, by characters of the words with a space between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from trivium.predict.predictor import Entity, Predictor
from trivium.task.tags import spans_of


def tag_given(model: Predictor, sentences: Sequence[Sequence[str]]) -> list[list[Entity]]:
    """The spans of each sentence; of a task without spans, every word with its class. Raises UserError for an empty word."""
    told = []
    for words, tags in zip(sentences, model.tag_words(sentences), strict=True):
        starts = [0, *accumulate(len(word) + 1 for word in words)]
        scheme, text = model.task.scheme, " ".join(words)
        spans = [(n, n + 1, tag) for n, tag in enumerate(tags)] if scheme == "none" else spans_of(tags, scheme)
        cut = [(starts[first], starts[last] - 1, kind) for first, last, kind in spans]
        told.append([Entity(start, end, kind, text[start:end]) for start, end, kind in cut])
    return told
