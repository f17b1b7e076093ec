"""Ratings in other shapes and back: every form, hostile files told by line and field, the same file twice taken once."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.shop import TIE, own, person, rate_all, say, state, stock
from trivium.base.errors import DataError, UserError
from trivium.base.words import Message
from trivium.feedback import assignments, items
from trivium.feedback.answers import read_answers
from trivium.feedback.database import Database
from trivium.feedback.exchange import FORMS, export
from trivium.feedback.intake import What, take_in
from trivium.feedback.words import Item, Response

PROMPT = [{"role": "user", "content": "request 0"}]


def lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def one_answer(database: Database, content: dict[str, Any], item: Item | None = None) -> assignments.Task:
    """A store in which one item has one answer, given in the item's own places."""
    stock(database, 0 if item else 1)
    if item:
        with database.writing() as work:
            items.offer(work, [item])
    (task,) = assignments.take(database, ada := person(database, "Ada"))
    seen = dict(content)
    for field in ("preferred", "corrects"):
        if field in content:
            seen[field] = task.shown.index(content[field])
    if "ranking" in content:
        seen["ranking"] = [[task.shown.index(place) for place in together] for together in content["ranking"]]
    say(database, ada, task, seen)
    return task


def test_a_preference_in_every_form(sqlite: Database) -> None:
    one_answer(sqlite, {"verdict": "prefer", "preferred": 1, "strength": 3})
    (row,) = export(sqlite, "preferences")
    assert row["prompt"] == PROMPT
    assert (row["chosen"], row["rejected"], row["strength"]) == ("second 0", "first 0", 3)
    assert (row["chosen_policy"], row["rejected_policy"], row["split"]) == ("old", "new", "train")
    assert row["rater"].startswith("human:r-") and "Ada" not in json.dumps(row)
    (answer,) = read_answers(sqlite)
    assert (row["answer"], row["at"]) == (answer.id, answer.at)
    said = {
        "chosen": [{"role": "assistant", "content": "second 0"}],
        "rejected": [{"role": "assistant", "content": "first 0"}],
    }
    assert list(export(sqlite, "trl")) == [{"prompt": PROMPT, **said}]
    assert list(export(sqlite, "unpaired")) == [
        {"prompt": PROMPT, "completion": said["rejected"], "label": False},
        {"prompt": PROMPT, "completion": said["chosen"], "label": True},
    ]
    assert list(export(sqlite, "instructions")) == []
    (raw,) = export(sqlite, "answers")
    assert raw["preferred"] == 1 and raw["shown"] in ([0, 1], [1, 0]) and raw["milliseconds"] == 1000
    with pytest.raises(UserError, match="choose preferences, trl"):
        list(export(sqlite, "csv"))


def test_both_bad_and_tie_are_not_the_same(sqlite: Database) -> None:
    one_answer(sqlite, {"verdict": "both_bad"})
    assert [row["label"] for row in export(sqlite, "unpaired")] == [False, False]
    assert list(export(sqlite, "trl")) == []


def test_a_tie_prefers_nothing(sqlite: Database) -> None:
    one_answer(sqlite, TIE)
    assert [list(export(sqlite, form)) for form in ("trl", "unpaired", "preferences")] == [[], [], []]


def test_a_correction_becomes_instruction_data_and_a_preference(sqlite: Database) -> None:
    said = {"verdict": "prefer", "preferred": 0, "strength": 1, "corrects": 0, "correction": "much better"}
    one_answer(sqlite, said)
    assert [(row["chosen"], row["rejected"]) for row in export(sqlite, "preferences")] == [
        ("first 0", "second 0"),
        ("much better", "first 0"),
    ]
    (row,) = export(sqlite, "instructions")
    assert row["messages"] == [*PROMPT, {"role": "assistant", "content": "much better"}]
    assert ("much better", True) in [
        (row["completion"][0]["content"], row["label"]) for row in export(sqlite, "unpaired")
    ]


def test_a_ranking_becomes_all_its_pairs_but_those_of_ties(sqlite: Database) -> None:
    item = Item("ranking", (Message("user", "q"),), tuple(Response(name) for name in "abcd"))
    one_answer(sqlite, {"verdict": "rank", "ranking": [[2], [0, 3], [1]]}, item)
    assert sorted((row["chosen"], row["rejected"]) for row in export(sqlite, "preferences")) == [
        ("a", "b"), ("c", "a"), ("c", "b"), ("c", "d"), ("d", "b"),
    ]  # fmt: skip


def test_what_was_exported_comes_in_again_once_and_means_the_same(sqlite: Database, tmp_path: Path) -> None:
    stock(sqlite, 12)
    ada, bo = person(sqlite, "Ada"), person(sqlite, "Bo")
    rate_all(sqlite, [ada, bo], lambda rater, task: own(task, int(rater == bo)))
    before = list(export(sqlite, "preferences"))
    other = Database(tmp_path / "other.db")
    content = lines(before)
    assert take_in(other, content, "answers", "old.jsonl", "owner") == 12
    assert take_in(other, content, "answers", "old.jsonl", "owner") == 0
    after = list(export(other, "preferences"))
    same = ("prompt", "chosen", "rejected", "rater", "at", "split", "strength", "chosen_policy", "rejected_policy")
    assert [[row[name] for name in same] for row in after] == [[row[name] for name in same] for row in before]
    assert state(other).done and assignments.take(other, person(other, "Cy")) == []
    other.close()


ASKED = [{"role": "user", "content": "q"}]
GOOD, BAD = ([{"role": "assistant", "content": text}] for text in ("good", "bad"))
TRL_SHAPES: list[dict[str, Any]] = [
    {"prompt": "q", "chosen": "good", "rejected": "bad"},
    {"prompt": ASKED, "chosen": GOOD, "rejected": BAD},
    {"chosen": ASKED + GOOD, "rejected": ASKED + BAD},
]


@pytest.mark.parametrize("row", TRL_SHAPES)
def test_trls_shapes_are_read(sqlite: Database, row: dict[str, Any]) -> None:
    assert take_in(sqlite, lines([row]), "answers", "trl.jsonl", "owner") == 1
    (back,) = export(sqlite, "preferences")
    assert (back["prompt"][0]["content"], back["chosen"], back["rejected"]) == ("q", "good", "bad")
    assert back["rater"] == "import:trl.jsonl"


@pytest.mark.parametrize(("what", "main", "gold"), [("items", 1, 0), ("gold", 0, 1), ("answers", 1, 0)])
def test_a_known_answer_is_forgotten_or_checks_raters_or_is_taken(
    sqlite: Database, what: What, main: int, gold: int
) -> None:
    take_in(sqlite, lines(TRL_SHAPES[:1]), what, "f", "owner")
    found = list(items.read_items(sqlite).values())
    assert (sum(one.gold is None for one in found), sum(one.gold is not None for one in found)) == (main, gold)
    assert len(read_answers(sqlite)) == (1 if what == "answers" else 0)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (b"{", r"f.jsonl:2: is not JSON"),
        (b"[1]", r"f.jsonl:2: is not a JSON object"),
        (b"[" * 100_000, r"f.jsonl:2: is not JSON"),
        (b"{}", r"f.jsonl:2: field 'prompt': is no text"),
        (b'{"prompt": "q"}', r"field 'chosen': is missing"),
        (b'{"prompt": [], "chosen": "a", "rejected": "b"}', r"field 'prompt'"),
        (b'{"prompt": "q", "chosen": "a", "rejected": "a"}', r"f.jsonl:2: two responses .* same text"),
        (b'{"prompt": "q", "chosen": 5, "rejected": "a"}', r"field 'chosen'"),
        (b'{"prompt": "q", "chosen": "b", "rejected": "a", "strength": 9}', r"field 'strength': is 9; it must be 1, 2 or 3"),
        (b'{"prompt": "q", "chosen": "b", "rejected": "a", "split": 9}', r"field 'split'"),
        (b'{"prompt": [{"role": "robot", "content": "q"}], "chosen": "b", "rejected": "a"}', r"field 'prompt': has a turn"),
        (b'{"chosen": "b", "rejected": "a"}', r"field 'prompt': is missing"),
        (b'{"prompt": "q", "completion": "a", "label": true}', r"one answer alone cannot be compared"),
        (b'{"prompt": "q", "responses": ["1", "2", "3", "4", "5", "6"]}', r"6 responses; it takes 2 to 5"),
        (b'{"prompt": "q", "response": "a"}', r"field 'axes'"),
        (b'{"prompt": "\xff"}', r"is not UTF-8"),
    ],
)  # fmt: skip
def test_a_bad_line_is_told_and_nothing_of_its_file_is_taken(sqlite: Database, line: bytes, told: str) -> None:
    good = lines([{"prompt": "q", "responses": ["a", "b"]}])
    with pytest.raises(DataError, match=told):
        take_in(sqlite, good + line + b"\n", "items", "f.jsonl", "owner")
    assert items.read_items(sqlite) == {}


def test_lone_surrogates_and_control_characters_go_in_and_out(sqlite: Database, tmp_path: Path) -> None:
    from trivium.base.files import read_jsonl, write_jsonl

    row = rb'{"prompt": "q\ud800\u0000", "chosen": "a\udfff\u202e", "rejected": "b", "rater": "import:x\ud800"}'
    assert take_in(sqlite, row, "answers", "f.jsonl", "owner") == 1
    for form in FORMS:
        write_jsonl(tmp_path / form, export(sqlite, form))
    assert next(read_jsonl(tmp_path / "preferences"))["chosen"] == "a\ufffd\u202e"
