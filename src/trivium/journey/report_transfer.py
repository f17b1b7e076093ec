"""The transfer section: score against labels, seconds and trained numbers for every way to a task, as drawings and tables, and
the answer.

It reads `transfer.json`; what in it makes no sense is left out.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trivium.base.errors import MissingExtra
from trivium.journey.charts import Reference, Series, Style, line_chart
from trivium.journey.report_read import Run, Score
from trivium.journey.report_tasks import MEASURES
from trivium.journey.report_values import count, duration, label, large, number, percent

WAYS = {
    "scratch": "random weights",
    "frozen": "frozen features",
    "lora": "LoRA",
    "full": "all weights",
    "few_shot": "few-shot",
    "zero_shot": "zero-shot",
    "tfidf_logistic_regression": "TF-IDF",
}
LOOKS: Mapping[str, tuple[str, Style]] = {
    "full": ("rhetoric", "dots"),
    "lora": ("logic", "squares"),
    "frozen": ("grammar", "triangles"),
    "scratch": ("ink", "diamonds"),
    "few_shot": ("logic", "rings"),
}
OTHER_LOOK: tuple[str, Style] = ("soft", "crosses")
LEFT_OUT = ("majority", "mean", "copy")  # in the table, not in the drawing: they do not change with the labels
ZERO_SHOT = "zero_shot"  # needs no label, so it is a level in the drawing
SIZES = ("frozen", "lora", "full")  # ways from the pre-trained weights, by how much of them is trained
BUDGET_LOOKS: Sequence[tuple[str, Style]] = (("grammar", "triangles"), ("logic", "squares"), ("rhetoric", "dots"))


@dataclass(frozen=True)
class PlainTable:
    """Rows of texts under their columns."""

    title: str
    note: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Drawing:
    """A chart under its title."""

    title: str
    svg: str


@dataclass(frozen=True)
class Transfer:
    """The section: the answer, what asking alone gives, the drawings (none without matplotlib, then why) and the tables."""

    answer: str
    asked: str
    measure: str
    seeds: str
    drawings: tuple[Drawing, ...]
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
    drawings, missing = _drawings(points, what)
    answer, asked = (one if isinstance(one := content.get(key), str) else "" for key in ("answer", "asked"))
    return Transfer(
        answer=label(answer, 500),
        asked=label(asked, 500),
        measure=measure,
        seeds=count(number(content.get("seeds"))),
        drawings=drawings,
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
        if labels is None or labels < 0 or value is None or not isinstance(row.get("arm"), str):
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
    """Every way's score with its interval, a row a budget; what needs no label stands in the note."""
    ways = [arm for arm in _in_order(points) if arm != ZERO_SHOT]
    found = {(one.arm, one.labels): one.score for one in points}
    rows = [
        (count(labels), *(_with_interval(found.get((arm, labels))) for arm in ways))
        for labels in sorted({one.labels for one in points if one.labels})
    ]
    items = points[0].score.items
    zero = [f"{_way(ZERO_SHOT)}: {_with_interval(one.score)}, over items" for one in points if one.arm == ZERO_SHOT]
    note = "; ".join([*([f"of {count(items)} test items"] if items else []), *zero[:1]])
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


def _drawings(points: Sequence[Point], what: str) -> tuple[tuple[Drawing, ...], str]:
    """(the drawings, why there are none or '')."""
    measure = f"{what[:1].upper()}{what[1:]}"
    found = []
    try:
        for title, svg in (
            (f"{measure}, by the number of labels", _by_labels(points, what)),
            (f"{measure}, by seconds", _by_seconds(points, what)),
            (f"{measure}, by how many of the pre-trained numbers are trained", _by_size(points, what)),
        ):
            found += [Drawing(title, svg)] if svg else []
    except MissingExtra as error:
        return (), str(error)
    return tuple(found), ""


def _by_labels(points: Sequence[Point], what: str) -> str:
    series = []
    for arm in (arm for arm in _in_order(points) if arm not in (*LEFT_OUT, ZERO_SHOT)):
        own = sorted((one for one in points if one.arm == arm and one.labels), key=lambda one: one.labels)
        if own:
            colour, style = LOOKS.get(arm, OTHER_LOOK)
            found = tuple((float(one.labels), one.score.value or 0.0) for one in own)
            known = [(one.score.low, one.score.high) for one in own]
            bands = tuple((low, high) for low, high in known if low is not None and high is not None)
            series.append(Series(_way(arm), found, colour, style, bands if len(bands) == len(found) else ()))
    if not series:
        return ""
    places = sorted({x for line in series for x, _ in line.points})
    asked = [one.score.value for one in points if one.arm == ZERO_SHOT and one.score.value is not None]
    levels = [Reference(_way(ZERO_SHOT), value) for value in asked[:1]]
    return line_chart(
        "chart-transfer", series, x_label="labels", y_label=what, share=True, marked=places, levels=levels
    )


def _by_seconds(points: Sequence[Point], what: str) -> str:
    """Every way that trains, from few labels to all."""
    series = []
    for arm in (arm for arm in LOOKS if any(one.arm == arm and one.parameters for one in points)):
        own = sorted((one for one in points if one.arm == arm and one.seconds), key=lambda one: one.labels)
        told = tuple((one.seconds or 0.0, one.score.value or 0.0) for one in own)
        if told:
            series.append(Series(_way(arm), told, *LOOKS[arm]))
    if not series:
        return ""
    x_label = "seconds of a training, from few labels to all"
    return line_chart(
        "chart-transfer-seconds", series, x_label=x_label, y_label=what, share=True, marked=_ticks(series)
    )


def _by_size(points: Sequence[Point], what: str) -> str:
    """The ways from the pre-trained weights, a line each for few labels, some and all."""
    budgets = sorted({one.labels for one in points if one.arm in SIZES})
    chosen = list(dict.fromkeys(budgets[place] for place in (0, len(budgets) // 2, -1))) if budgets else []
    series = []
    for labels, look in zip(chosen, BUDGET_LOOKS, strict=False):
        own = [one for one in points if one.arm in SIZES and one.labels == labels and one.parameters]
        told = {one.parameters or 0.0: one.score.value or 0.0 for one in own}
        if len(told) > 1:
            series.append(Series(f"{count(labels)} labels", tuple(sorted(told.items())), *look))
    if not series:
        return ""
    return line_chart(
        "chart-transfer-size", series, x_label="trained numbers", y_label=what, share=True, marked=_ticks(series)
    )


def _ticks(series: Sequence[Series]) -> list[float]:
    """Round numbers among the x: powers of ten, and twice and five times them where those are few."""
    least, most = (edge(x for line in series for x, _ in line.points) for edge in (min, max))
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    for steps in ((1,), (1, 2, 5)):
        found = [step * 10.0**power for power in powers for step in steps if least <= step * 10.0**power <= most]
        if len(found) > 1:
            return found
    return sorted({least, most})


def _costs(points: Sequence[Point]) -> PlainTable:
    """Trained numbers of each way, and the mean seconds of a training at the smallest and the largest budget."""
    budgets = [one.labels for one in points if one.labels]
    ends = (min(budgets, default=0), max(budgets, default=0))
    rows = []
    for arm in dict.fromkeys(one.arm for one in points if one.parameters is not None):
        own = {one.labels: one for one in points if one.arm == arm}
        trained = next(iter(own.values())).parameters
        told = [own.get(end, own.get(0)) for end in ends]
        times = [duration(one.seconds) if one else "" for one in told]
        rows.append((_way(arm), large(trained) if trained else "none", *times))
    columns = ("Way", "Trained numbers", *(f"Time, {count(end)} labels" for end in ends))
    asked = any(one.arm in ("few_shot", ZERO_SHOT) for one in points)
    note = "of a training; where nothing is trained, of asking all test items" if asked else "of a training"
    return PlainTable("What each way costs", note, columns, tuple(rows))
