"""Open requests: reproducible, many, and about other things on the held-out side than in training."""

from __future__ import annotations

import re
from itertools import islice

from trivium.world import lexicon
from trivium.world.families_open import FAMILIES, TOPICS
from trivium.world.instructions import instructions
from trivium.world.prompts import OpenRequest, prompt, prompts

NUMBER = 6_000
WORD = re.compile(r"[A-Za-z-]+")
ALL_TOPICS = frozenset(topic for topics in TOPICS.values() for topic in topics)


def combination(text: str) -> tuple[str, str, str]:
    """The person, the topic and the town that a request names; there must be one of each."""
    words = set(WORD.findall(text))
    (name,), (topic,), (town,) = words & set(lexicon.NAMES), words & ALL_TOPICS, words & set(lexicon.TOWNS)
    return name, topic, town


def drawn(split: str) -> list[OpenRequest]:
    return list(islice(prompts(1, "train" if split == "train" else "heldout"), NUMBER))


def test_a_request_is_a_function_of_its_number() -> None:
    assert list(islice(prompts(2, "train"), 9))[4] == prompt(2, "train", 4)
    assert prompt(2, "train", 4).messages != prompt(3, "train", 4).messages
    assert prompt(2, "train", 4).messages != prompt(2, "heldout", 4).messages


def test_there_are_thousands_of_requests_of_five_kinds_with_one_turn_each() -> None:
    rows = drawn("train")
    assert len({row.messages for row in rows}) > 0.99 * NUMBER
    assert len({row.id for row in rows}) == NUMBER
    for family in FAMILIES:
        assert 0.15 < sum(row.kind == family.name for row in rows) / NUMBER < 0.25
    assert {len(row.messages) for row in rows} == {1} and {row.messages[0].role for row in rows} == {"user"}


def test_held_out_requests_are_about_other_combinations() -> None:
    trained = {combination(row.messages[0].content) for row in drawn("train")}
    held_out = {combination(row.messages[0].content) for row in drawn("heldout")}
    assert len(held_out) > 0.9 * NUMBER
    assert not trained & held_out
    names, topics, towns = (set(words) for words in zip(*trained, strict=True))
    for name, topic, town in held_out:
        assert name in names and topic in topics and town in towns, "only the mix is new"


def test_no_training_instruction_is_about_a_held_out_combination() -> None:
    held_out = {combination(prompt(seed, "heldout", n).messages[0].content) for seed in (1, 2) for n in range(NUMBER)}
    kinds = {family.name for family in FAMILIES}
    taught = [row for row in islice(instructions(1, "train"), 8_000) if row.family in kinds]
    assert len(taught) > 1_500
    assert not held_out & {combination(row.messages[0].content) for row in taught}
