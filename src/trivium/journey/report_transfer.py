"""The transfer section: score against labels for every way to a task, drawn and as a table, costs, and the answer.

It reads `transfer.json`; what in it makes no sense is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.base.errors import MissingExtra
from trivium.journey.charts import Series, Style, line_chart
from trivium.journey.report_read import Run, Score
from trivium.journey.report_tasks import MEASURES
from trivium.journey.report_values import count, duration, label, large, number, percent

WAYS = {
    "scratch": "random weights",
    "frozen": "frozen features",
    "lora": "LoRA",
    "full": "all weights",
    "tfidf_logistic_regression": "TF-IDF",
}
LOOKS: Mapping[str, tuple[str, Style]] = {
    "full": ("rhetoric", "dots"),
    "lora": ("logic", "squares"),
    "frozen": ("grammar", "triangles"),
    "scratch": ("ink", "diamonds"),
}
OTHER_LOOK: tuple[str, Style] = ("soft", "crosses")
LEFT_OUT = ("majority", "mean", "copy")  # in the table, not in the drawing: they do not change with the labels


@dataclass(frozen=True)
class PlainTable:
    """Rows of texts under their columns."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Transfer:
    """The section: the answer, the drawing (None without matplotlib, then why) and the tables."""

    answer: str
    measure: str
    seeds: str
    svg: str | None
    no_drawing: str
    tables: tuple[PlainTable, ...]
    headline: tuple[str, str]


@dataclass(frozen=True)
class Point:
    """One way at one budget."""

    arm: str
    labels: int
    score: Score
    parameters: float | None
    seconds: float | None


def transfer_part(run: Run) -> Transfer | None:
    """The section; None where there is nothing to show."""
    content = run.transfer
    points = list(_points(content.get("curves"), number(content.get("items"))))
    if not points:
        return None
    what = MEASURES.get(str(content.get("main")), label(content.get("main")))
    measure = f"{what[:1].upper()}{what[1:]}"
    svg, missing = _drawing(points, what)
    answer = content.get("answer")
    return Transfer(
        answer=label(answer, 500) if isinstance(answer, str) else "",
        measure=measure,
        seeds=count(number(content.get("seeds"))),
        svg=svg,
        no_drawing=missing,
        tables=tuple(table for table in (_scores(points, measure), _gains(content), _costs(points)) if table.rows),
        headline=_headline(content),
    )


def _headline(content: Mapping[str, Any]) -> tuple[str, str]:
    """The largest gain that chance does not explain."""
    found = [
        (value, number(row.get("labels")))
        for row in _rows(content.get("gains"))
        if (value := number(row.get("value"))) is not None and (number(row.get("low")) or 0) > 0
    ]
    value, labels = max(found, default=(None, None), key=lambda one: one[0])
    return (f"+{100 * value:.0f} points", f"with {count(labels)} labels") if value is not None else ("", "")


def _rows(rows: Any) -> Iterator[Mapping[str, Any]]:
    yield from (row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _points(rows: Any, items: float | None) -> Iterator[Point]:
    for row in _rows(rows):
        labels, value = number(row.get("labels")), number(row.get("value"))
        if labels is None or labels < 1 or value is None or not isinstance(row.get("arm"), str):
            continue
        low, high = number(row.get("low")), number(row.get("high"))
        score = Score(
            name=f"{count(int(labels))} labels",
            stage=_way(row["arm"]),
            value=value,
            low=low,
            high=high,
            items=None if items is None else int(items),
            unit="share",
        )
        yield Point(row["arm"], int(labels), score, number(row.get("parameters")), number(row.get("seconds")))


def _way(arm: str) -> str:
    return WAYS.get(arm) or label(arm).replace("_", " ")


def _scores(points: Sequence[Point], measure: str) -> PlainTable:
    """Every way's score with its interval, a row a budget."""
    ways = _in_order(points)
    found = {(one.arm, one.labels): one.score for one in points}
    rows = [
        (count(labels), *(_with_interval(found.get((arm, labels))) for arm in ways))
        for labels in sorted({one.labels for one in points})
    ]
    items = points[0].score.items
    note = f"of {count(items)} test items" if items else ""
    return PlainTable(f"{measure}, by way", note, ("Labels", *map(_way, ways)), tuple(rows))


def _in_order(points: Sequence[Point]) -> list[str]:
    present = {one.arm for one in points}
    return [*(arm for arm in LOOKS if arm in present), *sorted(present - LOOKS.keys())]


def _with_interval(score: Score | None) -> str:
    if score is None:
        return ""
    if score.low is None or score.high is None:
        return percent(score.value)
    return f"{percent(score.value)} ({percent(score.low).removesuffix('%')} to {percent(score.high).removesuffix('%')})"


def _gains(content: Mapping[str, Any]) -> PlainTable:
    """What the pre-trained weights add, and how many labels random ones need for the same score."""
    needed = {number(row.get("labels")): number(row.get("from_scratch")) for row in _rows(content.get("savings"))}
    rows = []
    for row in _rows(content.get("gains")):
        labels, value, low, high = (number(row.get(key)) for key in ("labels", "value", "low", "high"))
        if labels is None or value is None or low is None or high is None:
            continue
        verdict = "better" if low > 0 else "worse" if high < 0 else "may be chance"
        labels_needed = needed.get(labels)
        scratch = "never reached" if labels_needed is None else f"about {count(round(labels_needed))} labels"
        points = f"{100 * value:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"
        rows.append((count(labels), points, verdict, scratch))
    columns = ("Labels", "Points", "Verdict", "Random weights score as much with")
    return PlainTable("What the pre-trained weights add to random ones", "the same items", columns, tuple(rows))


def _drawing(points: Sequence[Point], what: str) -> tuple[str | None, str]:
    """(the drawing or None, why there is none or '')."""
    series = []
    for arm in (arm for arm in _in_order(points) if arm not in LEFT_OUT):
        own = sorted((one for one in points if one.arm == arm), key=lambda one: one.labels)
        if own:
            colour, style = LOOKS.get(arm, OTHER_LOOK)
            found = tuple((float(one.labels), one.score.value or 0.0) for one in own)
            known = [(one.score.low, one.score.high) for one in own]
            bands = tuple((low, high) for low, high in known if low is not None and high is not None)
            series.append(Series(_way(arm), found, colour, style, bands if len(bands) == len(found) else ()))
    places = sorted({x for line in series for x, _ in line.points})
    if not series:
        return None, ""
    try:
        return line_chart("chart-transfer", series, x_label="labels", y_label=what, share=True, marked=places), ""
    except MissingExtra as error:
        return None, str(error)


def _costs(points: Sequence[Point]) -> PlainTable:
    """Trained numbers of each way, and the mean seconds of a training at the smallest and the largest budget."""
    ends = (min(one.labels for one in points), max(one.labels for one in points))
    rows = []
    for arm in dict.fromkeys(one.arm for one in points if one.parameters is not None):
        own = {one.labels: one for one in points if one.arm == arm}
        trained = next(iter(own.values())).parameters
        times = [duration(own[end].seconds) if end in own else "" for end in ends]
        rows.append((_way(arm), large(trained), *times))
    columns = ("Way", "Trained numbers", *(f"Time, {count(end)} labels" for end in ends))
    return PlainTable("What each way costs", "", columns, tuple(rows))
