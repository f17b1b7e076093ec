"""The tasks section: what each fine-tuned model scores beside simple baselines, and what pre-training was worth.

It reads the `scores.json` that every `finetune-NAME` stage leaves; what in it makes no sense is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from trivium.journey.report_read import Run, Score, Stage
from trivium.journey.report_scores import Table, table_of
from trivium.journey.report_values import count, label, number, percent

MODEL = "this model"
MEASURES = {
    "accuracy": "texts labelled right",
    "micro_f1": "F1 of labels",
    "pearson": "correlation with the right numbers",
    "span_f1": "F1 of entities",
    "word_accuracy": "words tagged right",
    "exact_match": "answers exactly right",
    "rougeLsum": "ROUGE-L with the right texts",
}
STARTS = {"pretrained": "pre-trained", "random": "random start"}


@dataclass(frozen=True)
class TaskPart:
    """One task: its tables, and its result in a sentence."""

    name: str
    sentence: str
    tables: tuple[Table, ...]


def task_parts(run: Run) -> tuple[TaskPart, ...]:
    """A part for every task that has scores, in the recipe's order."""
    return tuple(part for name, content in run.tasks.items() if (part := _part(run, name, content)))


def task_headline(run: Run, stage: Stage) -> tuple[str, str]:
    """(main score, what it is) of a fine-tuning on a task."""
    content = run.tasks.get(stage.name, {})
    scores = list(_scores(content))
    told = next((score.value for score in scores if score.name == MODEL), None)
    return (percent(told), MEASURES.get(str(content.get("main")), "")) if told is not None else ("", "")


def _part(run: Run, stage: str, content: Mapping[str, Any]) -> TaskPart | None:
    scores = list(_scores(content))
    own = next((score for score in scores if score.name == MODEL), None)
    if own is None or own.value is None:
        return None
    name = label(stage.partition("-")[2])
    what = MEASURES.get(str(content.get("main")), label(content.get("main")))
    title = f"{name[:1].upper()}{name[1:]}: {what}"
    tables = [table_of(title, scores, lambda score: score.name)]
    points = list(_points(content.get("curve")))
    if points:
        tables.append(table_of(f"{title}, by the number of labels", points, lambda score: score.name))
    return TaskPart(name, _sentence(own, scores), tuple(tables))


def _sentence(own: Score, scores: list[Score]) -> str:
    others = [score for score in scores if score is not own and score.value is not None]
    if not others or own.value is None:
        return ""
    best = max(others, key=lambda score: score.value or 0.0)
    if own.low is not None and own.low > (best.high if best.high is not None else 1.0):
        return f"It is above the best baseline ({best.name}, {percent(best.value)}), and the intervals do not meet."
    if best.low is not None and best.low > (own.high if own.high is not None else 1.0):
        return f"The baseline {best.name} is better ({percent(best.value)}), and the intervals do not meet."
    return f"The best baseline is {best.name} ({percent(best.value)}); the intervals meet, so the difference may be chance."


def _scores(content: Mapping[str, Any]) -> Iterator[Score]:
    """The main score of the model and of each baseline."""
    main, models = str(content.get("main")), content.get("scores")
    for model, scores in models.items() if isinstance(models, dict) else ():
        found = scores.get(main) if isinstance(scores, dict) else None
        if isinstance(found, dict) and number(found.get("value")) is not None:
            name = MODEL if model == "model" else label(model).replace("_", " ")
            yield _score(name, "score", found)


def _points(rows: Any) -> Iterator[Score]:
    """The learning curve: a score for each number of labels and each start, the mean over draws where there are several."""
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for row in rows if isinstance(rows, list) else ():
        labels = number(row.get("labels")) if isinstance(row, dict) else None
        if labels is not None and number(row.get("value")) is not None and row.get("start") in STARTS:
            groups.setdefault((int(labels), str(row["start"])), []).append(row)
    for (labels, start), group in sorted(groups.items()):
        found = {key: _mean([row.get(key) for row in group]) for key in ("value", "low", "high")}
        yield _score(f"{count(labels)} labels", STARTS[start], found)


def _mean(values: list[Any]) -> float | None:
    known = [value for value in map(number, values) if value is not None]
    return float(sum(known)) / len(known) if known and len(known) == len(values) else None


def _score(name: str, stage: str, found: Mapping[str, Any]) -> Score:
    value, low, high = (number(found.get(key)) for key in ("value", "low", "high"))
    items = number(found.get("items"))
    return Score(
        name=name,
        stage=stage,
        value=value,
        low=low,
        high=high,
        items=None if items is None else int(items),
        unit="share",
    )
