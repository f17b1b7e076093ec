"""Scores and a baseline of extracted answers: exact match and word F1, as SQuAD defines them (Rajpurkar et al. 2016, 2018)."""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from trivium.evaluate.intervals import Estimate, mean, proportion
from trivium.task.items import Asked

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_SIGNS = str.maketrans("", "", string.punctuation)


def normal(text: str) -> str:
    """Lower case, without punctuation, articles and extra space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_SIGNS)).split())


def exact(told: str, gold: Sequence[str]) -> bool:
    """Whether `told` is one of the right answers; of a question without one, whether nothing was told."""
    return any(normal(told) == normal(answer) for answer in (gold or [""]))


def word_f1(told: str, gold: Sequence[str]) -> float:
    """The best F1 over right answers of the words in common; 1 where both are empty, 0 where one is."""
    return max(_word_f1(normal(told).split(), normal(answer).split()) for answer in (gold or [""]))


def _word_f1(told: list[str], gold: list[str]) -> float:
    if not told or not gold:
        return float(told == gold)
    common = (Counter(told) & Counter(gold)).total()
    return 2.0 * common / (len(told) + len(gold))


def answer_scores(items: Sequence[Asked], told: Sequence[str]) -> dict[str, Estimate]:
    """exact_match and word_f1 over all questions, those without an answer included."""
    gold = [[text for _, text in item.answers] for item in items]
    hits = sum(exact(one, right) for one, right in zip(told, gold, strict=True))
    return {
        "exact_match": proportion(hits, len(items)),
        "word_f1": mean([word_f1(one, right) for one, right in zip(told, gold, strict=True)]),
    }


def nearest_sentence(items: Sequence[Asked]) -> list[str]:
    """The last word of the sentence that shares most words with the question: what needs no model."""
    told = []
    for item in items:
        sentences = [one for one in re.split(r"(?<=[.!?])\s+", item.context) if one.strip()]
        asked = set(normal(item.question).split())
        best = max(sentences, key=lambda one: len(asked & set(normal(one).split())))
        told.append(best.split()[-1].strip(string.punctuation))
    return told
