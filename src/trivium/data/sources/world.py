"""The built-in world as a source: documents, instructions and open requests, as many as are asked for.

The world writes without end; this module counts, drops repetitions and turns what it gets into rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import UserError
from trivium.base.words import Document, Message
from trivium.data.intake import Intake, Item, Part, Split

if TYPE_CHECKING:
    from trivium.world.instructions import Instruction
    from trivium.world.prompts import OpenRequest

CHARACTERS_PER_TOKEN = 3.5  # of a vocabulary of 2,048 on the world's English, about
CHARACTERS_OF_RULE = 230  # of a document that shows a rule, about
MOST_REPEATS = 20_000  # one after the other; then the world has said all that it can


class WorldSource(Settings):
    """How much of the world."""

    kind: Literal["world"] = "world"
    tokens: int = Field(
        default=3_000_000, ge=1000, description="tokens of documents, about: one for every 3.5 characters"
    )
    rules: int = Field(
        default=0,
        ge=0,
        description="further documents, each of which shows a rule by examples: a model learns from them to learn from a prompt",
    )
    instructions: int = Field(default=20_000, ge=0, description="conversations to learn from")
    families: Literal["core", "all", "open", "service", "shop"] = Field(
        default="core",
        description="which instructions: what the smallest model can learn, every family, those without a right answer, "
        "a shop's letters, or its sales",
    )
    heldout_instructions: int = Field(default=1_000, ge=0, description="conversations to be measured on")
    prompts: int = Field(default=3_000, ge=0, description="open requests, for rating and alignment")
    heldout_prompts: int = Field(default=400, ge=0, description="open requests for the win rate")


def read(source: WorldSource, name: str, intake: Intake) -> Iterator[Item]:
    """Documents, then instructions, then requests; every split has its own part of the world.

    Raises UserError, with how many there are, where the world has fewer different ones than are asked for.
    """
    from trivium.world import service, shop
    from trivium.world.documents import documents, rules
    from trivium.world.instructions import instructions
    from trivium.world.prompts import prompts

    seed = intake.seed
    characters = round(source.tokens * CHARACTERS_PER_TOKEN)
    yield from _documents(documents(seed, "train"), "train", characters, name, intake)
    yield from _documents(documents(seed, "valid"), "valid", round(characters * intake.valid_share), name, intake)
    yield from _documents(islice(rules(seed, "train"), source.rules), "train", math.inf, name, intake)
    kept = round(source.rules * intake.valid_share)
    yield from _documents(islice(rules(seed, "valid"), kept), "valid", math.inf, name, intake)
    if source.families == "shop":  # the log is text too: the order in which things are taken is learned from it
        visits = source.instructions
        yield from _documents(shop.log(seed, "train", visits), "train", math.inf, name, intake)
        logged = round(visits * intake.valid_share)
        yield from _documents(shop.log(seed, "valid", logged), "valid", math.inf, name, intake)
    taught: Iterable[Mapping[str, Any]]
    asked: Iterable[Mapping[str, Any]]
    if source.families in ("core", "all", "open"):
        taught = map(_instruction_row, instructions(seed, "train", reach=source.families))
        asked = map(_instruction_row, instructions(seed, "heldout", reach=source.families))
    else:
        told = {"service": service, "shop": shop}[source.families].conversations
        taught = ({"messages": _turns(one), "family": source.families} for one in told(seed, "train"))
        asked = (_asked_row(_turns(one), source.families) for one in told(seed, "heldout"))
    yield from _rows(taught, "instructions", "train", source.instructions, intake)
    yield from _rows(asked, "instructions", "heldout", source.heldout_instructions, intake)
    yield from _rows(map(_prompt_row, prompts(seed, "train")), "prompts", "train", source.prompts, intake)
    yield from _rows(map(_prompt_row, prompts(seed, "heldout")), "prompts", "heldout", source.heldout_prompts, intake)


def _documents(
    stream: Iterable[Document], split: Split, characters: float, name: str, intake: Intake
) -> Iterator[Item]:
    taken = count = repeats = 0
    for document in stream:
        item = next(intake.document(split, replace(document, source=name)), None)
        repeats = repeats + 1 if item is None else 0
        _check(repeats, count, f"{split} documents ({taken / CHARACTERS_PER_TOKEN:,.0f} tokens)", "tokens")
        if item is not None:
            yield item
            count += 1
            taken += len(document.text)
            if taken >= characters:
                return


def _rows(stream: Iterable[Mapping[str, Any]], part: Part, split: Split, most: int, intake: Intake) -> Iterator[Item]:
    count = repeats = 0
    for number, row in enumerate(stream):
        if count >= most:
            return
        if intake.is_new(part, json.dumps([row["messages"], row.get("answer")]), f"world {part} {split} {number}"):
            yield Item(part, split, row)
            count += 1
            repeats = 0
        else:
            repeats += 1
            _check(repeats, count, f"{split} {part}", part if split == "train" else f"heldout_{part}")


def _check(repeats: int, count: int, what: str, setting: str) -> None:
    if repeats >= MOST_REPEATS:
        raise UserError(f"the world has only {count:,} different {what}; lower '{setting}' of the world source to that")


def _instruction_row(instruction: Instruction) -> dict[str, Any]:
    turns = [asdict(message) for message in instruction.messages]
    if instruction.level == "train":
        row = {"messages": turns, "family": instruction.family}
        return row if instruction.verifiable else {**row, "verifiable": False}
    about = {"family": instruction.family, "level": instruction.level, "verifiable": instruction.verifiable}
    return {"messages": turns[:-1], "answer": instruction.answer, **about}


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [asdict(message) for message in messages]


def _asked_row(turns: list[dict[str, Any]], family: str) -> dict[str, Any]:
    about = {"family": family, "level": "phrasing", "verifiable": True}
    return {"messages": turns[:-1], "answer": turns[-1]["content"], **about}


def _prompt_row(prompt: OpenRequest) -> dict[str, Any]:
    return {"id": prompt.id, "messages": [asdict(message) for message in prompt.messages], "kind": prompt.kind}
