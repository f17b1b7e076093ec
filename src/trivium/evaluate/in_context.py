"""Zero-shot and few-shot: what a model scores on a declared task without training on it, as a curve over examples.

Every number of examples is asked in all phrasings and several draws of the examples. What is told is the mean over them,
its interval (over items and draws at once), and the spread; never one draw alone. Options compare by

    sum             log p(option | prompt)
    per_token       the same over the option's tokens
    per_character   the same over its characters (what lm-evaluation-harness calls acc_norm)
    calibrated      sum - log of the mean of p(option | prompt without content), p over the options (Zhao et al. 2021)
    constrained     the likeliest next token that some option allows, until one option is left
    whole           the pseudo-log-likelihood of the whole text (masked models; Salazar et al. 2020)
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from trivium.base.errors import UserError
from trivium.evaluate import answers, ranking
from trivium.evaluate.classification import calibration_estimate
from trivium.evaluate.intervals import Estimate, crossed
from trivium.evaluate.readers import MaskedReader, Question, Reader
from trivium.evaluate.scores import score_row
from trivium.evaluate.shots import CONTENT_FREE, Draw, Form, content_free, draws, require_apart, told_in_prompt
from trivium.evaluate.writing import rouge_values
from trivium.generate.options import Told
from trivium.task.asking import SCORINGS, Asking
from trivium.task.declaration import PROMPTED, Promptable, Task
from trivium.task.items import Asked, Chosen, Item, Labelled, Written

Values = dict[str, list[float]]  # by the name of a score, one for each item
FREE = "free"
OPTIONS_AT_ONCE = 64


@dataclass(frozen=True)
class Point:
    """The scores with so many examples, by name, the main one first; `spread` is the standard deviation over the draws of
    the main one; `values` are its values by draw and item."""

    shots: int
    scores: Mapping[str, Estimate]
    spread: float
    draws: Sequence[Mapping[str, Any]]
    values: Sequence[Sequence[float]]
    left_out: int = 0


@dataclass(frozen=True)
class Curve:
    """A task put to one model. `chance` is what guessing scores, `majority` what the commonest label does."""

    kind: str
    view: str
    main: str
    points: Sequence[Point]
    chance: float | None
    majority: float | None
    notes: Sequence[str] = ()
    options: Mapping[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """The curve as JSON, without the values of single items."""
        points = []
        for one in self.points:
            scores = {name: asdict(estimate) for name, estimate in one.scores.items()}
            told = {"shots": one.shots, "scores": scores, "spread": one.spread, "draws": list(one.draws)}
            points.append({**told, "left_out": one.left_out})
        facts = {"kind": self.kind, "view": self.view, "main": self.main, "chance": self.chance}
        return {
            **facts, "majority": self.majority, "tokens": dict(self.options), "notes": list(self.notes), "points": points,
        }  # fmt: skip


def ask(
    task: Task, names: Sequence[str], reader: Reader, pool: Sequence[Item], items: Sequence[Item], asking: Asking
) -> Curve:
    """The task put to the model of `reader`: `items` are asked, examples come from `pool`.

    Raises UserError where the task has no view for such a model, an item no place, or there are no items or too few examples.
    """
    form = Form(task, tuple(names), _view(task, reader, asking))
    asked = _worded(items[: asking.items])
    if not asked:
        raise UserError("there is no test item to ask; give data.test, or raise data.test_share")
    free = _is_free(task, reader, asking)
    apart = [] if free else [require_apart(form, reader, asked)]
    groups = {one.group for one in asked}
    kept = [one for one in _worded(pool) if one.group not in groups]
    notes = _notes(form, asked, len(pool) - len(kept), sum(apart))
    points = [_point(form, reader, kept, asked, shots, asking, free) for shots in asking.shots]
    left = sum(one.left_out for one in points)
    if left:
        notes.append(f"{left:,} examples were left out of prompts that the model could not have read with them")
    chance = None if free else statistics.fmean(1 / len(form.words(one)) for one in asked)
    labels = Counter(one.labels for one in asked if isinstance(one, Labelled))
    majority = max(labels.values()) / len(asked) if labels else None
    cut: dict[str, int] = {}
    if task.kind == "classify" and not free:
        question = form.plain(asked[0], form.templates[0])
        cut = {name: len(reader.ids(one)) for name, one in zip(names, question.options, strict=True)}
    return Curve(task.kind, form.view, next(iter(points[0].scores)), points, chance, majority, notes, cut)


def score_rows(task: str, stage: str, curve: Curve) -> list[dict[str, Any]]:
    """The main score of each number of examples as rows of `scores.json`: shots/TASK/NUMBER; of many options also how high the
    right one stands: hit_10/TASK/NUMBER and ndcg_10/TASK/NUMBER."""
    rows = []
    for one in curve.points:
        main = one.scores[curve.main]
        rows.append(score_row(f"shots/{task}/{one.shots}", stage, main, "share", f"{curve.main}, {curve.view}"))
        ranked = [name for name in ranking.names() if name in one.scores]
        rows += [
            score_row(f"{name}/{task}/{one.shots}", stage, one.scores[name], "share", ranking.NOTES[name])
            for name in ranked
        ]
    return rows


def recommender_rows(task: str, train: Sequence[Item], items: Sequence[Item], asking: Asking) -> list[dict[str, Any]]:
    """The same rows of simple recommenders, where the items have many options; their stage is the recommender's name."""
    chosen, taught = ([one for one in side if isinstance(one, Chosen)] for side in (items[: asking.items], train))
    if not chosen or not ranking.ranks(chosen):
        return []
    return [
        score_row(f"{name}/{task}/{shots}", baseline, estimate, "share", "needs no model")
        for baseline, found in ranking.recommenders(taught, chosen).items()
        for name, estimate in ranking.rank_scores(found).items()
        for shots in asking.shots
    ]


def _worded(items: Sequence[Item]) -> list[Promptable]:
    """The items that can be written as a prompt, which are all of them where the task has such a view."""
    return [one for one in items if isinstance(one, Labelled | Written | Asked | Chosen)]


def _view(task: Task, reader: Reader, asking: Asking) -> str:
    views = task.views
    view = asking.view
    if view == "auto":
        view = "cloze" if reader.masked and views.cloze is not None else "prompt"
    if task.sees_prompt_whole:
        raise UserError(
            "views.prompt.prefix_attention is for a model that was trained so; without training it would read the prompt "
            "as it never did: leave it out of a task that is only asked"
        )
    if getattr(views, view) is None:
        kinds = " and ".join(PROMPTED)
        raise UserError(f"the task has no views.{view}, so it cannot be asked in words; {kinds} tasks can have one")
    return view


def _is_free(task: Task, reader: Reader, asking: Asking) -> bool:
    written = task.kind in ("generate", "answer")
    if reader.masked and (written or asking.answers == "free"):
        raise UserError(
            f"a masked model writes no text; a task of kind {task.kind} needs a decoder, or options to choose from"
        )
    if written and asking.answers == "options":
        raise UserError(f"a task of kind {task.kind} has no options; leave answers out")
    return written or asking.answers == "free"


def _notes(form: Form, items: Sequence[Promptable], doubled: int, prefixes: int) -> list[str]:
    notes = []
    if doubled:
        notes.append(f"{doubled:,} training items are test items too and are not used as examples")
    if prefixes:
        notes.append(f"in {prefixes:,} items one option's tokens begin another's: the shorter one is never less likely")
    unseen = set(form.names) - {one.labels[0] for one in items if isinstance(one, Labelled) and one.labels}
    if unseen and form.task.kind == "classify":
        notes.append(f"no item that was asked has the label {', '.join(sorted(unseen))}")
    told = told_in_prompt(form, items, form.templates[0])
    if told:
        notes.append(f"in {told:,} of {len(items):,} prompts stands the right label's word and no other label's")
    return notes


def _point(
    form: Form,
    reader: Reader,
    pool: Sequence[Promptable],
    items: Sequence[Promptable],
    shots: int,
    asking: Asking,
    free: bool,
) -> Point:
    rows: list[dict[str, Any]] = []
    tables: list[Values] = []
    left = 0
    for draw in draws(form, pool, shots, asking.seeds):
        more = form.task.views.prompt.max_new_tokens if free and form.task.views.prompt else 0
        built = [form.question(reader, item, draw, more=more) for item in items]
        left += sum(dropped for _, dropped in built)
        questions = [question for question, _ in built]
        if free:
            values = _written(form, reader, questions, items, more)
        else:
            values = _judged(form, reader, questions, items, draw, asking)
        tables.append(values)
        means = {name: statistics.fmean(column) for name, column in values.items() if not name.startswith("_")}
        rows.append({"seed": draw.seed, "phrasing": draw.phrasing, "scores": means})
    told = [name for name in tables[0] if not name.startswith("_")]
    first = asking.scoring if asking.scoring in told else told[0]
    order = sorted(told, key=lambda name: name != first)
    scores = {name: crossed([table[name] for table in tables]) for name in order}
    if not free:
        right = [one > 0.5 for table in tables for one in table[first]]
        scores["ece"] = calibration_estimate(
            right, [one for table in tables for one in table["_confidence"]], len(items)
        )
    main = [row["scores"][first] for row in rows]
    spread = statistics.stdev(main) if len(main) > 1 else 0.0
    return Point(shots, scores, spread, rows, [table[first] for table in tables], left)


def _written(
    form: Form, reader: Reader, questions: Sequence[Question], items: Sequence[Promptable], most: int
) -> Values:
    """Scores of what the model writes: up to the end of the line, or all of it where an answer has lines."""
    lines = any(isinstance(one, Written) and "\n" in one.target.strip() for one in items)
    told = [text if lines else text.strip().partition("\n")[0].strip() for text in reader.write(questions, most)]
    view = form.task.views.prompt
    assert view is not None
    if form.task.kind == "answer":
        said = ["" if one == view.unanswerable else one for one in told]
        gold = [[text for _, text in one.answers] for one in items if isinstance(one, Asked)]
        return {
            "exact_match": [float(answers.exact(one, right)) for one, right in zip(said, gold, strict=True)],
            "word_f1": [answers.word_f1(one, right) for one, right in zip(said, gold, strict=True)],
        }
    if form.task.kind == "generate":
        targets = [one.target for one in items if isinstance(one, Written)]
        same = [float(one.split() == right.split()) for one, right in zip(told, targets, strict=True)]
        return {"rougeLsum": rouge_values(targets, told)["rougeLsum"], "exact": same}
    right = [form.words(one)[form.right(one)] for one in items]
    return {FREE: [float(answers.exact(one, [word])) for one, word in zip(told, right, strict=True)]}


def _judged(
    form: Form,
    reader: Reader,
    questions: Sequence[Question],
    items: Sequence[Promptable],
    draw: Draw,
    asking: Asking,
) -> Values:
    """Whether each way of comparing options finds the right one, and how sure the model is of the one with the largest sum."""
    found = reader.judge(questions)
    prior = _content_free(form, reader, items, draw)
    values: Values = {name: [] for name in SCORINGS}
    values["_confidence"] = []
    whole = isinstance(reader, MaskedReader) and (asking.whole or asking.scoring == "whole")
    if whole and isinstance(reader, MaskedReader):
        texts = [f"{one.before}{option}{one.after}" for one in questions for option in one.options]
        totals = iter(reader.whole(texts))
        values["whole"] = []
    ranked = ranking.ranks([one for one in items if isinstance(one, Chosen)])
    for item, question, told in zip(items, questions, found, strict=True):
        words, right = form.words(item), form.right(item)
        sums = [one.total for one in told]
        priors = _shares([prior[option] for option in question.options])
        scored: dict[str, list[float]] = {
            "sum": sums,
            "per_token": [one.total / len(one.logprobs) for one in told],
            "per_character": [one / max(len(word), 1) for one, word in zip(sums, words, strict=True)],
            "calibrated": [one - math.log(max(share, 1e-30)) for one, share in zip(sums, priors, strict=True)],
        }
        if whole:
            scored["whole"] = [next(totals) for _ in words]
        for name, numbers in scored.items():
            values[name].append(float(_best(numbers) == right))
        if isinstance(item, Chosen) and ranked:
            rank = ranking.rank_of(scored.get(asking.scoring, sums), right)
            for name, value in zip(ranking.names(), (ranking.hit(rank), ranking.gain(rank)), strict=True):
                values.setdefault(name, []).append(value)
        values["constrained"].append(float(_walk(reader, question, told) == right))
        compared = scored.get(asking.scoring, sums)
        values["_confidence"].append(max(_softmax(compared)))
    return values


def _content_free(form: Form, reader: Reader, items: Sequence[Promptable], draw: Draw) -> dict[str, float]:
    """The mean probability of each option that occurs, over prompts without content, behind the draw's examples."""
    blanks = []
    for text in CONTENT_FREE if not reader.masked else CONTENT_FREE[:2]:
        first = items[0]
        assert isinstance(first, Labelled | Chosen)
        blanks.append(form.question(reader, content_free(first, text), draw, text=text)[0])
    shown = [form.plain(one, draw.template).options for one in items]
    known = list(dict.fromkeys(option for options in shown for option in options))
    found = dict.fromkeys(known, 0.0)
    for start in range(0, len(known), OPTIONS_AT_ONCE):
        part = tuple(known[start : start + OPTIONS_AT_ONCE])
        for blank, told in zip(
            blanks, reader.judge([Question(one.before, part, one.after) for one in blanks]), strict=True
        ):
            assert blank.options
            for option, one in zip(part, told, strict=True):
                found[option] += math.exp(one.total) / len(blanks)
    return found


def _walk(reader: Reader, question: Question, told: Sequence[Told]) -> int:
    """The option that is reached by always taking the likeliest token that an option still open allows; one that ends where
    another goes on is taken at its end."""
    cut = [reader.ids(option) for option in question.options]
    left = list(range(len(cut)))
    place = 0
    while len(left) > 1:
        ended = [number for number in left if len(cut[number]) == place]
        if ended:
            return ended[0]
        best = max(left, key=lambda number: told[number].logprobs[place])
        left = [number for number in left if cut[number][place] == cut[best][place]]
        place += 1
    return left[0]


def _best(scores: Sequence[float]) -> int:
    return max(range(len(scores)), key=lambda number: scores[number])


def _shares(numbers: Sequence[float]) -> list[float]:
    total = sum(numbers)
    return [one / total if total > 0 else 1 / len(numbers) for one in numbers]


def _softmax(scores: Sequence[float]) -> list[float]:
    top = max(scores)
    return _shares([math.exp(one - top) for one in scores])
