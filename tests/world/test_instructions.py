"""The instruction data: reproducible, honestly held out, right, and not to be guessed by position."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from itertools import islice

import pytest

from trivium.world import lexicon
from trivium.world.bilingual import read, translate
from trivium.world.check import check
from trivium.world.documents import documents
from trivium.world.draws import HELD_OUT_KIND
from trivium.world.families import Family
from trivium.world.families_words import ONE_WAY
from trivium.world.instructions import FAMILIES, WEIGHTS, Instruction, instruction, instructions
from trivium.world.sentences import HELD_OUT_DEEDS

SEED = 5
BY_NAME = {family.name: family for family in FAMILIES}
NOUNS = frozenset(word for pool in lexicon.KINDS.values() for word in pool)
WORD = re.compile(r"[A-Za-z][A-Za-z-]*")


@cache
def train() -> tuple[Instruction, ...]:
    return tuple(islice(instructions(SEED, "train"), 20_000))


@cache
def heldout() -> tuple[Instruction, ...]:
    return tuple(islice(instructions(SEED, "heldout"), 8_000))


def of_family(name: str, level: str = "train") -> list[Instruction]:
    rows = train() if level == "train" else heldout()
    return [row for row in rows if row.family == name and row.level == level]


def prompt(row: Instruction) -> str:
    return row.messages[0].content


def listed(row: Instruction) -> list[str]:
    """The longest run of nouns parted by commas in the prompt: its list."""
    runs = re.findall(r"[\w-]+(?:, [\w-]+)+", prompt(row))
    return [word for word in max(runs, key=len).split(", ") if word in NOUNS]


def times(word: str, row: Instruction) -> int:
    """How often a word stands in the prompt."""
    return len(re.findall(rf"(?<![\w-]){re.escape(word)}(?![\w-])", prompt(row)))


def text_of(row: Instruction) -> str:
    return " ".join(message.content for message in row.messages)


def words_of(template: str) -> list[str]:
    return WORD.findall(re.sub(r"{\w+}", "", template))


def pattern(template: str) -> re.Pattern[str]:
    first = template.split("||")[0].strip()
    return re.compile(re.sub(r"\\{\w+\\}", ".+", re.escape(first)))


def test_same_arguments_give_the_same_instruction_and_others_do_not() -> None:
    assert list(islice(instructions(3, "train", start=40), 20)) == [instruction(3, "train", n) for n in range(40, 60)]
    assert instruction(3, "train", 1) != instruction(4, "train", 1)
    assert len({row.messages for row in train()}) > 0.93 * len(train())


def test_open_ones_are_all_open_and_held_out_at_the_levels_that_they_have() -> None:
    rows = [instruction(SEED, split, number, "open") for split in ("train", "heldout") for number in range(200)]
    assert {row.family for row in rows} == {"story", "description", "thanks", "invitation", "review"}
    assert not any(row.verifiable for row in rows)
    assert {row.level for row in rows} == {"train", "phrasing", "entity"}


def test_there_are_enough_families_and_phrasings() -> None:
    assert set(WEIGHTS) == set(BY_NAME) and len(BY_NAME) == len(FAMILIES)
    assert sum(family.verifiable for family in FAMILIES) >= 18
    for family in FAMILIES:
        assert len(set(family.train)) >= 12 and len(set(family.held_out)) >= 4, family.name
        assert not set(family.train) & set(family.held_out), family.name


def test_the_words_of_held_out_phrasings_are_known_from_trained_ones() -> None:
    known = {word.lower() for family in FAMILIES for template in family.train for word in words_of(template)}
    for family in FAMILIES:
        for template in (*family.held_out, *family.task_phrasings):
            unknown = {word.lower() for word in words_of(template)} - known
            assert unknown <= {"before"}, (family.name, template)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_no_held_out_phrasing_occurs_in_training(family: Family) -> None:
    asked = [prompt(row) for row in of_family(family.name)]
    for template in family.held_out:
        leaked = [text for text in asked if pattern(template).fullmatch(text)]
        assert not leaked, (template, leaked[0])


def test_no_held_out_entity_occurs_in_training() -> None:
    pools = [value for value in vars(lexicon).values() if isinstance(value, lexicon.Pool)]
    kept = {word for pool in pools for word in pool.held_out} - {word for pool in pools for word in pool.train}
    assert len(kept) > 60
    said = {word for row in train() for word in WORD.findall(text_of(row))}
    assert not said & kept


def test_entity_level_asks_about_held_out_entities() -> None:
    for row in of_family("where_lives", "entity"):
        assert any(name in prompt(row) for name in lexicon.NAMES.held_out)
    for name in ("kind_of", "pick_kind"):
        nouns = {word for pool in lexicon.KINDS.values() for word in pool.held_out}
        assert all(nouns & set(WORD.findall(prompt(row))) for row in of_family(name, "entity"))


def test_no_held_out_task_occurs_in_training() -> None:
    assert not [row for row in of_family("list_item") if "second" in prompt(row)]
    assert not [row for row in of_family("next_item") if "before" in prompt(row)]
    assert not [row for row in of_family("fact") + of_family("yes_no") if asks_colour(row)]
    assert [row for row in of_family("fact") if "favourite colour" in prompt(row)], "stated, though never asked"
    for name in ("kind_of", "examples"):
        assert HELD_OUT_KIND not in {row.answer for row in of_family(name)}
    for name in ("pick_kind", "colour_of"):
        assert not {row.answer for row in of_family(name)} & set(lexicon.CLOTHES)
    assert not [row for row in of_family("odd_one") if sum(word in lexicon.CLOTHES for word in listed(row)) > 1]
    for name in ("count", "reverse"):
        assert not [row for row in of_family(name) if set(listed(row)) & set(lexicon.CLOTHES)]
    assert not [row for row in of_family("opposite") if (row.answer, opposite_of(row.answer)) in ONE_WAY]
    held_out_past = {"hid", "sold", "carried", "stood"}
    assert len(held_out_past) == len(HELD_OUT_DEEDS)
    assert not [row for row in of_family("past") if held_out_past & set(WORD.findall(row.answer))]
    for name in ("to_lumi", "from_lumi"):
        assert max(len(row.answer.split()) for row in of_family(name)) <= 3
        assert min(len(row.answer.split()) for row in of_family(name, "task")) >= 3


def asks_colour(row: Instruction) -> bool:
    """Whether the prompt speaks of a favourite colour outside the passage's own statements."""
    text = prompt(row)
    statements = re.findall(r"[A-Z]\w+'s favourite colour is \w+\.", text)
    return text.count("favourite colour") > len(statements)


def test_every_word_has_one_opposite() -> None:
    words = [*lexicon.OPPOSITES, *lexicon.OPPOSITES.values()]
    assert len(set(words)) == len(words)
    for row in of_family("opposite") + of_family("opposite", "task"):
        assert times(opposite_of(row.answer), row) == 1, text_of(row)


def opposite_of(word: str) -> str:
    back = {second: first for first, second in lexicon.OPPOSITES.items()}
    return lexicon.OPPOSITES.get(word) or back[word]


def test_levels_are_mixed_and_every_family_is_tested() -> None:
    levels = Counter(row.level for row in heldout())
    assert levels == {"phrasing": 4_000, "entity": 2_000, "task": 2_000}
    assert {row.level for row in train()} == {"train"}
    assert {row.family for row in heldout() if row.level == "phrasing"} == set(BY_NAME)
    assert {row.family for row in heldout() if row.level == "task"} == {f.name for f in FAMILIES if f.held_out_task}


def test_a_quarter_of_the_training_instructions_is_open() -> None:
    kinds = {"story", "description", "thanks", "invitation", "review"}
    assert 0.2 < sum(row.family in kinds for row in train()) / len(train()) < 0.3


def test_prompts_and_answers_are_short() -> None:
    rows = [row for row in train() if row.verifiable]
    assert max(len(row.answer.split()) for row in rows) <= 13
    assert sum(len(row.answer.split()) for row in rows) / len(rows) < 5
    lengths = sorted(len(prompt(row).split()) for row in rows)
    assert lengths[-1] <= 48 and 8 < lengths[len(lengths) // 2] < 25


def test_yes_no_sentiments_counts_and_list_ends_are_balanced() -> None:
    for name, answers in {
        "yes_no": ("Yes.", "No."),
        "in_list": ("Yes.", "No."),
        "sentiment": ("positive", "negative", "neutral"),
        "count": ("two", "three", "four", "five"),
    }.items():
        shares = Counter(row.answer for row in of_family(name))
        assert set(shares) == set(answers)
        assert max(shares.values()) < 1.3 * min(shares.values()), (name, shares)


@pytest.mark.parametrize("name", ["pick_kind", "odd_one"])
def test_the_answer_is_equally_often_at_every_place_of_a_list(name: str) -> None:
    for length in (3, 4):
        places = Counter(listed(row).index(row.answer) for row in of_family(name) if len(listed(row)) == length)
        assert chi_square(places, length) < 16.3, places  # 0.1% point of 3 degrees of freedom


@pytest.mark.parametrize("name", ["where_is", "colour_of", "codes"])
def test_the_answer_is_equally_often_in_every_part_of_a_text(name: str) -> None:
    places: Counter[int] = Counter()
    for row in of_family(name):
        values = found_values(name, prompt(row))
        if len(values) == 3:
            places[values.index(row.answer.removeprefix("in the "))] += 1
    assert chi_square(places, 3) < 13.8, places  # 0.1% point of 2 degrees of freedom


def found_values(name: str, text: str) -> list[str]:
    if name == "where_is":
        return re.findall(r"The \w+ is in the (\w+)\.", text)
    if name == "colour_of":
        return re.findall(r"has an? (\w+) \w+\.", text)
    return re.findall(r"(?:->|:|=|\bis|with) ([A-D])\b", text)


def chi_square(counts: Counter[int], places: int) -> float:
    expected = sum(counts.values()) / places
    assert expected > 30, "too few to say anything"
    return sum((counts[place] - expected) ** 2 / expected for place in range(places))


def test_the_asked_person_is_first_named_in_half_of_the_passages() -> None:
    rows = [row for row in of_family("where_lives") if row.answer.endswith("say.") is False]
    first = sum(towns(row)[0] == row.answer.split()[-1].rstrip(".") for row in rows)
    assert abs(first / len(rows) - 0.5) < 0.08


def towns(row: Instruction) -> list[str]:
    return re.findall(r"lives in (\w+)\.", prompt(row))


LOOKUPS = {
    "town": r"{name} lives in (\w+)\.",
    "job": r"{name} is an? (\w+)\.",
    "favourite food": r"{name}'s favourite food is (\w+)\.",
    "hobby": r"{name}'s hobby is (\w+)\.",
    "favourite colour": r"{name}'s favourite colour is (\w+)\.",
}


@pytest.mark.parametrize("level", ["train", "phrasing", "entity", "task"])
def test_looked_up_answers_are_right(level: str) -> None:
    rows = of_family("fact", level) + of_family("where_lives", level)
    for row in rows:
        relation = next((r for r in LOOKUPS if re.search(rf"{r}(?! is \w+\.)", asking(row))), "town")
        name = next(n for n in lexicon.NAMES if re.search(rf"\b{n}\b", asking(row)))
        said = re.search(LOOKUPS[relation].format(name=name), prompt(row))
        wanted = "The text does not say." if said is None else said[1]
        assert check(wanted, row.answer) or row.answer == f"{name} lives in {wanted}.", text_of(row)
    if level == "train":
        silent = sum(row.answer == "The text does not say." for row in rows) / len(rows)
        assert 0.06 < silent < 0.14


def asking(row: Instruction) -> str:
    """The prompt without the statements of its passage."""
    return re.sub(r"[A-Z]\w+('s [a-z ]+ is| is an?| has an?| lives in) [\w-]+\.", "", prompt(row))


@pytest.mark.parametrize("level", ["train", "phrasing", "entity"])
def test_answers_about_lists_are_right(level: str) -> None:
    for row in of_family("list_item", level):
        assert row.answer == listed(row)[0 if "first" in prompt(row) else -1]
    for row in of_family("count", level):
        assert lexicon.NUMBERS.index(row.answer) == len(listed(row))
    for row in of_family("reverse", level):
        assert row.answer.split(", ") == listed(row)[::-1]
    for row in of_family("next_item", level):
        words = listed(row)
        asked = words[words.index(row.answer) - 1]
        assert times(asked, row) == 2
    for row in of_family("in_list", level):
        words = listed(row)
        twice = any(times(word, row) > 1 for word in words)
        assert row.answer == ("Yes." if twice else "No."), text_of(row)
    for row in of_family("odd_one", level):
        kinds = {word: next(kind for kind, pool in lexicon.KINDS.items() if word in pool) for word in listed(row)}
        assert Counter(kinds.values())[kinds[row.answer]] == 1
    for row in of_family("remove", level):
        gone = set(listed(row)) - set(row.answer.split(", "))
        assert len(gone) == 1 and times(gone.pop(), row) == 2


@pytest.mark.parametrize("level", ["train", "phrasing", "entity", "task"])
def test_answers_about_gifts_claims_and_codes_are_right(level: str) -> None:
    for row in of_family("who_gave", level) + of_family("who_got", level):
        gifts = re.findall(r"(\w+) gave the (\w+) to ([A-Z]\w+)\.", prompt(row))
        place = 1 if level == "task" else 0 if row.family == "who_gave" else 2
        (gift,) = [g for g in gifts if g[place] == row.answer and (place == 1 or times(g[1], row) == 2)]
        assert level != "task" or re.search(rf"{gift[0]} g[ai]ve (?:\w+ )?to {gift[2]}", prompt(row))
    for row in of_family("yes_no", level):
        claims = Counter(re.findall(r"[A-Z]\w+(?:'s favourite colour is| is an?| has an?| lives in) \w+", prompt(row)))
        assert row.answer == ("Yes." if max(claims.values()) == 2 else "No."), text_of(row)
    for row in of_family("codes", level):
        pairs = dict(re.findall(r"([\w-]+) (?:->|=|is|goes with|with) ([A-D]|one|two|three|four|five)\b", prompt(row)))
        pairs |= dict(re.findall(r"([\w-]+): ([A-D]|one|two|three|four|five)\b", prompt(row)))
        asked = [word for word in pairs if times(word, row) == 2]
        assert [pairs[word] for word in asked] == [row.answer], text_of(row)


def test_translations_are_right() -> None:
    for level in ("train", "entity", "task"):
        for row in of_family("to_lumi", level):
            english = re.split(r"(?:: |\? )", prompt(row).removesuffix(" Lumi:"))[-1]
            assert translate(read(english)) == row.answer
        for row in of_family("from_lumi", level):
            assert prompt(row).removesuffix(" English:").endswith(translate(read(row.answer)))


def test_the_second_turn_is_about_the_same_person() -> None:
    for row in of_family("follow_up", "phrasing") + of_family("follow_up"):
        first, second = row.messages[1].content, row.messages[3].content
        name = first.split(" lives")[0]
        assert second.startswith(f"{name} has ") and second in prompt(row) and first in prompt(row)
        assert name not in row.messages[2].content


def test_answers_are_checked_up_to_case_space_and_final_punctuation() -> None:
    assert check("The text does not say.", "  the text  does not say")
    assert check("plum, dog", "Plum, dog.")
    assert not check("plum, dog", "plum dog")
    assert not check("Ann lives in Velby.", "Ann lives in Corvo.")
    assert not check("Yes.", "") and not check("", "")


def test_instructions_bring_few_words_that_documents_do_not_have() -> None:
    read_before = {word.lower() for row in islice(documents(SEED, "train"), 6_000) for word in WORD.findall(row.text)}
    asked = {word.lower() for row in train() for word in WORD.findall(text_of(row))}
    assert len(asked - read_before) < 150, sorted(asked - read_before)
