"""The spans that a tagger finds in sentences whose words are given, by characters of the words with a space between."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from trivium.predict.predictor import Entity, Predictor


def tag_given(model: Predictor, sentences: Sequence[Sequence[str]]) -> list[list[Entity]]:
    """The spans of each sentence; of a task without spans, every word with its class. Raises UserError for an empty word."""
    told = []
    for words, tags in zip(sentences, model.tag_words(sentences), strict=True):
        starts = accumulate((len(word) + 1 for word in words[:-1]), initial=0)
        places = [(start, start + len(word)) for start, word in zip(starts, words, strict=True)]
        told.append(model.entities(" ".join(words), places, tags))
    return told
