"""Scores and baselines of written texts: BLEU and chrF by sacrebleu, ROUGE by rouge-score, each with its signature."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy

from trivium.base.errors import MissingExtra
from trivium.evaluate.classification import resampled
from trivium.evaluate.intervals import Estimate, mean, proportion
from trivium.task.items import Written

RESAMPLES = 300


def text_scores(gold: Sequence[str], told: Sequence[str]) -> tuple[dict[str, Estimate], dict[str, str]]:
    """Estimates (shares of 1) of bleu, chrf, rouge1, rouge2, rougeLsum and exact, and the signature of each score."""
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ImportError:
        raise MissingExtra("sacrebleu", "eval", "scoring written texts") from None
    estimates: dict[str, Estimate] = {}
    signatures: dict[str, str] = {}
    bleu, chrf = BLEU(), CHRF()
    parts = [bleu.sentence_score(one, [right]) for one, right in zip(told, gold, strict=True)]
    counts = numpy.array([[*part.counts, *part.totals, part.sys_len, part.ref_len] for part in parts])

    def bleu_of(rows: numpy.ndarray[Any, Any]) -> float:
        sums = counts[rows].sum(axis=0).tolist()
        return float(BLEU.compute_bleu(sums[:4], sums[4:8], sums[8], sums[9], smooth_method="exp").score) / 100

    estimates["bleu"] = resampled(
        bleu.corpus_score(list(told), [list(gold)]).score / 100, bleu_of, len(gold), RESAMPLES
    )
    letters = numpy.array(
        chrf._extract_corpus_statistics(list(told), [list(gold)]), float
    )  # its own bootstrap fails on zeros

    def chrf_of(rows: numpy.ndarray[Any, Any]) -> float:
        return float(chrf._compute_score_from_stats(letters[rows].sum(axis=0).tolist()).score) / 100

    estimates["chrf"] = resampled(chrf_of(numpy.arange(len(gold))), chrf_of, len(gold), RESAMPLES)
    for name, metric in (("bleu", bleu), ("chrf", chrf)):
        signatures[name] = str(metric.get_signature())
    for kind, values in rouge_values(gold, told).items():
        estimates[kind] = mean(values)
        signatures[kind] = "rouge-score, stemmed, sentences on lines"
    hits = sum(one.split() == right.split() for one, right in zip(told, gold, strict=True))
    return {**estimates, "exact": proportion(hits, len(gold))}, signatures


def rouge_values(gold: Sequence[str], told: Sequence[str]) -> dict[str, list[float]]:
    """F-measures (shares of 1) of each text: rouge1, rouge2 and rougeLsum, stemmed, sentences on lines."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise MissingExtra("rouge-score", "eval", "scoring written texts") from None
    kinds = ["rouge1", "rouge2", "rougeLsum"]
    scorer = RougeScorer(kinds, use_stemmer=True)
    scored = [scorer.score(_lines(right), _lines(one)) for right, one in zip(gold, told, strict=True)]
    return {kind: [float(one[kind].fmeasure) for one in scored] for kind in kinds}


def _lines(text: str) -> str:
    return "\n".join(_sentences(text))


def _sentences(text: str) -> list[str]:
    return [one for one in re.split(r"(?<=[.!?])\s+|\n+", text.strip()) if one]


def lead(items: Sequence[Written], sentences: int = 1) -> list[str]:
    """The first sentences of each source."""
    return [" ".join(_sentences(item.source)[:sentences]) for item in items]


def copy(items: Sequence[Written]) -> list[str]:
    """The source itself."""
    return [item.source for item in items]
