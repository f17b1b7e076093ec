"""Ratings in other shapes and back: every form, hostile files told by line and field, the same file twice taken once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.feedback.shop import TIE, pair, person, rate_all, say, state, stock
from trivium.base.errors import DataError, UserError
from trivium.base.words import Message
from trivium.feedback import assignments, items, thumbs
from trivium.feedback.answers import read_answers
from trivium.feedback.database import Database
from trivium.feedback.exchange import FORMS, export
from trivium.feedback.intake import What, take_in
from trivium.feedback.raters import Rater
from trivium.feedback.words import Item, Response

if TYPE_CHECKING:
    from trivium.rl.pairs import Judged

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
        {"prompt": PROMPT, "completion": said["chosen"], "label": True},
        {"prompt": PROMPT, "completion": said["rejected"], "label": False},
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
    tie, *single = export(sqlite, "preferences")
    assert (tie["chosen"], tie["rejected"], tie["tie"], tie["verdict"]) == ("first 0", "second 0", True, "both_bad")
    assert [(row["answer"], row["good"], row["policy"]) for row in single] == [
        ("first 0", False, "new"),
        ("second 0", False, "old"),
    ]
    (answer,) = read_answers(sqlite)
    assert tie["answer"] == single[0]["answer_id"] == answer.id


def test_a_tie_prefers_nothing(sqlite: Database) -> None:
    one_answer(sqlite, TIE)
    assert [list(export(sqlite, form)) for form in ("trl", "unpaired")] == [[], []]
    (row,) = export(sqlite, "preferences")
    assert (row["chosen"], row["rejected"], row["tie"], row["verdict"]) == ("first 0", "second 0", True, "tie")


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


def test_a_ranking_becomes_all_its_pairs_and_ties(sqlite: Database) -> None:
    item = Item("ranking", (Message("user", "q"),), tuple(Response(name) for name in "abcd"))
    one_answer(sqlite, {"verdict": "rank", "ranking": [[2], [0, 3], [1]]}, item)
    assert sorted((row["chosen"], row["rejected"], "tie" in row) for row in export(sqlite, "preferences")) == [
        ("a", "b", False), ("a", "d", True), ("c", "a", False), ("c", "b", False), ("c", "d", False), ("d", "b", False),
    ]  # fmt: skip


def points(number: int, *axes: str, prompt: str = "request 0", text: str = "") -> Item:
    return Item("likert", (Message("user", prompt),), (Response(text or f"answer {number}", policy="new"),), axes)


def everything(database: Database) -> None:
    """A store in which people said all that can be said."""
    shelf = [pair(number) for number in range(3)]
    ranking = Item("ranking", (Message("user", "request 0"),), tuple(Response(name) for name in "abc"))
    shelf += [ranking, points(4, "helpful", "true"), points(5, "helpful", "true"), points(6, "helpful")]
    said: list[dict[str, Any]] = [
        {"verdict": "prefer", "preferred": 1, "strength": 3, "corrects": 0, "correction": "mended"},
        {"verdict": "tie"},
        {"verdict": "both_bad"},
        {"verdict": "rank", "ranking": [[1], [0, 2]]},
        {"verdict": "score", "scores": {"helpful": 7, "true": 6}},
        {"verdict": "score", "scores": {"helpful": 5, "true": 6}},
        {"verdict": "score", "scores": {"helpful": 4}},
    ]
    stock(database, 0)
    with database.writing() as work:
        items.offer(work, shelf)
    content = {item.id: judgement for item, judgement in zip(shelf, said, strict=True)}

    def judge(rater: Rater, task: assignments.Task) -> dict[str, Any]:
        seen = dict(content[task.item.id])
        seen |= {field: task.shown.index(seen[field]) for field in ("preferred", "corrects") if field in seen}
        if "ranking" in seen:
            seen["ranking"] = [[task.shown.index(place) for place in together] for together in seen["ranking"]]
        return seen

    assert rate_all(database, [person(database, "Ada")], judge) == len(shelf)
    chat = (Response("sure", policy="align"), Response("no", False, "align"))
    for response, thumb in zip(chat, ("up", "down"), strict=True):
        thumbs.give(database, person(database, "Bo"), [Message("user", "request 0")], response, thumb)  # type: ignore[arg-type]


def test_all_that_people_say_reaches_who_learns_from_it(sqlite: Database, tmp_path: Path) -> None:
    """From answers in the store to what the reward model, DPO and KTO read; TRL's shapes say the same."""
    pytest.importorskip("torch")
    from tests.tokenizer.tiny import tiny_tokenizer
    from trivium.base.files import write_jsonl
    from trivium.rl.judgements import conversation_ids, load_judged, with_pairs
    from trivium.rl.pairs import tie_weight
    from trivium.stages.align_kto import with_verdicts
    from trivium.stages.reward import learnable

    everything(sqlite)
    write_jsonl(tmp_path / "preferences.jsonl", export(sqlite, "preferences"))
    requests = load_judged(tmp_path / "preferences.jsonl", tiny_tokenizer(), 200)
    texts = {}
    for row in (*export(sqlite, "answers"), {"responses": [{"text": "mended", "ended": True}]}):
        for one in row["responses"]:
            for prompt in (f"request {number}" for number in range(3)):
                ids = conversation_ids(tiny_tokenizer(), [Message("user", prompt)], one["text"], one["ended"])
                texts[ids] = (prompt, one["text"])
    first, second, third = sorted(requests["train"], key=lambda request: texts[request.answers[0]])
    words = [[texts[answer] for answer in request.answers] for request in (first, second, third)]

    def named(request: Judged, pairs: Iterable[tuple[int, int]]) -> list[tuple[str, str]]:
        return sorted((texts[request.answers[one]][1], texts[request.answers[two]][1]) for one, two in pairs)

    assert {prompt for prompt, _ in words[0]} == {"request 0"}  # the ranking, the points and the chat's thumbs as well
    assert named(first, first.pairs) == [("b", "a"), ("b", "c"), ("mended", "first 0"), ("second 0", "first 0")]
    assert sorted(first.strengths) == [1, 1, 1, 3] and named(first, first.ties) == [("a", "c")]
    assert named(second, second.ties) == [("first 1", "second 1")] and named(third, third.ties) == [
        ("first 2", "second 2")
    ]
    marks = {texts[first.answers[place]][1]: value for place, value in first.ratings}
    assert marks == {"answer 4": 6.5, "answer 5": 5.5, "answer 6": 4.0, "sure": 7.0, "no": 1.0}
    assert named(first, first.rated_apart) == [
        ("answer 4", "answer 5"), ("answer 4", "answer 6"), ("answer 5", "answer 6"), ("sure", "no"),
    ]  # what one person says of two: Bo's 7 is not compared with Ada's 4  # fmt: skip
    train, _ = learnable(requests)
    assert any(request.ratings for request in train)  # requests stand in the order in which they were served
    assert tie_weight(train) == pytest.approx(2 * (3 / 8) / (5 / 8))  # 3 ties, 4 pairs, 1 more

    told = {(row["chosen"][0]["content"], row["rejected"][0]["content"]) for row in export(sqlite, "trl")}
    (dpo,) = with_pairs(requests)[0]["train"]
    assert told == set(named(dpo, dpo.pairs)) and len(told) == len(dpo.pairs) == len(list(export(sqlite, "trl")))
    labels = Counter((row["completion"][0]["content"], row["label"]) for row in export(sqlite, "unpaired"))
    read = with_verdicts(requests)[0]["train"]
    assert labels == Counter((texts[one.answers[place]][1], good) for one in read for place, good in one.verdicts)
    assert {name for name, good in labels if not good} == {"first 0", "a", "c", "first 2", "second 2", "no"}


def test_what_was_exported_comes_in_again_once_and_means_the_same(sqlite: Database, tmp_path: Path) -> None:
    everything(sqlite)
    before = list(export(sqlite, "preferences"))
    other = Database(tmp_path / "other.db")
    content = lines(before)
    assert (
        take_in(other, content, "answers", "old.jsonl", "owner") == len(before) - 2
    )  # both bad: a line, and two that follow
    assert take_in(other, content, "answers", "old.jsonl", "owner") == 0
    after = list(export(other, "preferences"))
    changed = ("item", "answer_id")  # a pair of a ranking is an item of its own; ids of answers are the store's

    def meaning(rows: list[dict[str, Any]]) -> list[str]:
        kept = [{name: value for name, value in row.items() if name not in changed} for row in rows]
        for row in kept:
            if "chosen" in row:
                row["answer"] = ""
            if row.get("tie"):  # which of the two stands first says nothing
                sides = (
                    [row.pop(f"{side}{more}") for more in ("", "_ended", "_policy")] for side in ("chosen", "rejected")
                )
                row |= {"sides": sorted(sides), "verdict": row["verdict"].replace("rank", "tie")}
        return sorted(json.dumps(row, sort_keys=True) for row in kept)

    assert meaning(after) == meaning(before)
    assert state(other).done and assignments.take(other, person(other, "Cy")) == []
    other.close()


ASKED = [{"role": "user", "content": "q"}]
GOOD, BAD = ([{"role": "assistant", "content": text}] for text in ("good", "bad"))
UNPAIRED: dict[str, Any] = {"prompt": ASKED, "completion": BAD, "label": False}
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


def test_trls_unpaired_shape_is_read(sqlite: Database) -> None:
    assert take_in(sqlite, lines([UNPAIRED]), "answers", "trl.jsonl", "owner") == 1
    assert list(export(sqlite, "unpaired")) == [UNPAIRED]
    with pytest.raises(DataError, match="a known item needs prompt, chosen and rejected"):
        take_in(sqlite, lines([UNPAIRED]), "gold", "trl.jsonl", "owner")
    assert take_in(sqlite, lines([{**UNPAIRED, "prompt": "r"}]), "items", "trl.jsonl", "owner") == 1
    (task,) = assignments.take(sqlite, person(sqlite, "Ada"))
    assert (task.item.kind, task.item.axes, task.item.gold) == ("likert", ("helpful",), None)


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
        (b'{"prompt": "q", "completion": "a", "label": "yes"}', r"field 'label': is 'yes'; it must be true .good. or false"),
        (b'{"prompt": "q", "answer": "a", "scores": {"helpful": 8}}', r"field 'scores': is .*; it must name axes with 1 to 7"),
        (b'{"prompt": "q", "answer": "a", "rating": 3.5}', r"field 'good': is None"),
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
