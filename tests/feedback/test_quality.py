"""What is said of raters and answers: published figures, planted truths found again, biases that are there and not there."""

from __future__ import annotations

import itertools
import math
from random import Random

import numpy
import pytest

from tests.feedback.shop import LEFT, own, person, rate_all, stock
from tests.reference.agreement import ordinal_distance, slow_alpha
from trivium.base.words import Message
from trivium.feedback import items, quality, raters
from trivium.feedback.agreement import Metric, alpha, ceiling
from trivium.feedback.assignments import Task
from trivium.feedback.database import Database
from trivium.feedback.plan import Plan, write_plan
from trivium.feedback.raters import Rater
from trivium.feedback.reliability import dawid_skene
from trivium.feedback.simulation import SimulatedRater
from trivium.feedback.strengths import bradley_terry, fit
from trivium.feedback.words import Item, Response, in_neutral_order


@pytest.fixture(autouse=True)
def same_names_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Raters' orders follow from their ids, which are random; here they are not, so that the figures repeat."""
    numbers = itertools.count()
    monkeypatch.setattr(raters.secrets, "token_hex", lambda length: f"{next(numbers):0{2 * length}x}")


PUBLISHED = ["111", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", "555", "11", "3"]
UNITS = [[int(digit) for digit in unit] for unit in PUBLISHED]  # Krippendorff 2011, the example with missing values
FIGURES: list[tuple[Metric, float]] = [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)]


@pytest.mark.parametrize(("metric", "value"), FIGURES)
def test_alpha_is_the_published_one(metric: Metric, value: float) -> None:
    found = alpha(UNITS, [1, 2, 3, 4, 5], metric)
    assert found.value == pytest.approx(value, abs=0.0005)
    assert found.low < value < found.high and found.items == 11


@pytest.mark.parametrize("seed", range(3))
def test_alpha_is_its_slow_twin_and_chance_has_none(seed: int) -> None:
    random = Random(seed)
    units = [[random.randint(0, 3) for _ in range(random.randint(1, 4))] for _ in range(50)]
    names = [0, 1, 2, 3]
    assert alpha(units, names).value == pytest.approx(slow_alpha(units, lambda a, b: float(a != b)))
    assert alpha(units, names, "ordinal").value == pytest.approx(slow_alpha(units, ordinal_distance(units)))
    assert alpha(units, names, "interval").value == pytest.approx(slow_alpha(units, lambda a, b: (a - b) ** 2))
    assert abs(alpha(units, names).value) < 0.25
    assert alpha([[1, 1], [2, 2], [0, 0]], names).value == 1.0
    assert math.isnan(alpha([[1], [2]], names).value)


def test_the_ceiling_from_agreement_is_that_of_the_raters() -> None:
    random = Random(0)
    chance = 0.8
    answers = {
        str(item): ["first" if (random.random() < chance) == (item % 2 == 0) else "second" for _ in range(3)]
        for item in range(4000)
    }
    found = ceiling(answers)
    assert found is not None and found[0] == pytest.approx(chance, abs=0.02) and found[1] == 12_000
    assert ceiling({"a": ["first"], "b": ["tie", "first"]}) is None


def test_a_spammer_is_ranked_last() -> None:
    random = Random(1)
    skills = {"good": 0.95, "fair": 0.85, "poor": 0.7, "spammer": 0.5}
    truth = {f"i{number}": random.choice(["first", "second"]) for number in range(250)}
    other = {"first": "second", "second": "first"}
    answers = [
        (item, rater, right if random.random() < skill else other[right])
        for item, right in truth.items()
        for rater, skill in skills.items()
    ]
    found = dawid_skene(answers, ("first", "second"))
    assert sorted(found.of, key=lambda rater: -found.of[rater]) == list(skills)
    for rater, skill in skills.items():
        assert found.of[rater] == pytest.approx(skill, abs=0.06)
    votes = {item: [name for one, _, name in answers if one == item] for item in truth}
    by_majority = sum(max(sorted(set(said)), key=said.count) == truth[item] for item, said in votes.items())
    assert sum(found.truth[item][0] == right for item, right in truth.items()) > by_majority


def test_strengths_are_those_that_were_planted() -> None:
    random = Random(2)
    planted = {"a": 1.0, "b": 0.3, "c": -0.4, "d": -0.9}
    names = list(planted)
    duels: dict[str, list[tuple[str, str, float]]] = {}
    for number in range(3000):
        one, other = random.sample(names, 2)
        chance = 1 / (1 + math.exp(planted[other] - planted[one]))
        duels[str(number)] = [(one, other, float(random.random() < chance))]
    found = bradley_terry(duels)
    assert all(found.of[name] == pytest.approx(strength, abs=0.2) for name, strength in planted.items())
    inside = 0
    for duel in found.comparisons:
        true = 1 / (1 + math.exp(planted[duel.second] - planted[duel.first]))
        assert duel.low <= duel.rate <= duel.high and duel.high - duel.low < 0.12
        inside += duel.low <= true <= duel.high
    assert inside >= 5  # of six intervals of 95%


def test_two_models_alone_have_the_rate_that_was_counted() -> None:
    duels = {str(n): [("new", "old", score)] for n, score in enumerate([1.0] * 65 + [0.0] * 25 + [0.5] * 10)}
    (found,) = bradley_terry(duels).comparisons
    assert found.rate == pytest.approx(0.70, abs=0.001) and found.answers == 100
    assert 0.55 < found.low < 0.66 < 0.74 < found.high < 0.85
    never = fit(numpy.array([[0.0, 10.0], [0.0, 0.0]]))
    assert 2 < never[0] - never[1] < 12  # finite, though it never lost
    assert bradley_terry({"a": [("same", "same", 1.0)]}).comparisons == ()


def test_a_simulated_rater_chooses_as_its_formula_says_and_says_that_it_is_one() -> None:
    rater = SimulatedRater("simulated:test", temperature=0.7, noise=0.1, position_bias=0.4, length_bias=0.5)
    expected = 0.9 / (1 + math.exp(-(0.5 / 0.7 + 0.4 + 0.5 * 60 / 100))) + 0.05
    assert rater.chance((1.0, 0.5), (100, 40)) == pytest.approx(expected)
    random = Random(3)
    said = [rater.judge((1.0, 0.5), ("x" * 100, "x" * 40), random)["preferred"] == 0 for _ in range(6000)]
    assert sum(said) / len(said) == pytest.approx(expected, abs=0.02)
    with pytest.raises(AssertionError):
        SimulatedRater("Ada")


PLANTED = {"new": 0.8, "old": 0.0}


def simulate(database: Database, kinds: list[SimulatedRater], pairs: int, fixed: bool = False) -> None:
    """Those raters rate pairs of responses whose utility is their model's; `fixed`: always in the order (new, old)."""
    random = Random(5)
    people = [person(database, kind.name) for kind in kinds]
    by_id = {rater.id: kind for rater, kind in zip(people, kinds, strict=True)}
    offered = []
    for number in range(pairs):
        texts = [f"{number} {letter * random.randint(5, 200)}" for letter in "ab"]
        responses = (Response(texts[0], policy="new"), Response(texts[1], policy="old"))
        offered.append(Item("pair", (Message("user", str(number)),), in_neutral_order(responses)))
    with database.writing() as work:
        write_plan(work, Plan(answers_each=len(kinds), gold_share=0, repeat_share=0.15 if len(kinds) == 1 else 0))
        items.offer(work, offered)

    def judge(rater: Rater, task: Task) -> dict[str, object]:
        if fixed:
            with database.writing() as work:
                work.change("UPDATE assignments SET shown = :it WHERE id = :id", it=str(fixed_order(task)), id=task.id)
        shown = fixed_order(task) if fixed else task.shown
        responses = [task.item.responses[place] for place in shown]
        texts = [response.text for response in responses]
        return by_id[rater.id].judge([PLANTED[response.policy] for response in responses], texts, random)

    rate_all(database, people, judge)


def fixed_order(task: Task) -> list[int]:
    return sorted((0, 1), key=lambda place: task.item.responses[place].policy)


@pytest.mark.parametrize("fixed", [False, True])
def test_random_order_cancels_a_position_bias_and_a_fixed_order_does_not(sqlite: Database, fixed: bool) -> None:
    simulate(sqlite, [SimulatedRater("simulated:first", noise=0, position_bias=1.0)], 600, fixed)
    found = quality.measure(sqlite)
    (duel,) = found.strengths.comparisons
    unbiased = 1 / (1 + math.exp(-0.8))  # 0.69
    cancelled = (1 / (1 + math.exp(-1.8)) + 1 / (1 + math.exp(0.2))) / 2  # 0.65: what random order leaves
    towards = 1 / (1 + math.exp(-1.8))  # 0.86: what a fixed order says
    assert (duel.first, duel.second) == ("new", "old")
    if fixed:
        assert duel.low > unbiased + 0.08 and duel.rate == pytest.approx(towards, abs=0.04)
    else:
        assert duel.rate == pytest.approx(cancelled, abs=0.05)
        first, of = found.first_chosen
        assert first / of > 0.6  # and the bias is seen
        same, repeated = found.repeats
        assert repeated > 40 and same / repeated < 0.75


def test_the_whole_panel_is_seen_through(sqlite: Database) -> None:
    """Reliability, agreement and win rate from answers that went through the store in random order."""
    kinds = [
        SimulatedRater("simulated:sharp", temperature=0.2, noise=0.0),
        SimulatedRater("simulated:fair", temperature=0.4),
        SimulatedRater("simulated:long", temperature=0.6, length_bias=1.6),
        SimulatedRater("simulated:spammer", noise=1.0),
    ]
    simulate(sqlite, kinds, 250)
    found = quality.measure(sqlite)
    by_name = {row.rater.name: row for row in found.raters}
    ranked = sorted(found.raters, key=lambda row: row.reliability or 0.0)
    assert ranked[0].rater.name == "simulated:spammer"
    longer = {name: row.longer_chosen[0] / row.longer_chosen[1] for name, row in by_name.items()}
    assert max(longer, key=lambda name: longer[name]) == "simulated:long"
    assert 0.1 < found.verdicts.value < 0.6 and found.verdicts.low < found.verdicts.value < found.verdicts.high
    assert found.ceiling is not None and 0.5 < found.ceiling[0] < 0.95
    (duel,) = found.strengths.comparisons
    assert duel.low > 0.6 and sum(found.counts.values()) == 1000


def test_known_items_and_times_are_counted_per_rater(sqlite: Database) -> None:
    stock(sqlite, 40, gold_share=0.4)
    with sqlite.writing() as work:
        responses = [(Response(f"g{n}"), Response(f"b{n}")) for n in range(10)]
        gold = {"verdict": "prefer", "preferred": 0}
        items.offer(work, [Item("pair", (Message("user", "q"),), both, gold=gold) for both in responses])
    rate_all(sqlite, [person(sqlite, "Ada")], lambda rater, task: own(task, 0) if task.purpose == "gold" else LEFT)
    (row,) = quality.measure(sqlite).raters
    assert row.gold[0] == row.gold[1] > 3
    assert (row.answers, row.median_seconds, row.skips) == (40, 1.0, 0)
    assert row.first_chosen == (40, 40)


def test_nothing_rated_yet_is_no_error(sqlite: Database) -> None:
    stock(sqlite, 2)
    person(sqlite, "Ada")
    found = quality.measure(sqlite)
    assert found.strengths.comparisons == () and math.isnan(found.verdicts.value) and found.ceiling is None
