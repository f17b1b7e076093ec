"""The database under the ratings: backups, formats, failed transactions, queries and connections that were cut."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.shop import LEFT, TIE, person, rate_all, say, state, stock
from trivium.base.errors import RunError, UserError
from trivium.feedback import answers, assignments, items, plan
from trivium.feedback.backup import back_up
from trivium.feedback.database import Database, Work
from trivium.feedback.raters import find_rater


def test_a_backup_while_raters_work_holds_one_state_and_opens_as_a_store(database: Database, tmp_path: Path) -> None:
    stock(database, 10)
    ada = person(database, "Ada")
    rate_all(database, [ada], lambda rater, task: TIE)
    target = tmp_path / "copy.db"
    counts = back_up(database, target)
    assert counts["answers"] == 10
    assert [path.name for path in tmp_path.iterdir() if "copy" in path.name] == ["copy.db"]
    copy = Database(target)
    assert answers.read_answers(copy) == answers.read_answers(database)
    assert items.read_items(copy) == items.read_items(database)
    stock(copy, 12)
    assert rate_all(copy, [ada], lambda rater, task: TIE) == 2  # it goes on from there, numbers and all
    copy.close()
    with pytest.raises(RunError, match="is there already"):
        back_up(database, target)


def test_a_newer_format_and_a_damaged_file_are_told(tmp_path: Path) -> None:
    path = tmp_path / "r.db"
    opened = Database(path)
    with opened.writing() as work:
        plan.put(work, "format", "99")
    opened.close()
    with pytest.raises(RunError, match="written in format 99"):
        Database(path)
    (tmp_path / "bad.db").write_bytes(b"not a database" * 100)
    with pytest.raises(RunError, match="cannot be read or written"):
        Database(tmp_path / "bad.db")
    with pytest.raises(UserError, match="postgresql://USER@HOST/NAME"):
        Database("mysql://x/y")
    with pytest.raises(UserError, match="no address"):
        Database("nonsense")


def test_a_transaction_that_fails_leaves_nothing(database: Database) -> None:
    stock(database, 1)
    with pytest.raises(ZeroDivisionError), database.writing() as work:
        work.change("DELETE FROM items")
        raise ZeroDivisionError
    assert state(database).items == 1
    with database.reading() as work:
        assert json.loads(plan.get(work, "plan") or "")["gold_share"] == 0


def statements(database: Database, function: Callable[[], object]) -> int:
    """How many statements `function` sends, each of which waits for a reply while nobody else can write."""
    from sqlalchemy import event

    sent: list[str] = []

    def note(connection: Any, cursor: Any, statement: str, *more: Any) -> None:
        sent.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    function()
    event.remove(database.engine, "before_cursor_execute", note)
    return len(sent)


def test_an_answer_and_a_handful_of_items_cost_few_queries(database: Database) -> None:
    stock(database, 200)
    ada, bo = person(database, "Ada"), person(database, "Bo")
    first = statements(database, lambda: assignments.take(database, bo, 1))
    assert statements(database, lambda: assignments.take(database, ada, 12)) == first
    task = assignments.take(database, ada)[0]
    assert statements(database, lambda: say(database, ada, task)) == 5  # begin, all that is known, three changes


def test_what_a_rater_gets_is_found_in_one_pass_over_what_they_had(address: str, database: Database) -> None:
    """A planner without statistics may read a rater's list again for every item: seconds where both are long."""
    if not address.startswith("postgresql"):
        pytest.skip("of PostgreSQL's planner")
    stock(database, 50)
    rate_all(database, [person(database, "Ada")], lambda rater, task: LEFT)
    plans = []
    with database.reading() as work:
        work_rows = work.rows

        def explained(statement: str, **values: Any) -> list[dict[str, Any]]:
            plans.append([next(iter(row.values())) for row in work_rows(f"EXPLAIN {statement}", **values)])
            return work_rows(statement, **values)

        work.rows = explained  # type: ignore[method-assign]
        assignments._needed(work, find_rater(work, "Ada"), 1)
    assert any("hashed SubPlan" in line for line in plans[0]) and not any("Nested Loop" in line for line in plans[0])


def test_a_connection_that_was_cut_while_it_was_idle_is_replaced(
    address: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not address.startswith("postgresql"):
        pytest.skip("SQLite has no server")
    monkeypatch.setattr("trivium.feedback.database.IDLE", -1.0)
    stock(database, 3)
    other = Database(address)
    with other.writing() as work:
        cut = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        assert work.value(f"{cut} AND backend_type = 'client backend'") >= 1
    other.close()
    assert state(database).items == 3


def test_who_waits_for_a_turn_shares_the_next_one(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go, turns = threading.Event(), threading.Event(), []
    writing = database.writing

    def counted() -> AbstractContextManager[Work]:
        turns.append(1)
        return writing()

    monkeypatch.setattr(database, "writing", counted)

    def first(work: Work) -> str:
        begun.set()
        assert go.wait(30)
        return "first"

    def another(number: int) -> Callable[[Work], int]:
        def put(work: Work) -> int:
            plan.put(work, f"job/{number}", str(number))
            return number

        return put

    with ThreadPoolExecutor(8) as pool:
        slow = pool.submit(database.together, first)
        assert begun.wait(30)
        others = [pool.submit(database.together, another(number)) for number in range(6)]
        late = time.monotonic() + 30
        while len(database._waiting) < 6 and time.monotonic() < late:
            time.sleep(0.01)
        go.set()
        assert slow.result() == "first" and [one.result() for one in others] == list(range(6))
    assert len(turns) == 2  # the slow one's, and one for all who waited
    with database.reading() as work:
        assert [plan.get(work, f"job/{number}") for number in range(6)] == list("012345")


def test_one_of_several_that_share_a_turn_may_fail_alone(database: Database) -> None:
    def fails(work: Work) -> None:
        plan.put(work, "failed", "half of it")
        raise ZeroDivisionError

    def job(name: str) -> tuple[Callable[[Work], None], Future[None]]:
        return (fails if name == "fails" else lambda work: plan.put(work, name, "done")), Future()

    names = ("before", "fails", "after")
    database._waiting = [job(name) for name in names]
    futures = [future for _, future in database._waiting]
    database._do_waiting()
    assert [type(future.exception()) for future in futures] == [type(None), ZeroDivisionError, type(None)]
    with database.reading() as work:
        assert [plan.get(work, name) for name in ("before", "failed", "after")] == ["done", None, "done"]
    with pytest.raises(ZeroDivisionError):
        database.together(fails)
