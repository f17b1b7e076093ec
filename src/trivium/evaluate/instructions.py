"""Exact answers to held-out instructions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trivium.base.files import read_jsonl
from trivium.base.words import Message
from trivium.evaluate.intervals import proportion
from trivium.evaluate.scores import score_row
from trivium.generate import Generator
from trivium.world.check import check

NAME = "instructions"
HOW = "held-out phrasings of trained families; greedy, normalised exact match"


def read_heldout(path: Path, most: int) -> list[dict[str, Any]]:
    """The first `most` verifiable held-out instructions; none where the file is not there."""
    if not path.exists():
        return []
    rows = (row for row in read_jsonl(path) if row["verifiable"])
    return [row for row, _ in zip(rows, range(most), strict=False)]


def score_instructions(
    name: str, generator: Generator, items: Sequence[dict[str, Any]], max_new_tokens: int, *, chat: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """Scores of one model (held-out phrasings first, then every level, then their families) and its greedy answers.

    A model that was never taught to chat is given the text alone, and the first line of what it goes on with counts.
    """
    prompts = [prompt_ids(generator, item["messages"], chat=chat) for item in items]
    answers = [answer.text for answer in generator.complete(prompts, max_new_tokens=max_new_tokens)]
    if not chat:
        answers = [answer.strip().split("\n")[0] for answer in answers]
    right = [check(item["answer"], answer) for item, answer in zip(items, answers, strict=True)]
    phrasing = [(ok, item["family"]) for ok, item in zip(right, items, strict=True) if item["level"] == "phrasing"]
    rows = [_share(NAME, name, [ok for ok, _ in phrasing], HOW)]
    for level in sorted({item["level"] for item in items}):
        chosen = [ok for ok, item in zip(right, items, strict=True) if item["level"] == level]
        rows.append(_share(f"{NAME}/level/{level}", name, chosen))
    for family in sorted({family for _, family in phrasing}):
        rows.append(_share(f"{NAME}/family/{family}", name, [ok for ok, other in phrasing if other == family], HOW))
    return rows, answers


def prompt_ids(generator: Generator, messages: Sequence[dict[str, str]], *, chat: bool) -> list[int]:
    """What the model is given: the rendered conversation, or a document that begins with its text."""
    if chat:
        return list(generator.tokenizer.render([Message(**m) for m in messages], add_generation_prompt=True).ids)  # type: ignore[arg-type]
    return generator.document_start("\n".join(message["content"] for message in messages))


def _share(name: str, stage: str, right: Sequence[bool], note: str = "") -> dict[str, Any]:
    return score_row(name, stage, proportion(sum(right), len(right)), "share", note)
