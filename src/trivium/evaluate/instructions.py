"""Answers to held-out instructions: the world's by what was held out, the user's own as a group beside them.

An exact match says little of a free answer. So of the user's own it is also told how likely the right answer is (bits per byte:
lower is better, and needs no luck in the wording), and how much of it stands in the model's answer (ROUGE-L).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trivium.base.files import read_jsonl
from trivium.base.words import Message
from trivium.data.intake import OWN_LEVEL
from trivium.evaluate.intervals import mean, proportion, ratio
from trivium.evaluate.scores import score_row
from trivium.evaluate.writing import rouge_values
from trivium.generate import Generator
from trivium.generate.openings import request_start
from trivium.generate.options import Ask, log_likelihoods
from trivium.world.check import check

NAME = "instructions"
HOW = "held-out phrasings of trained families; greedy, normalised exact match"
OWN = "held-out rows of your own data, exact match"
BITS, ROUGE = "answer_bits_per_byte", "answer_rouge_l"
NOTES = {"phrasing": HOW, OWN_LEVEL: OWN}  # of the levels that are also told by family


@dataclass(frozen=True)
class Marked:
    """An item with one model's answer; None where the model cannot read all of the request, which is a wrong answer."""

    item: dict[str, Any]
    answer: str | None

    @property
    def right(self) -> bool:
        return self.answer is not None and check(self.item["answer"], self.answer)


def read_heldout(path: Path, most: int) -> list[dict[str, Any]]:
    """The first `most` verifiable instructions of the world, then as many of the user's own; none where no file is."""
    if not path.exists():
        return []
    rows = [row for row in read_jsonl(path) if row["verifiable"]]
    world, own = ([row for row in rows if (row["level"] == OWN_LEVEL) is mine] for mine in (False, True))
    return [*world[:most], *own[:most]]


def score_instructions(
    name: str, generator: Generator, items: Sequence[dict[str, Any]], max_new_tokens: int, *, chat: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """Scores of one model and its greedy answers. First the headline (held-out phrasings, or the user's own rows where
    there is nothing else), then every level, then the families.

    A model that was never taught to chat is given the text alone, and the first line of what it goes on with counts.
    """
    marked = answer_items(generator, items, max_new_tokens, chat=chat)
    levels: dict[str, list[Marked]] = {}
    for one in sorted(marked, key=lambda one: str(one.item["level"])):
        levels.setdefault(one.item["level"], []).append(one)
    headline = OWN_LEVEL if list(levels) == [OWN_LEVEL] else "phrasing"
    rows = [_share(NAME, name, levels.get(headline, []), NOTES[headline])]
    for level, chosen in levels.items():
        rows.append(_share(f"{NAME}/level/{level}", name, chosen, OWN if level == OWN_LEVEL else ""))
    world = {one.item["family"] for one in levels.get("phrasing", [])}
    for level, note in NOTES.items():
        chosen = levels.get(level, [])
        for family in sorted({one.item["family"] for one in chosen}):
            shown = f"{family} (own)" if level == OWN_LEVEL and family in world else family
            same = [one for one in chosen if one.item["family"] == family]
            rows.append(_share(f"{NAME}/family/{shown}", name, same, note))
    return rows, [one.answer or "" for one in marked]


def free_rows(
    name: str, generator: Generator, items: Sequence[dict[str, Any]], answers: Sequence[str], *, chat: bool
) -> list[dict[str, Any]]:
    """How near a model comes to the right answers of the user's own rows among `items`, where it said `answers`: bits per byte
    of the right ones after their request, and ROUGE-L where rouge-score is installed. What is longer than the model reads is
    left out of the first and counted."""
    marked = [Marked(item, said) for item, said in zip(items, answers, strict=True) if item["level"] == OWN_LEVEL]
    tokenizer, limit = generator.tokenizer, generator.model.shape.max_positions
    asks, sizes = [], []
    for one in marked:
        prompt = prompt_ids(generator, one.item["messages"], chat=chat)
        answer = tokenizer.encode(one.item["answer"] if chat else f" {one.item['answer']}")
        if prompt and answer and len(prompt) + len(answer) <= limit:
            asks.append(Ask(tuple(prompt), (tuple(answer),)))
            sizes.append(len(one.item["answer"].encode("utf-8")))
    if not asks:
        return []
    nats = [-told[0].total for told in log_likelihoods(generator.model, asks)]
    left = len(marked) - len(asks)
    note = "of the right answer, after its request; lower is better" + (f"; {left} too long to be read" if left else "")
    bits = [value / math.log(2) for value in nats]
    rows = [score_row(BITS, name, ratio(bits, [float(size) for size in sizes]), "bits", note)]
    if find_spec("rouge_score") is not None:
        values = rouge_values([one.item["answer"] for one in marked], [one.answer or "" for one in marked])["rougeLsum"]
        rows.append(score_row(ROUGE, name, mean(values), "share", "of the greedy answer, rougeLsum, stemmed"))
    return rows


def answer_items(
    generator: Generator, items: Sequence[dict[str, Any]], max_new_tokens: int, *, chat: bool
) -> list[Marked]:
    """The items in their order, each with the model's greedy answer."""
    prompts = [prompt_ids(generator, item["messages"], chat=chat) for item in items]
    limit = generator.model.shape.max_positions
    readable = [number for number, ids in enumerate(prompts) if len(ids) < limit]
    found = generator.complete([prompts[number] for number in readable], max_new_tokens=max_new_tokens)
    answers: list[str | None] = [None] * len(items)
    for number, answer in zip(readable, found, strict=True):
        answers[number] = answer.text if chat else answer.text.strip().split("\n")[0]
    return [Marked(item, answer) for item, answer in zip(items, answers, strict=True)]


def prompt_ids(generator: Generator, messages: Sequence[dict[str, str]], *, chat: bool) -> list[int]:
    """What the model is given: the rendered conversation, or a document that begins with its text."""
    if chat:
        return list(generator.tokenizer.render([Message(**m) for m in messages], add_generation_prompt=True).ids)  # type: ignore[arg-type]
    return request_start(generator.tokenizer, "\n".join(message["content"] for message in messages))


def _share(name: str, stage: str, marked: Sequence[Marked], note: str) -> dict[str, Any]:
    unread = sum(one.answer is None for one in marked)
    if unread:
        note += f"{'; ' if note else ''}{unread} longer than the model reads, counted as wrong"
    return score_row(name, stage, proportion(sum(one.right for one in marked), len(marked)), "share", note)
