"""The store, on SQLite and on PostgreSQL: each answer once, no item to more raters than it needs, nothing lost."""

from __future__ import annotations

import threading
from collections import Counter

import pytest

from tests.feedback.shop import LEFT, RIGHT, new_id, own, pair, person, rate_all, say, state, stock
from trivium.base.errors import UserError
from trivium.base.words import Message
from trivium.feedback import answers, assignments, items, plan
from trivium.feedback.answers import AnsweredError, UnknownTaskError
from trivium.feedback.database import Database
from trivium.feedback.plan import read_audit
from trivium.feedback.raters import AccessError, find_rater, pause
from trivium.feedback.words import Item, JudgementError, Response


def test_many_raters_at_once_lose_double_and_overassign_nothing(database: Database) -> None:
    stock(database, 40, answers_each=3, more_on_split=0)
    raters = [person(database, f"rater {number}") for number in range(8)]
    sent: list[str] = []
    faults: list[BaseException] = []

    def work(number: int) -> None:
        rater = raters[number]
        try:
            while tasks := assignments.take(database, rater, 3):
                for task in tasks:
                    name = new_id() + str(number)
                    assert answers.record(database, rater, name, task.id, LEFT) == "counted"
                    assert answers.record(database, rater, name, task.id, LEFT) == "known"
                    sent.append(name)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults
    found = answers.read_answers(database)
    assert sorted(answer.id for answer in found) == sorted(sent)
    assert Counter(answer.item for answer in found) == {item.id: 3 for item in items.read_items(database).values()}
    assert len({(answer.item, answer.rater) for answer in found}) == 120
    assert state(database).done


def test_an_item_is_with_no_more_raters_than_it_needs_until_a_lease_ends(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(database, 1)
    ada, bo = person(database, "Ada"), person(database, "Bo")
    (task,) = assignments.take(database, ada)
    assert assignments.take(database, bo) == []
    monkeypatch.setattr(assignments, "seconds", lambda: plan.seconds() + plan.LEASE + 1)
    (other,) = assignments.take(database, bo)
    assert other.item == task.item and other.id != task.id
    assert say(database, bo, other) == "counted"
    assert say(database, ada, task) == "late"  # kept, but the item has what it needs
    assert [answer.rater for answer in answers.read_answers(database)] == [bo.id]
    with database.reading() as work:
        assert work.value("SELECT count(*) FROM answers") == 2


def test_an_answer_after_its_lease_counts_where_it_is_still_needed(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock(database, 1)
    ada = person(database, "Ada")
    (task,) = assignments.take(database, ada)
    monkeypatch.setattr(assignments, "seconds", lambda: plan.seconds() + plan.LEASE + 1)
    with database.writing() as work:
        assert assignments.expire(work) == 1
    assert say(database, ada, task) == "counted"
    assert state(database).done


def test_the_same_tasks_come_again_after_an_interruption_and_in_two_tabs(database: Database) -> None:
    stock(database, 40)
    ada = person(database, "Ada")
    one, two = assignments.take(database, ada, 3), assignments.take(database, ada, 3)
    assert one == two and len(one) == 3
    say(database, ada, one[0])
    with pytest.raises(AnsweredError, match="another tab"):
        say(database, ada, two[0], RIGHT)
    (kept,) = answers.read_answers(database)
    assert kept.judgement.preferred == one[0].shown[0]


def test_undo_gives_the_item_again_and_the_log_keeps_everything(database: Database) -> None:
    stock(database, 3)
    ada = person(database, "Ada")
    (task,) = assignments.take(database, ada)
    say(database, ada, task)
    name = new_id()
    again = answers.undo(database, ada, name)
    assert again is not None and (again.id, again.shown) == (task.id, task.shown)
    assert answers.undo(database, ada, name) == again  # sent twice, done once
    assert assignments.take(database, ada)[0].id == task.id
    assert state(database).answers == 0
    say(database, ada, again, RIGHT)
    assert [one.judgement.preferred for one in answers.read_answers(database)] == [task.shown[1]]
    with database.reading() as work:
        kept = work.rows("SELECT verdict, live, supersedes IS NOT NULL AS says_of FROM answers ORDER BY number")
    assert [(row["verdict"], row["live"]) for row in kept] == [("prefer", 0), ("undone", 0), ("prefer", 1)]
    assert [bool(row["says_of"]) for row in kept] == [False, True, False]
    assert answers.undo(database, person(database, "Bo"), new_id()) is None


def test_withdrawn_answers_no_longer_count_and_others_are_asked(database: Database) -> None:
    stock(database, 4)
    ada, bo = person(database, "Ada"), person(database, "Bo")
    assert rate_all(database, [ada], lambda rater, task: LEFT) == 4
    assert len(answers.withdraw(database, ada, "owner", "asked us to")) == 4
    assert answers.read_answers(database) == [] and not state(database).done
    assert assignments.take(database, ada) == []
    assert rate_all(database, [bo], lambda rater, task: LEFT) == 4
    (told,) = [line for line in read_audit(database) if line["action"] == "withdrew answers"]
    assert told["details"] == {"rater": ada.id, "answers": 4, "reason": "asked us to"}


def test_split_items_come_first_and_get_one_rater_more(database: Database) -> None:
    stock(database, 6, answers_each=2)
    ada, bo, cy = (person(database, name) for name in ("Ada", "Bo", "Cy"))
    odd = pair(4).id
    rate_all(database, [ada], lambda rater, task: own(task, 0))
    rate_all(database, [bo], lambda rater, task: own(task, int(task.item.id == odd)))
    (first,) = assignments.take(database, cy)
    assert first.item.id == odd
    say(database, cy, first, own(first, 0))
    assert assignments.take(database, cy) == [] and state(database).done
    assert Counter(one.item for one in answers.read_answers(database))[odd] == 3


def test_priority_decides_and_each_rater_has_an_order_of_their_own(database: Database) -> None:
    urgent = pair(100, priority=1.0)
    stock(database, 60, answers_each=2)
    with database.writing() as work:
        items.offer(work, [urgent])
    orders = []
    for name in ("Ada", "Bo"):
        tasks = assignments.take(database, person(database, name), 5)
        assert tasks[0].item.id == urgent.id
        orders.append([task.item.id for task in tasks[1:]])
    assert orders[0] != orders[1]


def test_the_order_on_the_screen_is_random_kept_and_undone_in_the_record(database: Database) -> None:
    stock(database, 60)
    ada = person(database, "Ada")
    rate_all(database, [ada], lambda rater, task: LEFT)
    found = answers.read_answers(database)
    assert all(answer.judgement.preferred == answer.shown[0] for answer in found)
    assert 15 < sum(answer.shown == (0, 1) for answer in found) < 45


def test_a_rater_who_misses_known_items_is_paused(database: Database) -> None:
    stock(database, 60, gold_share=0.5, gold_least=6)
    with database.writing() as work:
        known = [pair(1000 + number, gold={"verdict": "prefer", "preferred": 0}) for number in range(20)]
        items.offer(work, known)
    good, bad = person(database, "Good"), person(database, "Bad")
    rate_all(database, [good], lambda rater, task: own(task, 0) if task.purpose == "gold" else LEFT)
    with pytest.raises(AccessError, match="paused for you: 0 of 6 items whose answer is known were right"):
        for _ in range(60):
            with database.writing() as work:
                work.change("UPDATE items SET wanted = 2")
            for task in assignments.take(database, bad):
                say(database, bad, task, own(task, 1))
    with database.reading() as work:
        assert find_rater(work, good.id).paused is None
    assert len(answers.read_answers(database, purposes=("gold",))) >= 6 + 6
    assert all(answer.correct is None for answer in answers.read_answers(database))


def test_an_answer_of_someone_paused_is_kept_and_does_not_count(database: Database) -> None:
    stock(database, 3)
    ada = person(database, "Ada")
    held = assignments.take(database, ada, 2)
    with database.writing() as work:
        pause(work, ada, "by the owner", "test")
    assert [say(database, ada, task) for task in held] == ["paused"] * len(held)
    assert answers.read_answers(database) == []
    with database.reading() as work:
        assert work.value("SELECT count(*) FROM answers") == len(held)
        assert work.value("SELECT sum(held) FROM items") == 0
    assert rate_all(database, [person(database, "Bo")], lambda rater, task: LEFT) == 3
    assert state(database).done


def test_some_pairs_come_again_swapped_and_count_once(database: Database) -> None:
    stock(database, 80, repeat_share=0.3)
    rate_all(database, [person(database, "Ada")], lambda rater, task: LEFT)
    first = {one.item: one for one in answers.read_answers(database)}
    again = answers.read_answers(database, purposes=("repeat",))
    assert len(again) > 8 and len({one.item for one in again}) == len(again)
    assert all(one.shown == first[one.item].shown[::-1] for one in again)
    assert state(database).answers == 80


def test_a_skipped_item_goes_to_others_and_holds_nobody_up(database: Database) -> None:
    stock(database, 1)
    skip = {"verdict": "skip", "reason": "not my language"}
    raters = [person(database, name) for name in ("Ada", "Bo", "Cy", "Di")]
    for number, rater in enumerate(raters[:3]):
        (task,) = assignments.take(database, rater)
        say(database, rater, task, skip)
        assert state(database).skipped == 1 and state(database).done, number
    assert assignments.take(database, raters[3]) == []


def test_a_closed_round_gives_nothing_and_lets_the_run_go_on(database: Database) -> None:
    stock(database, 5)
    ada = person(database, "Ada")
    with database.writing() as work:
        items.close_round(work, 1, ada.id)
    assert assignments.take(database, ada) == [] and state(database).done
    with database.writing() as work:
        items.close_round(work, 1, ada.id, closed=False)
    assert len(assignments.take(database, ada)) == 1 and not state(database).done


def test_items_taken_out_keep_their_answers_and_come_back_with_them(database: Database) -> None:
    stock(database, 0)
    found = [pair(number, details={"source": "rate"}) for number in range(4)]
    with database.writing() as work:
        items.offer(work, [*found, pair(99)])
    rate_all(database, [person(database, "Ada")], lambda rater, task: LEFT)
    with database.writing() as work:
        assert items.keep_only(work, [found[0].id], "rate") == 3
        assert items.status(work).items == 2  # and the one that came from elsewhere
        assert items.offer(work, found) == 0
        assert items.status(work).rated == 5


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, "'verdict'"),
        ({"verdict": "better"}, "'verdict'"),
        ({"verdict": "prefer"}, "'preferred'"),
        ({"verdict": "prefer", "preferred": 2}, "a place is outside 0 to 1"),
        ({"verdict": "prefer", "preferred": -1}, "'preferred'"),
        ({"verdict": "prefer", "preferred": 0, "strength": 4}, "'strength'"),
        ({"verdict": "rank", "ranking": [[0], [1]]}, "does not fit a pair; it takes both_bad, prefer, skip, tie"),
        ({"verdict": "tie", "secret": 1}, "'secret'"),
        ({"verdict": "tie", "correction": "x"}, "go together"),
        ({"verdict": "tie", "corrects": 0, "correction": "  "}, "changes nothing"),
        ({"verdict": "tie", "corrects": 0, "correction": "x" * 100_001}, "'correction'"),
        ([], "judgement"),
        ("tie", "judgement"),
    ],
)
def test_a_judgement_that_does_not_fit_is_told_and_changes_nothing(
    sqlite: Database, content: object, message: str
) -> None:
    stock(sqlite, 1)
    ada = person(sqlite, "Ada")
    (task,) = assignments.take(sqlite, ada)
    with pytest.raises(JudgementError, match=message.replace("(", r"\(")):
        answers.record(sqlite, ada, new_id(), task.id, content)
    assert state(sqlite).answers == 0
    assert say(sqlite, ada, task) == "counted"


def test_unknown_and_foreign_tasks_are_refused(database: Database) -> None:
    stock(database, 2)
    ada, bo = person(database, "Ada"), person(database, "Bo")
    (task,) = assignments.take(database, ada)
    for rater, name in ((bo, task.id), (ada, "t-unknown"), (ada, "'; DROP TABLE answers; --")):
        with pytest.raises(UnknownTaskError):
            answers.record(database, rater, new_id(), name, LEFT)
    with pytest.raises(JudgementError, match="8 to 64 letters"):
        answers.record(database, ada, "x\x00y", task.id, LEFT)
    name = new_id()
    answers.record(database, ada, name, task.id, LEFT)
    (other,) = assignments.take(database, bo)
    with pytest.raises(UnknownTaskError):
        answers.record(database, bo, name, other.id, LEFT)  # somebody else's answer id


def test_hostile_and_huge_texts_come_back_as_they_are(database: Database) -> None:
    nasty = "<script>alert(1)</script>\x00\x07\x1b[31m\u202egnp.exe'; DROP TABLE items; --" + "x" * 1_000_000
    item = Item("ranking", (Message("user", nasty),), tuple(Response(f"{n}{nasty}") for n in range(5)))
    stock(database, 0)
    with database.writing() as work:
        items.offer(work, [item])
    ada = person(database, "Ada")
    (task,) = assignments.take(database, ada)
    assert task.item == item
    said = {"verdict": "rank", "ranking": [[0], [1, 2], [4], [3]], "comment": nasty[:1500] + "\ud800"}
    assert say(database, ada, task, said) == "counted"
    (answer,) = answers.read_answers(database)
    expected = tuple(tuple(task.shown[place] for place in together) for together in said["ranking"])  # type: ignore[attr-defined]
    assert answer.judgement.ranking == expected
    assert answer.judgement.comment == nasty[:1500] + "\ufffd"


def test_points_on_axes(sqlite: Database) -> None:
    stock(sqlite, 0)
    with sqlite.writing() as work:
        items.offer(work, [Item("likert", (Message("user", "q"),), (Response("a"),), ("helpful", "true"))])
    ada = person(sqlite, "Ada")
    (task,) = assignments.take(sqlite, ada)
    for scores in ({"helpful": 7}, {"helpful": 7, "true": 8}, {"helpful": 7, "true": 1, "kind": 1}, None):
        with pytest.raises(JudgementError, match="1 to 7 points for each of: helpful, true"):
            say(sqlite, ada, task, {"verdict": "score", "scores": scores})
    assert say(sqlite, ada, task, {"verdict": "score", "scores": {"helpful": 7, "true": 1}}) == "counted"


def test_items_that_cannot_be_compared_are_refused() -> None:
    prompt = (Message("user", "q"),)
    with pytest.raises(UserError, match="same text"):
        Item("pair", prompt, (Response("a"), Response("a", policy="x")))
    with pytest.raises(UserError, match="6 responses; it takes 2 to 5"):
        Item("ranking", prompt, tuple(Response(str(number)) for number in range(6)))
    with pytest.raises(UserError, match="no axes"):
        Item("likert", prompt, (Response("a"),))
