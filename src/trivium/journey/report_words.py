"""The plain words of the report and of `compare`: what each phase is, what an answer shows, what a term means.

Every explanation that a reader meets is written here, once. `explain` looks at an answer and says in one sentence
what it shows about its phase; it claims nothing that the answer, the reference and the rewards do not show.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal

from trivium.journey.report_values import plain

Verdict = Literal["right", "inside", "wrong"]

RATER = "simulated rater"
MEANS_SAME = 0.05  # points: a smaller change is called none


@dataclass(frozen=True)
class Phase:
    """One of the three phases. `stages` are its folders, `model` the one that holds its model; `question` is what
    its model has learned to answer; `can` holds for every run, however well it went."""

    art: str
    name: str
    model: str
    after: str
    stages: tuple[str, ...]
    question: str
    objective: str
    can: str


PHASES = (
    Phase(
        "grammar", "Pre-training", "pretrain", "pre-trained", ("gather", "tokenize", "pretrain"), "What comes next?",
        "Guess the next token, at every position of the text. Nobody labels anything: the text is its own answer.",
        "It continues any text, but it does not know that you asked something.",
    ),
    Phase(
        "logic", "Fine-tuning", "finetune", "fine-tuned", ("finetune",), "What was I asked?",
        "The same guess, on instructions with their right answers; only the answer's tokens count (the loss mask).",
        "It takes a text as a request, and answers instead of going on with it.",
    ),
    Phase(
        "rhetoric", "Reinforcement learning from feedback", "align", "aligned", ("rate", "reward", "align"),
        "Which answer do people prefer?",
        "First a reward model learns which of two answers a rater prefers. Then the assistant writes answers of its "
        "own and is pushed towards high reward, held near the fine-tuned model (KL).",
        "No right answer was shown to it in this phase, only what is preferred.",
    ),
)  # fmt: skip

MASKED = replace(
    PHASES[0],
    question="What is missing?",
    objective="Guess the tokens that were hidden, from what stands before and behind them. Nobody labels anything: the text is "
    "its own answer.",
    can="It fills gaps and gives vectors of texts; it does not write.",
)  # pre-training of a masked model

STAGE_WORDS = {
    "gather": "collects raw text",
    "tokenize": "cuts text into tokens",
    "pretrain": "learns the language",
    "finetune": "learns to follow instructions",
    "transfer": "shows what pre-training saves",
    "rate": "two answers: which is better?",
    "reward": "learns the rater's taste",
    "align": "learns to please the rater",
    "evaluate": "measures what was learned",
}

GLOSSARY = {
    "Token": "A piece of text that the model reads and writes as one unit: a word, a part of one, a sign.",
    "Loss": (
        "How surprised the model is by the right next token, on average, in nats. Lower is better; e to the power"
        " of the loss is the number of tokens that it hesitates between."
    ),
    "Bits per byte": (
        "The loss, counted for each byte of text and not for each token, so that models with different tokenizers"
        " can be compared. 8 means no knowledge at all; general compressors such as zip reach 2 to 3 on English."
    ),
    "Training, validation and held-out": (
        "The model learns from training data only. Validation text and held-out instructions are never trained "
        "on: what it does there, it has understood and not learned by heart."
    ),
    "Loss mask": (
        "Which tokens count when the model learns. In pre-training all do; in fine-tuning only those that the "
        "assistant says, so that the model learns to answer and not to ask."
    ),
    "Right": "The answer is the expected one after case, spaces and final marks are made equal: an exact match.",
    "95% interval": (
        "How far chance can have moved the figure, because only so many items were asked: if it were measured "
        "again and again with other items, 95 of 100 such intervals would hold the true figure."
    ),
    "Simulated rater": (
        "A program that plays the person who judges: it prefers one of two answers by fixed rules, with some "
        "noise, as people have. With it the whole journey can be run and checked without people."
    ),
    "Points": (
        "What the simulated rater thinks an answer is worth, told without its noise. No model is trained on them:"
        " they are for measuring."
    ),
    "Reward": (
        "What the reward model thinks an answer is worth to the rater; this is what alignment follows. Its zero "
        "means nothing, only differences do."
    ),
    "Ceiling": (
        "The best agreement with the rater that any model could reach on these pairs: the rater's choices are partly "
        "chance, and chance cannot be learned."
    ),
    "KL": (
        "How far the aligned model has moved from the fine-tuned one, in nats for each answer. A little is "
        "learning; much of it often means that the model has found a trick that fools the reward model."
    ),
    "Log-likelihood": (
        "How likely a model finds a text, in nats: 0 is certain, and each nat less is 2.7 times less likely. Longer texts have "
        "less of it, so compare the same answer under two models."
    ),
    "Entropy": (
        "How undecided the model is about its next token, in nats. When it falls to zero, it always says the same."
    ),
    "Win rate": (
        "Of pairs of answers to the same prompt, one from each of two models: the share in which the rater "
        "prefers the first model's. 50% means no difference."
    ),
}


def verdict(answer: str, reference: str | None, right: bool) -> Verdict | None:
    """Whether the answer is `right`, holds the reference `inside` other text, or is wrong; None without a reference."""
    if reference is None:
        return None
    if right:
        return "right"
    inside = reference.strip() and re.search(rf"(?<!\w){re.escape(reference.strip())}(?!\w)", answer, re.IGNORECASE)
    return "inside" if inside else "wrong"


@dataclass(frozen=True)
class Seen:
    """What there is to see about one answer: the text, its verdict, the rater's points, whether it ended by itself."""

    answer: str
    verdict: Verdict | None = None
    points: float | None = None
    ended: bool | None = None


def explain(stage: str, now: Seen, before: Seen | None = None) -> str:
    """One plain sentence about what `stage`'s answer shows, beside the answer of the stage `before` it."""
    if not now.answer.strip():
        return "It says nothing" + (
            " that can be read." if now.ended is False else ": for this model the text was over."
        )
    if stage == "pretrain":
        return _after_pretraining(now)
    if stage == "finetune":
        return _after_finetuning(now)
    return _after_alignment(now, before)


def _after_pretraining(now: Seen) -> str:
    if now.verdict == "right":
        return "After pre-training it gives the right words because such texts go on that way, not because you asked."
    if now.verdict == "inside":
        return (
            "After pre-training the right words are in there, among others: it continues the text, it does not answer."
        )
    return "After pre-training it continues text as it has read it: it does not know that you asked something."


def _after_finetuning(now: Seen) -> str:
    if now.verdict == "right":
        return "After fine-tuning it takes the prompt as a task, answers it rightly, and stops."
    if now.verdict == "inside":
        return "After fine-tuning it answers, with the right words in it, but not in the form that was asked for."
    if now.verdict == "wrong":
        return "After fine-tuning it answers instead of going on with the text, but this answer is wrong."
    if now.ended is False:
        return "After fine-tuning it answers the request, but finds no end before the length limit."
    return "After fine-tuning it takes the prompt as a request, and answers in the manner of its examples."


def _after_alignment(now: Seen, before: Seen | None) -> str:
    if before is None:
        return "After alignment it answers in the way that the rater prefers."
    if now.answer.strip() == before.answer.strip():
        kept = {"right": ", and it is still right", "wrong": ", mistake included"}.get(now.verdict or "", "")
        return f"Alignment left this answer as it was{kept}."
    if now.verdict is not None:
        return _answer_changed(now, before)
    if now.points is not None and before.points is not None:
        points = f"{plain(float(before.points))} points before, {plain(float(now.points))} now"
        if now.points > before.points + MEANS_SAME:
            return f"After alignment it puts the answer in a way that earns more ({points})."
        if now.points < before.points - MEANS_SAME:
            return f"Alignment changed this answer, but not for the better ({points})."
        return f"Alignment changed the words of this answer, but not what they earn ({points})."
    words_before, words_now = len(before.answer.split()), len(now.answer.split())
    if words_before == words_now:
        return f"After alignment it answers in other words, as many as before ({words_now})."
    more = "more" if words_now > words_before else "fewer"
    return f"After alignment it answers in another way, with {more} words ({words_before} before, {words_now} now)."


def _answer_changed(now: Seen, before: Seen) -> str:
    was_right, is_right = before.verdict == "right", now.verdict == "right"
    if is_right:
        return (
            "Alignment changed the words and kept it right."
            if was_right
            else "After alignment this answer has become right."
        )
    if was_right and now.verdict == "inside":
        return "Alignment kept the right words but added others, so this is no longer the answer that was asked for."
    if was_right:
        return "Alignment spoiled this one: it was right before. Pleasing a rater can cost knowledge."
    return "Alignment changed this answer; it was not right before and is not now."
