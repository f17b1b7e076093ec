"""Counterfactual twins: what is exchanged, what must stay, and twice is the text again."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivium.base.errors import DataError
from trivium.data.counterfactual import exchange_of, is_chosen, swap
from trivium.data.counterfactual_settings import CounterfactualSettings

EXCHANGE = exchange_of(CounterfactualSettings())
NAMES = exchange_of(CounterfactualSettings(names=True))
REVERSIBLE = [
    "The man saw his brother, and the girl saw her mother.",
    "She gave him a book. He gave her the pen.",
    "HE SAID THAT THE KING WAS HERE.",
    "Her husband left; his wife stayed with him.",
    "My uncle hurt himself, but she's fine and it is hers.",
    "The actress\u2019s brothers and the waiter's aunts came.",
    "The policeman looked at her, and she looked at him again.",
]


@pytest.mark.parametrize(
    ("text", "twin"),
    [
        ("He lost his hat.", "She lost her hat."),
        ("We saw her hat.", "We saw his hat."),
        ("We saw her.", "We saw him."),
        ("We saw her and left.", "We saw him and left."),
        ("I told her the story.", "I told him the story."),
        ("The hat is his.", "The hat is hers."),
        ("The hat is hers, not mine.", "The hat is his, not mine."),
        ("MOTHER, he's here!", "FATHER, she's here!"),
        ("It was the woman's.", "It was the man's."),
        ("The queen sleeps.", "The king sleeps."),
        ("Mr. Smith and his son", "Ms. Smith and her daughter"),
        ("Kings slept in the old house.", "Queens slept in the old house."),
    ],
)
def test_terms_are_exchanged_with_grammar_and_case(text: str, twin: str) -> None:
    assert swap(text, EXCHANGE).text == twin


@pytest.mark.parametrize(
    "text",
    [
        "They met in King Street.",
        "Martin Luther King spoke in Washington.",
        "King Arthur slept.",
        "The cherry and the sheep are in the shed.",
        "Amanda mentioned Boyd.",
    ],
)
def test_names_and_parts_of_words_stay(text: str) -> None:
    assert swap(text, EXCHANGE).text == text


def test_what_is_true_of_one_sex_stays_with_its_sentence() -> None:
    found = swap("She was pregnant and her back hurt. Her husband cooked.", EXCHANGE)
    assert found.text == "She was pregnant and her back hurt. His wife cooked."
    assert (found.swaps, found.factual) == (2, 1)


@pytest.mark.parametrize("text", REVERSIBLE)
def test_twice_is_the_text_again(text: str) -> None:
    once = swap(text, EXCHANGE)
    assert once.text != text and once.swaps
    assert swap(once.text, EXCHANGE).text == text


def test_names_go_by_pairs_where_they_are_asked_for() -> None:
    assert swap("John Smith met Anna.", EXCHANGE).text == "John Smith met Anna."
    assert swap("John Smith met Anna.", NAMES).text == "Anna Smith met John."


def test_own_terms_are_taken_and_a_fault_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("rich\tpoor\n", encoding="utf-8")
    assert swap("Rich people.", exchange_of(CounterfactualSettings(terms=tmp_path / "t.tsv"))).text == "Poor people."
    (tmp_path / "t.tsv").write_text("rich\tpoor\nold young\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"t\.tsv:2: a pair is two words divided by a tab"):
        exchange_of(CounterfactualSettings(terms=tmp_path / "t.tsv"))


def test_about_the_share_is_chosen_and_always_the_same() -> None:
    chosen = [is_chosen(f"d{number}", 0.3, 1) for number in range(2000)]
    assert 540 < sum(chosen) < 660
    assert chosen == [is_chosen(f"d{number}", 0.3, 1) for number in range(2000)]
