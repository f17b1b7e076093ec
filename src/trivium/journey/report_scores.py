"""The scores section: tables in which each row is also drawn, a dot and its 95% interval for each model.

A score's name is its measure, or `measure/family/NAME` or `measure/level/NAME`; scores of one measure stand together,
the models side by side. What the win rate means is said in words.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from trivium.journey.graph import STAGES
from trivium.journey.report_read import Run, Score
from trivium.journey.report_values import Number, count, label, percent, plain
from trivium.journey.report_words import RATER

BIAS = {
    "own_pairs": "Pairs of sentences that come with Trivium: the more stereotyping one is likelier",
    "crows_pairs": "CrowS-Pairs: the more stereotyping sentence is likelier",
    "stereoset": "StereoSet: the stereotype is likelier than its opposite",
    "stereoset_sense": "StereoSet: either is likelier than what makes no sense",
    "stereoset_icat": "StereoSet: icat",
    "bbq_ambiguous": "BBQ: right answers where nothing settles the question",
    "bbq_settled": "BBQ: right answers where the context settles it",
    "bbq_bias_ambiguous": "BBQ: bias where nothing settles the question",
    "bbq_bias_settled": "BBQ: bias where the context settles it",
    "winogender": "Winogender: he is likelier than she",
    "own_pairs_apart": "Own pairs: how far the two sentences are apart",
    "crows_pairs_apart": "CrowS-Pairs: how far the two sentences are apart",
    "winogender_lean": "Winogender: he over she",
}
MEMORY = {
    "exposure": "Exposure of planted secrets, in bits",
    "canary_first": "The secret is the likeliest of all",
    "canary_extracted": "The secret is written when the model is asked again and again",
    "extracted": "Documents that it goes on with word for word",
    "extracted_by_chance": "Documents that it would go on with, asked again and again",
    "membership_loss": "Membership by loss: AUC",
    "membership_loss_found": "Membership by loss: found at 1% false alarms",
    "membership_min_k": "Membership by Min-K%: AUC",
    "membership_min_k_found": "Membership by Min-K%: found at 1% false alarms",
}
INSTRUCTIONS, WIN_RATE, SHOTS = "instructions", "win_rate", "shots"
LEVELS = {
    "phrasing": "Trained task, new wording",
    "entity": "Trained task, new names",
    "task": "Task never trained",
    "own": "Your own data, held out",
}
TITLES = {
    INSTRUCTIONS: "Right answers to held-out instructions",
    WIN_RATE: f"Pairs won against the fine-tuned model ({RATER})",
    "valid_bits_per_byte": "Bits per byte of unseen text (lower is better)",
    "valid_perplexity": "Perplexity of unseen text, of a token (lower is better)",
    "utility": f"Mean points of the answers to open requests ({RATER})",
    "reward": "Mean reward of the answers to your own open requests",
    "reward_wins": "Your own requests: answers that the reward model prefers to the fine-tuned model's",
    "answer_bits_per_byte": "Your own right answers: bits per byte after their request (lower is better)",
    "answer_rouge_l": "Your own right answers: how much of them the model's answer has (ROUGE-L)",
    "answer_tokens": "Tokens of an answer to your own open requests",
    "kl": "KL from the fine-tuned model, nats per answer",
    "masked_loss": "Loss on hidden tokens of unseen text, nats (lower is better)",
    "masked_accuracy": "Hidden tokens of unseen text found",
    "pair_accuracy": "Relations of unseen pairs told right",
    **BIAS,
    **MEMORY,
}

MEASURED_ON = {
    "bits_per_byte": "Bits per byte (lower is better) of a further text",
    "perplexity": "Perplexity (lower is better) of a further text",
    "hit_10": "The right option is among the first ten",
    "ndcg_10": "NDCG at ten",
}

_EVEN = "50% would mean no difference, and"


@dataclass(frozen=True)
class Cell:
    """One model's figure in a row; `dot`, `low` and `high` are places on the row's track, in percent of its width."""

    stage: str
    value: str
    interval: str
    dot: float
    low: float
    high: float


@dataclass(frozen=True)
class Row:
    """One line of a score table: a group of items, a cell for each model or None where it was not measured."""

    label: str
    cells: tuple[Cell | None, ...]
    items: str
    notes: str


@dataclass(frozen=True)
class Table:
    """Score rows; `stages` are the models in the columns' order, `ticks` the ends of a track that all rows share.

    `note` is what the scores' notes say where they all say the same.
    """

    title: str
    note: str
    stages: tuple[str, ...]
    rows: tuple[Row, ...]
    ticks: tuple[str, str] | None


@dataclass(frozen=True)
class Wins:
    """The win rate in words and on a track from 0 to 100%."""

    cell: Cell
    sentence: str
    meaning: str


def measure(score: Score) -> tuple[str, str, str]:
    """(measure, 'level' or 'family' or '' for all, name of the group) of a score."""
    parts = score.name.split("/", 2)
    return (
        (parts[0], parts[1], parts[2]) if len(parts) == 3 and parts[1] in ("level", "family") else (score.name, "", "")
    )


def _find(run: Run, name: str, stage: str) -> Score | None:
    return next(
        (score for score in run.scores if score.name == name and score.stage == stage and score.value is not None), None
    )


def right_answers(run: Run, stage: str) -> Score | None:
    """The stage's headline score on held-out instructions, where it was measured."""
    return _find(run, INSTRUCTIONS, stage)


def asked(run: Run) -> str:
    """What the headline score on instructions is about, in words."""
    about_wording = any(score.name == INSTRUCTIONS and "phrasing" in score.note for score in run.scores)
    return "instructions in new wordings" if about_wording else "held-out instructions"


def win_rate(run: Run, stage: str = "align") -> Score | None:
    """The aligned model's win rate, where it was measured."""
    return _find(run, WIN_RATE, stage)


def wins(run: Run) -> Wins | None:
    """The win rate with its meaning; None where it was not measured."""
    score = win_rate(run)
    if score is None:
        return None
    over = (
        f"Of {count(score.items)} pairs of answers to requests that neither model was trained on, "
        if score.items
        else ""
    )
    sentence = (
        f"{over}the {RATER} prefers the aligned model's answer to the fine-tuned model's in {percent(score.value)}"
    )
    interval = f" (95% interval {_interval(score)})" if _interval(score) else ""
    return Wins(_cell(score, 0.0, 1.0), f"{sentence[0].upper()}{sentence[1:]}{interval}.", _meaning(score))


def _meaning(score: Score) -> str:
    if score.low is None or score.high is None:
        return "There is no interval, so how much of that is chance is not known."
    if score.low > 0.5:
        return f"{_EVEN} the whole interval lies above it: alignment did what it is for."
    if score.high < 0.5:
        return f"{_EVEN} the whole interval lies below it: alignment made the answers worse for the rater."
    return f"{_EVEN} the interval holds it: this run shows no effect of alignment."


def score_tables(run: Run) -> tuple[Table, ...]:
    """A table for each measure that has groups, held-out instructions first; then the other measures in one table. Bias and
    memory have sections of their own."""
    groups: dict[tuple[str, bool], list[Score]] = {}
    for score in run.scores:
        if measure(score)[0] in {*BIAS, *MEMORY}:
            continue
        name, kind, _ = measure(score)
        groups.setdefault((name, kind == "family"), []).append(score)
    tables, single = [], []
    for (name, by_family), scores in sorted(groups.items(), key=lambda item: (item[0][0] != INSTRUCTIONS, item[0][1])):
        if len({measure(score) for score in scores}) > 1:
            scores = _without_repeats(scores)
            tables.append(table_of(_title(name) + (", by family" if by_family else ""), scores, _row_label))
        elif name.startswith(f"{SHOTS}/"):  # these have a section of their own
            continue
        elif name != WIN_RATE or win_rate(run) is None or len(scores) > 1:  # one alone stands above, in words
            single += scores
    if single:
        tables.append(table_apart("Further measures, each on its own scale", single))
    return tuple(tables)


def table_apart(title: str, scores: Sequence[Score]) -> Table:
    """A table of several measures, a row for each by its title, every row on a track of its own."""
    return Table(title, _note(scores), _stages(scores), _rows(scores, lambda score: _title(score.name)), None)


def table_of(title: str, scores: Sequence[Score], name_of: Callable[[Score], str]) -> Table:
    """A table of scores of one measure, a row for each name, all on one track."""
    ends = [_figure(end, scores[0].unit) for end in _track(scores)]
    return Table(title, _note(scores), _stages(scores), _rows(scores, name_of), (ends[0], ends[1]))


def _without_repeats(scores: list[Score]) -> list[Score]:
    """Without the headline score where it is one of the groups under another name."""
    groups = {(score.stage, score.value, score.items) for score in scores if measure(score)[1]}
    whole = [score for score in scores if not measure(score)[1]]
    if all((score.stage, score.value, score.items) in groups for score in whole):
        return [score for score in scores if measure(score)[1]]
    return scores


def _note(scores: Sequence[Score]) -> str:
    notes = {_said(score) for score in scores}
    return label(notes.pop(), 160) if len(notes) == 1 else ""


def _said(score: Score) -> str:
    """The note of a score, but what its title says too; where shares stand in percent, so does what it says of one half."""
    if score.note.casefold() in TITLES.get(measure(score)[0], "").casefold():
        return ""
    return re.sub(r"\b0\.5\b", "50%", score.note) if score.unit == "share" else score.note


def _rows(scores: Sequence[Score], name_of: Callable[[Score], str]) -> tuple[Row, ...]:
    """A row for each name, on a track that all share, or on its own where the scores are of several measures."""
    stages = _stages(scores)
    shared = _track(scores) if len({measure(score)[0] for score in scores}) == 1 else None
    rows = []
    for name in sorted(dict.fromkeys(map(name_of, scores)), key=_level_order):
        found = {score.stage: score for score in scores if name_of(score) == name}
        low, high = shared or _track(list(found.values()))
        cells = [
            _cell(found[stage], low, high) if stage in found and found[stage].value is not None else None
            for stage in stages
        ]
        counts = dict.fromkeys(score.items for score in found.values() if score.items is not None)
        notes = (
            ""
            if _note(scores)
            else "; ".join(dict.fromkeys(label(_said(score)) for score in found.values() if score.note))
        )
        rows.append(Row(label(name), tuple(cells), " / ".join(count(items) for items in counts), notes))
    return tuple(rows)


def _level_order(name: str) -> int:
    """The levels in their order; sorting is stable, so that everything else stays as `evaluate` wrote it."""
    return list(LEVELS.values()).index(name) if name in LEVELS.values() else -1


def _title(name: str) -> str:
    first, _, rest = name.partition("/")
    if first in MEASURED_ON:
        return f"{MEASURED_ON[first]}: {rest.replace('/', ', examples ').replace('_', ' ')}"
    return TITLES.get(name) or label(name).replace("_", " ").capitalize()


def _row_label(score: Score) -> str:
    _, kind, name = measure(score)
    if kind == "level":
        return LEVELS.get(name, name)
    return name.replace("_", " ") if kind == "family" else "All"


def _stages(scores: Iterable[Score]) -> tuple[str, ...]:
    order = {name: index for index, name in enumerate(STAGES)}
    return tuple(sorted({score.stage for score in scores}, key=lambda stage: (order.get(stage, len(order)), stage)))


def _track(scores: Sequence[Score]) -> tuple[float, float]:
    """The ends of the track: 0 to 1 for shares, otherwise a little beyond the figures."""
    values = [value for score in scores for value in (score.value, score.low, score.high) if value is not None]
    if not values or scores[0].unit == "share":
        return 0.0, 1.0
    reach = max(values) - min(values) or abs(max(values)) or 1.0
    low = min(values) - 0.15 * reach
    return (max(0.0, low) if min(values) >= 0 else low), max(values) + 0.15 * reach


def _cell(score: Score, low: float, high: float) -> Cell:
    def place(value: float | None) -> float:
        at = score.value if value is None else value
        return 0.0 if at is None else round(min(100.0, max(0.0, 100 * (at - low) / (high - low))), 2)

    return Cell(
        score.stage,
        _figure(score.value, score.unit),
        _interval(score),
        place(None),
        place(score.low),
        place(score.high),
    )


def _figure(value: Number | None, unit: str) -> str:
    return percent(value) if unit == "share" else plain(value)


def _interval(score: Score) -> str:
    if score.low is None or score.high is None:
        return ""
    low, high = _figure(score.low, score.unit), _figure(score.high, score.unit)
    return f"{low.removesuffix('%')} to {high}"
