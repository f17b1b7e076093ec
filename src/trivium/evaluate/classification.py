"""Scores and baselines of texts with labels or numbers, by scikit-learn: the one file that imports it.

Intervals are percentile bootstraps over items (Efron 1979); accuracy has Wilson's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy

from trivium.base.errors import MissingExtra
from trivium.base.seeds import numpy_random
from trivium.evaluate.intervals import Estimate, mean, proportion

RESAMPLES = 1000
FEW = 200  # resamples of what is slow to compute
Texts = Sequence[tuple[str, str | None]]


def require() -> None:
    """Raises MissingExtra where scikit-learn is not installed."""
    try:
        import sklearn  # noqa: F401
    except ImportError:
        raise MissingExtra("scikit-learn", "eval", "scoring labels") from None


def label_scores(gold: Sequence[str], told: Sequence[str], names: Sequence[str]) -> dict[str, Estimate]:
    """accuracy, macro_f1 and Matthews' correlation (mcc) of one label an item."""
    require()
    from sklearn.metrics import f1_score, matthews_corrcoef

    numbers = {name: number for number, name in enumerate(names)}
    true, said = (numpy.array([numbers[label] for label in labels]) for labels in (gold, told))
    values = float(f1_score(true, said, average="macro")), float(matthews_corrcoef(true, said))

    def table(rows: numpy.ndarray[Any, Any]) -> numpy.ndarray[Any, Any]:
        return numpy.bincount(true[rows] * len(names) + said[rows], minlength=len(names) ** 2).reshape(len(names), -1)

    return {
        "accuracy": proportion(int((true == said).sum()), len(true)),
        "macro_f1": resampled(values[0], lambda rows: macro_f1(table(rows)), len(true)),
        "mcc": resampled(values[1], lambda rows: correlation(table(rows)), len(true)),
    }


def macro_f1(table: numpy.ndarray[Any, Any]) -> float:
    """The mean F1 of a table of counts (true label, told label); a label that is neither true nor told has none."""
    hits, total = numpy.diag(table), table.sum(0) + table.sum(1)
    there = total > 0
    return float((2 * hits[there] / total[there]).mean())


def correlation(table: numpy.ndarray[Any, Any]) -> float:
    """Matthews' correlation of a table of counts for any number of labels (Gorodkin 2004)."""
    items, hits = float(table.sum()), float(numpy.diag(table).sum())
    true, said = table.sum(1).astype(float), table.sum(0).astype(float)
    scale = ((items**2 - (said**2).sum()) * (items**2 - (true**2).sum())) ** 0.5
    return float((hits * items - (true * said).sum()) / scale) if scale else 0.0


def calibration_error(correct: Sequence[bool], confidence: Sequence[float], bins: int = 10) -> float:
    """The mean distance between confidence and accuracy, over bins of equal width (Guo et al. 2017, eq. 3)."""
    right, sure = numpy.array(correct, float), numpy.array(confidence)
    which = numpy.minimum((sure * bins).astype(int), bins - 1)
    gaps = [abs(float((right[which == one] - sure[which == one]).sum())) for one in range(bins)]
    return sum(gaps) / max(len(right), 1)


def calibration_estimate(correct: Sequence[bool], confidence: Sequence[float], items: int = 0) -> Estimate:
    """The calibration error with its bootstrap interval; `items` where each was judged several times, one time after the
    other: they are then drawn together."""
    size = items or len(correct)
    right, sure = (numpy.asarray(one, float).reshape(-1, size) for one in (correct, confidence))

    def of(rows: numpy.ndarray[Any, Any]) -> float:
        return calibration_error(right[:, rows].ravel().tolist(), sure[:, rows].ravel().tolist())

    return resampled(of(numpy.arange(size)), of, size, FEW)


def per_label(gold: Sequence[str], told: Sequence[str], names: Sequence[str]) -> list[dict[str, Any]]:
    """Precision, recall, F1 and items of each label."""
    require()
    from sklearn.metrics import precision_recall_fscore_support

    found = precision_recall_fscore_support(list(gold), list(told), labels=list(names), zero_division=0)
    return [
        {"label": name, "precision": float(p), "recall": float(r), "f1": float(f), "items": int(n)}
        for name, p, r, f, n in zip(names, *found, strict=True)
    ]


def multilabel_scores(
    gold: Sequence[Sequence[str]], told: Sequence[Sequence[str]], names: Sequence[str]
) -> dict[str, Estimate]:
    """micro_f1 over all labels, and exact: the share of items whose whole set is right."""
    require()
    from sklearn.metrics import f1_score

    true, said = (numpy.array([[name in row for name in names] for row in rows], int) for rows in (gold, told))
    hits, total = (true & said).sum(1), true.sum(1) + said.sum(1)
    value = float(f1_score(true, said, average="micro", zero_division=0))
    micro = resampled(value, lambda rows: float(2 * hits[rows].sum() / max(total[rows].sum(), 1)), len(true))
    return {"micro_f1": micro, "exact": proportion(int((true == said).all(1).sum()), len(true))}


def number_scores(gold: Sequence[float], told: Sequence[float]) -> dict[str, Estimate]:
    """Mean absolute error, Pearson's correlation, and Spearman's (of the ranks)."""
    require()
    from scipy.stats import rankdata

    true, said = numpy.array(gold, float), numpy.array(told, float)
    ranks = rankdata(true), rankdata(said)

    def correlation(one: Any, two: Any) -> Callable[[numpy.ndarray[Any, Any]], float]:
        def of(rows: numpy.ndarray[Any, Any]) -> float:
            a, b = one[rows] - one[rows].mean(), two[rows] - two[rows].mean()
            scale = numpy.sqrt((a * a).sum() * (b * b).sum())
            return float((a * b).sum() / scale) if scale > 0 else 0.0

        return of

    whole = numpy.arange(len(true))
    found = {"pearson": correlation(true, said), "spearman": correlation(*ranks)}
    return {
        "mean_absolute_error": mean(numpy.abs(true - said).tolist()),
        **{name: resampled(of(whole), of, len(true)) for name, of in found.items()},
    }


def resampled(
    value: float, statistic: Callable[[numpy.ndarray[Any, Any]], float], items: int, resamples: int = RESAMPLES
) -> Estimate:
    """`value` with the percentile bootstrap interval of `statistic(numbers of the drawn items)`."""
    draws = numpy_random(0, "bootstrap").integers(0, items, (resamples, items))
    low, high = numpy.quantile([statistic(rows) for rows in draws], [0.025, 0.975])
    return Estimate(value, float(low), float(high), items)


def tfidf_regression(train: Texts, labels: Sequence[Sequence[str]], test: Texts) -> list[tuple[str, ...]]:
    """The labels of `test` by TF-IDF of words, pairs of words and letters inside words, and logistic regression.

    One classifier for single labels; one for each label where items have several.
    """
    features, wanted = _features(train, test)
    from sklearn.linear_model import LogisticRegression

    if all(len(one) == 1 for one in labels):
        single = [one[0] for one in labels]
        model = LogisticRegression(C=10.0, max_iter=1000)
        return [(str(label),) for label in model.fit(features, single).predict(wanted)]
    told: list[list[str]] = [[] for _ in test]
    for name in sorted({label for one in labels for label in one}):
        has = numpy.array([name in one for one in labels])
        if has.all():
            found = numpy.ones(len(test), bool)
        else:
            found = LogisticRegression(C=10.0, max_iter=1000).fit(features, has).predict(wanted)
        for row in numpy.flatnonzero(found):
            told[row].append(name)
    return [tuple(one) for one in told]


def tfidf_ridge(train: Texts, values: Sequence[float], test: Texts) -> list[float]:
    """Numbers for `test` by the same features and ridge regression."""
    features, wanted = _features(train, test)
    from sklearn.linear_model import Ridge

    return [float(value) for value in Ridge(alpha=1.0).fit(features, values).predict(wanted)]


def _features(train: Texts, test: Texts) -> tuple[Any, Any]:
    require()
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer

    kinds: tuple[dict[str, Any], ...] = (
        {"ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"},
        {"ngram_range": (2, 5), "analyzer": "char_wb"},
    )
    columns = []
    for place in range(1 if train[0][1] is None else 2):
        for kind in kinds:
            vectors = TfidfVectorizer(sublinear_tf=True, **kind)
            columns.append(
                [vectors.fit_transform([one[place] for one in train]), vectors.transform([one[place] for one in test])]
            )
    return tuple(hstack([pair[side] for pair in columns]).tocsr() for side in (0, 1))
