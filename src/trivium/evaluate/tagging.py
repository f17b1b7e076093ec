"""Scores and baselines of tagged words: seqeval for spans, a conditional random field to compare with.

Scored are the gold words, every one of them: predictions of another length are our fault, not a lower score.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from trivium.base.errors import MissingExtra
from trivium.evaluate.intervals import Estimate, ratio
from trivium.task.items import Tagged
from trivium.task.tags import Scheme, convert, spans_of

SEQEVAL = "seqeval, default mode (as conlleval)"


def span_scores(gold: Sequence[Sequence[str]], told: Sequence[Sequence[str]], scheme: Scheme) -> dict[str, Estimate]:
    """span_f1, micro-averaged over spans, as seqeval computes it; intervals over sentences."""
    try:
        from seqeval.metrics import f1_score
    except ImportError:
        raise MissingExtra("seqeval", "eval", "scoring spans") from None
    assert [len(one) for one in gold] == [len(one) for one in told], "every word has a tag"
    plain = [[convert(tags, scheme, "bio") for tags in side] for side in (gold, told)]
    value = float(f1_score(*plain, zero_division=0))
    hits, sizes = [], []
    for true, said in zip(gold, told, strict=True):
        one, two = set(spans_of(true, scheme)), set(spans_of(said, scheme))
        hits.append(2.0 * len(one & two))
        sizes.append(float(len(one) + len(two)))
    found = ratio(hits, [max(size, 1e-9) for size in sizes])
    return {"span_f1": Estimate(value, found.low, found.high, len(gold))}


def per_type(gold: Sequence[Sequence[str]], told: Sequence[Sequence[str]], scheme: Scheme) -> list[dict[str, Any]]:
    """Precision, recall, F1 and number of gold spans of each type, types that are only told included."""
    counts: dict[str, list[int]] = {}
    for true, said in zip(gold, told, strict=True):
        one, two = set(spans_of(true, scheme)), set(spans_of(said, scheme))
        for side, spans in enumerate((one & two, one, two)):
            for _, _, kind in spans:
                counts.setdefault(kind, [0, 0, 0])[side] += 1
    rows = []
    for kind, (hit, true_count, said_count) in sorted(counts.items()):
        precision, recall = hit / max(said_count, 1), hit / max(true_count, 1)
        f1 = 2 * hit / max(true_count + said_count, 1)
        rows.append({"label": kind, "precision": precision, "recall": recall, "f1": f1, "items": true_count})
    return rows


def word_scores(gold: Sequence[Sequence[str]], told: Sequence[Sequence[str]]) -> dict[str, Estimate]:
    """word_accuracy; intervals over sentences."""
    hits = [float(sum(a == b for a, b in zip(one, two, strict=True))) for one, two in zip(gold, told, strict=True)]
    return {"word_accuracy": ratio(hits, [float(len(one)) for one in gold])}


def crf(train: Sequence[Tagged], test: Sequence[Tagged]) -> list[list[str]]:
    """Tags of `test` by a linear-chain conditional random field on words, their shapes and their neighbours."""
    try:
        import sklearn_crfsuite
    except ImportError:
        raise MissingExtra("sklearn-crfsuite", "eval", "the baseline of tagging") from None
    model = sklearn_crfsuite.CRF(algorithm="lbfgs", c1=0.1, c2=0.05, max_iterations=100, all_possible_transitions=True)
    model.fit([_features(item.words) for item in train], [list(item.tags) for item in train])
    return [list(map(str, tags)) for tags in model.predict([_features(item.words) for item in test])]


def most_frequent(train: Sequence[Tagged], test: Sequence[Tagged]) -> list[list[str]]:
    """Every word with the tag that it had most often in training, a new one with the most frequent tag of all.

    For classes of words; spans that come so would break their scheme.
    """
    seen: dict[str, Counter[str]] = {}
    for item in train:
        for word, tag in zip(item.words, item.tags, strict=True):
            seen.setdefault(word, Counter())[tag] += 1
    overall = sum(seen.values(), Counter()).most_common(1)[0][0]
    return [[seen[word].most_common(1)[0][0] if word in seen else overall for word in item.words] for item in test]


def known_spans(train: Sequence[Tagged], test: Sequence[Tagged], scheme: Scheme) -> list[list[str]]:
    """Spans whose words were a span in training, with their most frequent type, the longest first: a list of names."""
    from trivium.task.tags import tags_of

    names: dict[tuple[str, ...], Counter[str]] = {}
    for item in train:
        for start, end, kind in spans_of(item.tags, scheme):
            names.setdefault(item.words[start:end], Counter())[kind] += 1
    longest = max(map(len, names), default=0)
    told = []
    for item in test:
        spans, place = [], 0
        while place < len(item.words):
            for end in range(min(place + longest, len(item.words)), place, -1):
                if item.words[place:end] in names:
                    spans.append((place, end, names[item.words[place:end]].most_common(1)[0][0]))
                    place = end - 1
                    break
            place += 1
        told.append(tags_of(spans, len(item.words), scheme))
    return told


def _features(words: Sequence[str]) -> list[dict[str, Any]]:
    shapes = [_shape(word) for word in words]
    rows = []
    for place, word in enumerate(words):
        row: dict[str, Any] = {
            "bias": 1.0, "word": word.lower(), "shape": shapes[place], "suffix3": word[-3:], "suffix2": word[-2:],
            "prefix3": word[:3], "upper": word.isupper(), "title": word.istitle(), "digit": word.isdigit(),
            "first": place == 0, "last": place == len(words) - 1,
        }  # fmt: skip
        for offset in (-2, -1, 1, 2):
            if 0 <= place + offset < len(words):
                row[f"word{offset:+}"] = words[place + offset].lower()
                row[f"shape{offset:+}"] = shapes[place + offset]
        rows.append(row)
    return rows


def _shape(word: str) -> str:
    """'Xx', 'X.X', 'd': runs of capitals, small letters and digits, each written once."""
    letters = re.sub(r"[a-z]+", "x", re.sub(r"[A-Z]+", "X", word))
    return re.sub(r"\d+", "d", letters)
