"""What each phase changed, the heart of the report: the table of the phases and the same prompts through each model.

The table is data, objective, training and outcome with this run's figures. The prompts are not picked for looks: the
first of each kind, in the order of the file, questions with one right answer and open requests apart.
"""

from __future__ import annotations

import difflib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trivium.journey.report_journey import bits_per_byte, phases_of, reward_accuracy
from trivium.journey.report_read import Run, Sample, Score, Stage
from trivium.journey.report_scores import asked, measure, right_answers, win_rate
from trivium.journey.report_values import (
    Shown,
    clean,
    duration,
    label,
    large,
    many,
    number,
    percent,
    plain,
    show,
    size,
)
from trivium.journey.report_words import PHASES, RATER, Phase, Seen, Verdict, explain, verdict
from trivium.world.check import check

MOST_CARDS = 12  # of each sort of prompt
OPEN_CARDS = 4  # of them, the others behind "show more"
_MODELS = tuple(phase.model for phase in PHASES)


@dataclass(frozen=True)
class PhaseRow:
    """One phase in the table; each part is a list of sentences."""

    phase: Phase
    data: tuple[str, ...]
    training: tuple[str, ...]
    outcome: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """One model's answer. `pieces` are the head of the text, cut into (words, new since the model before); `points` are
    the simulated rater's; `figures` its length and likelihoods, in words."""

    phase: Phase
    shown: Shown
    pieces: tuple[tuple[str, bool], ...]
    verdict: Verdict | None
    points: str
    explanation: str
    figures: str


@dataclass(frozen=True)
class Card:
    """One prompt with its answers, in the order of the phases."""

    prompt: Shown
    kind: str
    reference: Shown | None
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Deck:
    """The shown prompts of one sort, `more` of them on demand; `out_of` is how many the run has.

    `tally` is (after which phase, 'n of m').
    """

    cards: tuple[Card, ...]
    more: tuple[Card, ...]
    out_of: int
    tally: tuple[tuple[Phase, str], ...]


def phase_rows(run: Run) -> tuple[PhaseRow, ...]:
    """The table's rows: a phase is there when its model's stage is."""
    parts = {
        "pretrain": (_pretrain_data, _pretrain_outcome),
        "finetune": (_finetune_data, _finetune_outcome),
        "align": (_align_data, _align_outcome),
    }
    rows = []
    for phase in phases_of(run):
        stage = run.stages[phase.model]
        if stage.there:
            data, outcome = parts[phase.model]
            rows.append(PhaseRow(phase, tuple(data(run)), tuple(_training(run, phase)), tuple(outcome(run))))
    return tuple(rows)


def _pretrain_data(run: Run) -> list[str]:
    documents = number(run.gather.get("documents")) or run.stages["gather"].figure("documents")
    amount = number(run.gather.get("bytes")) or run.stages["gather"].figure("bytes")
    kinds = run.gather.get("by_kind")
    named = ", ".join(label(kind, 24) for kind in list(kinds)[:6]) if isinstance(kinds, dict) else ""
    said = [f"Raw text without labels{': ' + named if named else ''}."]
    if documents is not None and amount is not None:
        said.append(f"{many(documents, 'document')}, {size(amount)}.")
    return said


def _finetune_data(run: Run) -> list[str]:
    examples = run.stages["finetune"].figure("examples")
    families = {name for _, kind, name in map(measure, run.scores) if kind == "family"}
    said = ["Instructions, each with its right answer."]
    if examples is not None:
        of = f" of {many(len(families), 'family', 'families')}" if families else ""
        said.append(f"{many(examples, 'example')}{of}: small and specific beside the raw text.")
    return said


def _align_data(run: Run) -> list[str]:
    people = [rater for rater in run.raters if not rater.startswith("simulated")]
    who = f"a {RATER}" if not people else "people" if len(people) == len(run.raters) else f"people and a {RATER}"
    said = [f"Pairs of the model's own answers; {who} said which one is better. No right answers."]
    if run.raters:
        said.append(f"{many(sum(run.raters.values()), 'pair')}.")
    return said


def _training(run: Run, phase: Phase) -> list[str]:
    stage = run.stages[phase.model]
    if stage.state == "unfinished":
        return [f"Not finished: {many(stage.last('step') or 0, 'step')} so far."]
    said = []
    steps, tokens = stage.figure("steps"), stage.figure("tokens")
    method = stage.facts.settings.get("method")
    if steps is not None:
        by = f" of {label(method).upper()}" if isinstance(method, str) else ""
        said.append(f"{many(steps, 'step')}{by}" + (f" over {large(tokens)} tokens." if tokens is not None else "."))
    reward_steps = run.stages["reward"].last("step") if phase.model == "align" else None
    if reward_steps is not None:
        said.append(f"Before that, {many(reward_steps, 'step')} for the reward model.")
    seconds = sum(run.stages[name].facts.seconds or 0 for name in phase.stages)
    every = " with " + " and ".join(phase.stages[:-1]) if len(phase.stages) > 1 else ""
    return [*said, f"{duration(seconds)}{every}."] if seconds else said


def _pretrain_outcome(run: Run) -> list[str]:
    bits, score = bits_per_byte(run), right_answers(run, "pretrain")
    found = run.stages["pretrain"].figure("masked_accuracy")
    said = [phases_of(run)[0].can]
    if found is not None:
        said.append(f"It finds {percent(found)} of the hidden tokens of unseen text.")
    if bits is not None:
        said.append(f"{plain(bits)} bits per byte on unseen text.")
    if score is not None and score.value is not None:
        said.append(f"Right on {percent(score.value)} of {asked(run)}.")
    return said


def _finetune_outcome(run: Run) -> list[str]:
    score = right_answers(run, "finetune")
    said = [PHASES[1].can]
    if score is not None and score.value is not None:
        said.append(f"Right on {percent(score.value)} of {asked(run)}.")
    return said


def _align_outcome(run: Run) -> list[str]:
    wins, score, kl = win_rate(run), right_answers(run, "align"), _kl(run.stages["align"])
    agreement, ceiling = reward_accuracy(run), rater_ceiling(run)
    said = [_preference(wins), PHASES[2].can]
    if wins is not None and wins.value is not None:
        said.append(f"Preferred to the fine-tuned model in {percent(wins.value)} of pairs by the {RATER}.")
    if score is not None and score.value is not None:
        said.append(f"Right on {percent(score.value)} of {asked(run)}.")
    if agreement is not None:
        most = f" (ceiling {percent(ceiling)})" if ceiling is not None else ""
        said.append(f"Reward model agrees with the rater in {percent(agreement)} of unseen pairs{most}.")
    if kl is not None:
        said.append(f"KL {plain(kl)} nats from the fine-tuned model.")
    return said


def _preference(wins: Score | None) -> str:
    if wins is None or wins.low is None or wins.high is None:
        return "It was pushed towards what the reward model values; how that is liked was not measured."
    if wins.low > 0.5:
        return "It answers in the way that is preferred."
    return "It has moved away from what is preferred." if wins.high < 0.5 else "It is not clearly preferred to before."


def _kl(stage: Stage) -> float | None:
    value = stage.figure("kl")
    return stage.last("kl") if value is None else value


def rater_ceiling(run: Run) -> float | None:
    """The best agreement with the rater that anything can reach on the held-out pairs, from `ceiling.json`."""
    value = number(run.ceiling.get("ceiling"))
    return run.stages["rate"].figure("ceiling") if value is None else value


def decks(run: Run) -> tuple[Deck, Deck]:
    """(questions with one right answer, open requests)."""
    questions = [sample for sample in run.samples if sample.reference is not None]
    requests = [sample for sample in run.samples if sample.reference is None]
    return _deck(questions), _deck(requests)


def _deck(samples: Sequence[Sample]) -> Deck:
    tally = []
    for phase in PHASES:
        answered = [
            (sample.answers[phase.model], sample.reference)
            for sample in samples
            if sample.answers.get(phase.model) is not None
        ]
        if answered and answered[0][1] is not None:
            right = sum(check(reference or "", answer or "") for answer, reference in answered)
            tally.append((phase, f"{right} of {len(answered)}"))
    cards = tuple(_card(sample) for sample in _first_of_each_kind(samples))
    return Deck(cards[:OPEN_CARDS], cards[OPEN_CARDS:], len(samples), tuple(tally))


def example(run: Run) -> Card | None:
    """One prompt that shows the phases at a glance: the first open request whose points rose with alignment, else the
    first there is."""
    for sample in run.samples:
        before, now = sample.rewards.get("finetune"), sample.rewards.get("align")
        if before is not None and now is not None and now > before:
            return _card(sample)
    return _card(run.samples[0]) if run.samples else None


def _first_of_each_kind(samples: Sequence[Sample]) -> list[Sample]:
    """Round the kinds in their order of appearance, first of each, then second of each, until there are enough."""
    turns: dict[str, int] = {}
    ranked = []
    for index, sample in enumerate(samples):
        turn = turns[sample.kind] = turns.get(sample.kind, -1) + 1
        ranked.append((turn, index))
    return [samples[index] for _, index in sorted(ranked)[:MOST_CARDS]]


def _card(sample: Sample) -> Card:
    answers: list[Answer] = []
    before: Seen | None = None
    for phase in PHASES:
        text = sample.answers.get(phase.model)
        if text is None:
            continue
        right = sample.reference is not None and check(sample.reference, text)
        now = Seen(text, verdict(text[:100_000], sample.reference, right), number(sample.rewards.get(phase.model)))
        shown = show(text.strip())
        marked = before is not None and phase.model == "align" and text.strip() != before.answer.strip()
        old = before.answer if before is not None and marked else None
        points = plain(now.points) if now.points is not None else ""
        explanation, figures = (
            explain(phase.model, now, before),
            figures_in_words(text, sample.changes.get(phase.model, {})),
        )
        answers.append(Answer(phase, shown, changed_words(old, shown.head), now.verdict, points, explanation, figures))
        before = now
    reference = None if sample.reference is None else show(sample.reference)
    return Card(show(sample.text), label(sample.kind, 40).replace("_", " "), reference, tuple(answers))


def figures_in_words(text: str, changes: Mapping[str, float | None]) -> str:
    """Length, likelihoods, reward and KL of an answer in a line; '' where its likelihoods were not written down."""
    own, newest, reward, far = (
        number(changes.get(key)) for key in ("log_likelihood", "log_likelihood_of_newest", "reward", "kl")
    )
    parts = [] if own is None else [f"log-likelihood {_nats(own)} nats"]
    if newest is not None and newest != own:
        parts.append(f"the newest answer has {_nats(newest)} here")
    if reward is not None:
        parts.append(f"reward {reward:.2f}")
    if far is not None:
        parts.append(f"KL {_nats(far)}")
    if changes.get("ended") == 0:
        parts.append("cut off at the length limit")
    return "; ".join([many(len(text.split()), "word"), *parts]) if parts else ""


def _nats(value: float) -> str:
    return f"{round(value, 1) + 0.0:.1f}"  # zero has no sign


def changed_words(before: str | None, now: str) -> tuple[tuple[str, bool], ...]:
    """`now` cut into (piece, True where its words are not in `before`); one unmarked piece where there is no before."""
    if before is None:
        return ((now, False),)
    old, new = (re.findall(r"\s+|\S+", text) for text in (clean(before[:5000]).strip(), now))
    matcher = difflib.SequenceMatcher(
        None, [_bare(word) for word in old], [_bare(word) for word in new], autojunk=False
    )
    changed = [True] * len(new)
    for block in matcher.get_matching_blocks():
        changed[block.b : block.b + block.size] = [False] * block.size
    for index, word in enumerate(new):  # a space is new where the words on both sides are
        if word.isspace():
            changed[index] = 0 < index < len(new) - 1 and changed[index - 1] and changed[index + 1]
    runs = itertools.groupby(zip(new, changed, strict=True), key=lambda pair: pair[1])
    return tuple(("".join(word for word, _ in run), is_new) for is_new, run in runs) or (("", False),)


def _bare(word: str) -> str:
    return " " if word.isspace() else word.strip(".,;:!?\"'").lower() or word
