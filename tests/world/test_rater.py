"""The simulated rater: its choices follow its formula, and what games it scores badly."""

from __future__ import annotations

import math
from functools import cache
from random import Random
from statistics import mean, median

import pytest

from trivium.world import lexicon
from trivium.world.answers import VIVID_SHARE, write_answer
from trivium.world.draws import Draw
from trivium.world.families_open import FAMILIES, draw_slots
from trivium.world.rater import HIGH, LOW, NOISE, TEMPERATURE, ceiling, judge, prefer, utility

ASK = "Tell a short story about Ann and a dog in Velby."
PLAIN = "Ann had a dog in Velby. She looked at the dog. They went to the market."


@cache
def answers(vivid: bool) -> tuple[tuple[str, str], ...]:
    """Requests with the answers that the instruction data give."""
    random = Random(11)
    rows = []
    for number in range(1_000):
        family = FAMILIES[number % len(FAMILIES)]
        slots = draw_slots(Draw(random, "train"), family.name)
        asked = random.choice(family.train).format_map(slots)
        rows.append((asked, write_answer(family.name, slots, random, vivid)))
    return tuple(rows)


def test_utility_is_the_formula_worked_by_hand() -> None:
    # 16 words; person, thing and town named; nothing else: 0.4 + 0.4 + 0.3 + 0.03 * 2.
    assert utility(ASK, PLAIN) == pytest.approx(1.16)
    assert utility(ASK, PLAIN.removesuffix(".")) == pytest.approx(1.16 - 0.5)
    assert utility(ASK, PLAIN, ended=False) == pytest.approx(1.16 - 1.5)
    assert utility(ASK, PLAIN.replace("She", "But she")) == pytest.approx(1.16 + 0.7 + 0.03)
    assert utility(ASK, PLAIN.replace("market", "golden market")) == pytest.approx(1.16 + 0.6 + 0.03)
    assert utility(ASK, PLAIN.replace("They", "Happy, they")) == pytest.approx(1.16 + 0.5 + 0.03)
    assert utility(ASK, PLAIN.replace("They", "Tom and Clara")) == pytest.approx(1.16 - 1.5 + 0.06)
    assert utility(ASK, PLAIN.replace("dog", "cat")) == pytest.approx(1.16 - 1.2)


def test_utility_stays_in_its_range() -> None:
    for vivid in (True, False):
        assert all(LOW <= utility(*row) <= HIGH for row in answers(vivid))
    assert utility(ASK, "Tom Clara " * 60, ended=False) == LOW


def test_vivid_answers_are_better_on_average_and_the_two_overlap() -> None:
    dry, vivid = ([utility(*row) for row in answers(sort)] for sort in (False, True))
    assert mean(vivid) > mean(dry) + 2
    assert max(dry) > min(vivid) + 1


DEGENERATE = {
    "empty": "",
    "one word": "dog",
    "repetition": "Ann had a golden dog. " * 6,
    "praise said again": "It was a golden, golden, golden, golden dog. It was a golden, golden, golden, golden dog.",
    "word list": "Golden, shining, magic, wild, gentle, bright, secret, silent, starry, rosy, merry, misty.",
    "word list with the topic": "Ann dog Velby golden shining magic wild gentle bright secret silent starry but happy.",
    "off topic": "Tom saw a shining ship in Corvo. But suddenly Clara came with a cat, and Omar was happy.",
    "very long": " ".join([PLAIN, "But then a golden bird came.", "She saw a tree and a house and a hill."] * 3),
}


@pytest.mark.parametrize("name", DEGENERATE)
def test_degenerate_answers_are_worse_than_the_median_answer(name: str) -> None:
    typical = [utility(*row) for row in answers(False) + answers(True)[: int(1_000 * VIVID_SHARE)]]
    assert utility(ASK, DEGENERATE[name]) < median(typical)


def test_every_vivid_word_of_a_crowded_sentence_costs() -> None:
    crowd = " ".join(lexicon.VIVID.train[:9])
    assert utility(ASK, f"Ann had a {crowd} dog in Velby. They went to the market.") < utility(ASK, PLAIN)


def test_choices_agree_with_the_formula() -> None:
    first, second = answers(True)[0][1], answers(False)[0][1]
    asked = answers(True)[0][0]
    random = Random(3)
    gap = utility(asked, first) - utility(asked, second)
    for one, other, sign in ((first, second, 1), (second, first, -1), (first, first, 0)):
        wanted = (1 - NOISE) / (1 + math.exp(-sign * gap / TEMPERATURE)) + NOISE / 2
        share = mean(judge(asked, one, other, random) == 0 for _ in range(4_000))
        assert abs(share - wanted) < 0.03, "4 standard errors of a share are 0.032 at most"


def test_an_unfinished_answer_is_chosen_less() -> None:
    random = Random(4)
    cut = mean(judge(ASK, PLAIN, PLAIN, random, (False, True)) == 0 for _ in range(2_000))
    assert abs(cut - prefer(-1.5, 0.0)) < 0.03


def test_the_ceiling_is_what_the_best_predictor_reaches() -> None:
    random = Random(5)
    rows = answers(False)[:700] + answers(True)[:300]
    triples = []
    for _ in range(4_000):
        asked, one = random.choice(rows)
        other = random.choice(rows)[1]
        triples.append((asked, one, other))
    pairs = [(utility(asked, one), utility(asked, other)) for asked, one, other in triples]
    right = [
        judge(asked, one, other, random) == (0 if first >= second else 1)
        for (asked, one, other), (first, second) in zip(triples, pairs, strict=True)
    ]
    assert abs(mean(right) - ceiling(pairs)) < 0.025
    assert ceiling([(1.0, 1.0)]) == 0.5
    assert ceiling([(5.0, -4.0)]) == pytest.approx(1 - NOISE / 2, abs=1e-5)


def test_the_ceiling_on_answers_of_the_instruction_data_leaves_something_to_learn() -> None:
    random = Random(6)
    pairs = []
    for _ in range(3_000):
        family = random.choice(FAMILIES)
        slots = draw_slots(Draw(random, "train"), family.name)
        asked = random.choice(family.train).format_map(slots)
        one, other = (write_answer(family.name, slots, random, random.random() < VIVID_SHARE) for _ in range(2))
        pairs.append((utility(asked, one), utility(asked, other)))
    assert 0.80 < ceiling(pairs) < 0.88
