"""The best answer of all windows of a context, by the scores of first and last tokens.

As in BERT's run_squad (Devlin et al. 2019): the best pairs of first and last token, not longer than a limit, each token
scored in the window that shows most of what is around it; 'no answer' scores the least that any window gives it.

Legend: T tokens in a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy

from trivium.tokenizer.bpe import Tokenizer
from trivium.tokenizer.rows import Row, null_place

BEST = 20  # first tokens, and last tokens, that are tried


@dataclass(frozen=True)
class SpanAnswer:
    """`text` is context[start:end], '' where the context does not say; `score` is that of the best piece less that of 'no
    answer', in nats (it is above minus the threshold where there is an answer).

    A decoder that is asked in words writes its answer: start and end are those of its first place in the context, or -1 where
    it stands nowhere in it, and there is no score."""

    text: str
    start: int
    end: int
    score: float | None = None


def best_answer(
    context: str,
    spans: Any,
    windows: Sequence[tuple[Row, numpy.ndarray[Any, Any]]],
    tokenizer: Tokenizer,
    longest: int,
    threshold: float,
) -> SpanAnswer:
    """`spans` are the context's tokens with `starts` and `ends`; each window comes with its scores (T, 2)."""
    best: tuple[float, int, int] | None = None
    null = numpy.inf
    for row, scores in windows:
        null = min(null, float(scores[null_place(row, tokenizer)].sum()))
        places = numpy.array(row.places)
        starts, ends = scores[places, 0], scores[places, 1]
        kept = numpy.arange(row.first, row.first + len(places))
        own = (kept >= row.kept[0]) & (kept < row.kept[1])
        for first in numpy.argsort(numpy.where(own, -starts, numpy.inf), kind="stable")[:BEST].tolist():
            if not own[first]:
                break
            reach = ends[first : first + longest]
            last = first + int(reach.argmax())
            score = float(starts[first] + ends[last])
            if best is None or score > best[0]:
                best = (score, row.first + first, row.first + last)
    if best is None:
        return SpanAnswer("", 0, 0, -numpy.inf)
    score, first, last = best
    if null - score > threshold:
        return SpanAnswer("", 0, 0, score - null)
    start, end = spans.starts[first], spans.ends[last]
    while start < end and context[start].isspace():  # a token may begin with the space before a word
        start += 1
    return SpanAnswer(context[start:end], start, end, score - null)
