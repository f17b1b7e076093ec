"""What a fine-tuned model scores on a task's items, and what simple baselines score on the same ones.

Every score has an interval; the first one of a kind is its main score. Baselines are trained on the same training items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol

from trivium.evaluate import answers, classification, tagging, writing
from trivium.evaluate.intervals import Estimate, proportion
from trivium.evaluate.measures import MAIN, main_score
from trivium.predict.predictor import Predictor
from trivium.task.declaration import Task
from trivium.task.items import Asked, Chosen, Item, Labelled, Tagged, Written
from trivium.task.tags import convert


@dataclass(frozen=True)
class Scored:
    """Scores by name (the main one first), a row a label where there are labels, signatures, and what was told an item."""

    scores: dict[str, Estimate]
    rows: list[dict[str, Any]] = field(default_factory=list)
    notes: dict[str, str] = field(default_factory=dict)
    told: Sequence[Any] = ()


class Writer(Protocol):
    """A model that is asked in words."""

    def labels(self, items: Sequence[Labelled]) -> list[str]:
        """The likeliest label of each item."""

    def texts(self, items: Sequence[Written | Asked]) -> list[str]:
        """What it writes for each item."""

    def choices(self, items: Sequence[Chosen]) -> list[int]:
        """The number of the likeliest option of each item."""


def score(task: Task, names: Sequence[str], model: Predictor | Writer, items: Sequence[Item]) -> Scored:
    """What the model scores on the items."""
    if isinstance(model, Predictor):
        before = model.shortened
        found = _by_head(task, names, model, items)
        told = model.told_shortened(before, len(items))
        return replace(found, notes={**found.notes, "shortened": told}) if told else found
    if task.kind in ("generate", "answer"):
        return compare(task, names, items, model.texts([one for one in items if isinstance(one, Written | Asked)]))
    if task.kind == "choose":
        return compare(task, names, items, model.choices([one for one in items if isinstance(one, Chosen)]))
    labels = model.labels([one for one in items if isinstance(one, Labelled)])
    return compare(task, names, items, [(label,) for label in labels])


def _by_head(task: Task, names: Sequence[str], model: Predictor, items: Sequence[Item]) -> Scored:
    if task.kind != "classify":
        return compare(task, names, items, told_by(task, model, items))
    judged = model.classify([one for one in items if isinstance(one, Labelled)])
    scored = compare(task, names, items, [one.labels for one in judged])
    right = [one.labels == _labels(item) for one, item in zip(judged, items, strict=True)]
    sure = [max(one.probabilities.values()) for one in judged]
    return replace(scored, scores={**scored.scores, "ece": classification.calibration_estimate(right, sure)})


def told_by(task: Task, model: Predictor, items: Sequence[Item]) -> list[Any]:
    """What a model with a head tells of each item: label names, a number, tags, or a text."""
    if task.kind == "tag":
        return list(model.tag_words([one.words for one in items if isinstance(one, Tagged)]))
    if task.kind == "answer":
        return [one.text for one in model.answer([one for one in items if isinstance(one, Asked)])]
    judged = model.classify([one for one in items if isinstance(one, Labelled)])
    return [one.value if task.kind == "regress" else one.labels for one in judged]


def compare(task: Task, names: Sequence[str], items: Sequence[Item], told: Sequence[Any]) -> Scored:
    """The scores of what was told (one entry an item, as `told_by` has them) against the items."""
    assert len(items) == len(told) > 0
    match task.kind:
        case "classify":
            gold, said = [_labels(one)[0] for one in items], [one[0] for one in told]
            return Scored(
                classification.label_scores(gold, said, names), classification.per_label(gold, said, names), {}, told
            )
        case "multilabel":
            return Scored(classification.multilabel_scores([_labels(one) for one in items], told, names), told=told)
        case "regress":
            values = [one.value for one in items if isinstance(one, Labelled) and one.value is not None]
            return Scored(classification.number_scores(values, told), told=told)
        case "tag":
            tags = [one.tags for one in items if isinstance(one, Tagged)]
            if task.scheme == "none":
                return Scored(tagging.word_scores(tags, told), told=told)
            rows = tagging.per_type(tags, told, task.scheme)
            return Scored(tagging.span_scores(tags, told, task.scheme), rows, {"span_f1": tagging.SEQEVAL}, told)
        case "answer":
            return Scored(answers.answer_scores([one for one in items if isinstance(one, Asked)], told), told=told)
        case "choose":
            hits = sum(one.right == said for one, said in zip(items, told, strict=True) if isinstance(one, Chosen))
            return Scored({"accuracy": proportion(hits, len(items))}, told=told)
        case "generate":
            targets = [one.target for one in items if isinstance(one, Written)]
            scores, notes = writing.text_scores(targets, told)
            first = {name: scores[name] for name in sorted(scores, key=lambda name: name != MAIN["generate"])}
            return Scored(first, [], notes, told)


def baselines(task: Task, names: Sequence[str], train: Sequence[Item], items: Sequence[Item]) -> dict[str, Scored]:
    """What simple methods, trained on `train`, score on `items`, by their names."""
    told: dict[str, Sequence[Any]] = {}
    match task.kind:
        case "classify" | "multilabel":
            texts, wanted = (
                [(one.text, one.second) for one in side if isinstance(one, Labelled)] for side in (train, items)
            )
            labels = [_labels(one) for one in train]
            told["majority"] = [Counter(labels).most_common(1)[0][0]] * len(items)
            told["tfidf_logistic_regression"] = classification.tfidf_regression(texts, labels, wanted)
        case "regress":
            texts, wanted = (
                [(one.text, one.second) for one in side if isinstance(one, Labelled)] for side in (train, items)
            )
            values = [one.value for one in train if isinstance(one, Labelled) and one.value is not None]
            told["mean"] = [sum(values) / len(values)] * len(items)
            told["tfidf_ridge"] = classification.tfidf_ridge(texts, values, wanted)
        case "tag":
            taught, asked = ([one for one in side if isinstance(one, Tagged)] for side in (train, items))
            if task.scheme == "none":
                told["most_frequent"] = tagging.most_frequent(taught, asked)
            else:
                told["known_spans"] = tagging.known_spans(taught, asked, task.scheme)
            told["crf"] = _crf(task, taught, asked)
        case "answer":
            told["nearest_sentence"] = answers.nearest_sentence([one for one in items if isinstance(one, Asked)])
        case "choose":
            chosen = [one for one in items if isinstance(one, Chosen)]
            told["first"] = [0] * len(chosen)
            told["longest"] = [max(range(len(c.options)), key=lambda n: len(c.options[n])) for c in chosen]
        case "generate":
            written = [one for one in items if isinstance(one, Written)]
            told |= {"lead": writing.lead(written), "copy": writing.copy(written)}
    return {name: compare(task, names, items, said) for name, said in told.items()}


def as_dict(task: Task, scored: Scored, beside: Mapping[str, Scored]) -> dict[str, Any]:
    """The model's scores and the baselines', each with its interval, and a row a label, for `scores.json`."""
    models = {"model": scored, **beside}
    return {
        "kind": task.kind,
        "main": main_score(task),
        "scores": {model: {name: asdict(one) for name, one in each.scores.items()} for model, each in models.items()},
        "labels": scored.rows,
        "notes": scored.notes,
    }


def _crf(task: Task, train: Sequence[Tagged], items: Sequence[Tagged]) -> list[list[str]]:
    """A field's tags, in BIO; what breaks it is read as conlleval does: I-X that continues nothing begins a span."""
    if task.scheme == "none":
        return tagging.crf(train, items)
    taught = [replace(one, tags=tuple(convert(one.tags, task.scheme, "bio"))) for one in train]
    result = []
    for tags in tagging.crf(taught, items):
        fixed: list[str] = []
        for tag in tags:
            before = fixed[-1][2:] if fixed else ""
            fixed.append(f"B-{tag[2:]}" if tag.startswith("I-") and before != tag[2:] else tag)
        result.append(convert(fixed, "bio", task.scheme))
    return result


def _labels(item: Item) -> tuple[str, ...]:
    assert isinstance(item, Labelled)
    return item.labels
