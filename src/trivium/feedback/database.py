"""The one place that knows SQLAlchemy: SQLite by default, PostgreSQL by URL, the same SQL in both.

Writers take turns. SQLite has one writer anyway: `BEGIN IMMEDIATE` takes its lock at once (a transaction that reads first
and writes later would fail instead of waiting), and a lock in this process spares its writers SQLite's sleeping. On
PostgreSQL an advisory lock does the same, so what holds for one holds for the other. A commit is on the disk when
`writing` ends: what was acknowledged survives a kill and a power cut. Who waits for a turn meanwhile can share the next one
(`together`), and with it the wait for the disk.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from trivium.base.errors import MissingExtra, RunError, UserError
from trivium.feedback.schema import FORMAT, SCHEMA

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Result = TypeVar("Result")
ONE_WRITER = 0x7472_6976  # PostgreSQL's advisory lock of this number
IDLE = 10.0  # seconds after which a connection to PostgreSQL is asked whether it is still there before it is used
# Both at once, or every answer waits for one more reply while no other can be written. The lock comes before the first
# look at the tables: under READ COMMITTED the next statement sees what the writer before committed.
WRITES = f"BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock({ONE_WRITER})"
READS = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
PATIENCE = 5_000  # milliseconds that SQLite waits for another process
SYNCHRONOUS = "FULL"  # SQLite waits for the disk at each commit: an answer survives a power cut too
FORMS = "write it as sqlite:///FILE or postgresql://USER@HOST/NAME"


def open_ratings(run: Path, address: str | None = None) -> Database:
    """The ratings of a run: the database at `address`, or else the run's own file."""
    return Database(address or run / "ratings" / "ratings.db")


class Work:
    """One transaction: statements with named parameters (`:name`) in, rows as dictionaries out."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, **values: Any) -> list[dict[str, Any]]:
        """Every row."""
        return [dict(row) for row in self._connection.execute(_prepared(statement), values).mappings()]

    def row(self, statement: str, **values: Any) -> dict[str, Any] | None:
        """The first row, None where there is none."""
        found = self._connection.execute(_prepared(statement), values).mappings().first()
        return None if found is None else dict(found)

    def value(self, statement: str, **values: Any) -> Any:
        """The first column of the first row."""
        return self._connection.execute(_prepared(statement), values).scalar()

    def change(self, statement: str, **values: Any) -> int:
        """How many rows were changed."""
        return self._connection.execute(_prepared(statement), values).rowcount

    def add(self, statement: str, rows: Sequence[dict[str, Any]]) -> None:
        """The statement once for each row."""
        if rows:
            self._connection.execute(_prepared(statement), list(rows))


@functools.lru_cache(maxsize=256)
def _prepared(statement: str) -> Any:
    from sqlalchemy import text

    return text(statement)


class Database:
    """A store of ratings. Raises UserError for an address that is none, RunError where it cannot be reached."""

    def __init__(self, address: str | Path) -> None:
        """Open the database, and make its tables where they are missing. A path is a SQLite file."""
        self.engine, self.kind = _engine(address)
        self._turn = threading.Lock() if self.kind == "sqlite" else contextlib.nullcontext()
        self._guard, self._leading = threading.Lock(), threading.Lock()
        self._waiting: list[tuple[Callable[[Work], Any], Future[Any]]] = []
        with self.writing() as work:
            _prepare(work, self.kind, self.name)

    @property
    def name(self) -> str:
        """The address as it may be shown: without a password."""
        return self.engine.url.render_as_string(hide_password=True)

    @contextlib.contextmanager
    def reading(self) -> Iterator[Work]:
        """A transaction that sees one state of everything and changes nothing."""
        with self._told(), self.engine.connect() as connection, connection.begin():
            yield Work(connection)

    @contextlib.contextmanager
    def looking(self) -> Iterator[Work]:
        """Queries that need not see one state of everything: each costs one reply, and none for a transaction."""
        with self._told(), self.engine.connect() as connection:
            yield Work(connection.execution_options(trivium_alone=True))

    @contextlib.contextmanager
    def writing(self) -> Iterator[Work]:
        """A transaction that changes things: all of it or, where the block raises, nothing."""
        with self._told(), self._turn, self.engine.connect() as connection:
            connection = connection.execution_options(trivium_writes=True)
            with connection.begin():
                yield Work(connection)

    def together(self, job: Callable[[Work], Result]) -> Result:
        """What `job` returns, done in a transaction that changes things, with the jobs of other threads that waited as well: the
        disk is waited for once. Where one of them raises, all begin again, each in a transaction of its own."""
        mine: Future[Result] = Future()
        with self._guard:
            self._waiting.append((job, mine))
        with self._leading:
            if not mine.done():  # else one who was before us took our job along
                self._do_waiting()
        return mine.result()

    def _do_waiting(self) -> None:
        with self._guard:
            jobs, self._waiting = self._waiting, []
        try:
            self._do(jobs)
        except Exception as error:
            for job, future in jobs:
                try:
                    if len(jobs) == 1:
                        raise error
                    self._do([(job, future)])
                except Exception as own:
                    future.set_exception(own)

    def _do(self, jobs: Sequence[tuple[Callable[[Work], Any], Future[Any]]]) -> None:
        with self.writing() as work:
            found = [job(work) for job, _ in jobs]
        for (_, future), value in zip(jobs, found, strict=True):
            future.set_result(value)

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What the database itself finds wrong, in a sentence."""
        from sqlalchemy.exc import DatabaseError

        try:
            yield
        except DatabaseError as error:
            reason = str(error.orig).strip().splitlines()[0]
            raise RunError(f"{self.name}: the ratings cannot be read or written ({reason})") from error


def _engine(address: str | Path) -> tuple[Engine, str]:
    try:
        from sqlalchemy import create_engine, event
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError
    except ImportError:
        raise MissingExtra("sqlalchemy", "web", "rating") from None
    if isinstance(address, Path):
        address.parent.mkdir(parents=True, exist_ok=True)
        address = f"sqlite:///{address}"
    try:
        url = make_url(address)
    except ArgumentError:
        raise UserError(f"'{address}' is no address of a database; {FORMS}") from None
    kind = url.drivername.split("+")[0]
    if kind in ("postgresql", "postgres"):
        try:
            import psycopg  # noqa: F401 - only whether it is there
        except ImportError:
            raise MissingExtra("psycopg", "postgres", "rating into PostgreSQL") from None
        engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_size=20)
        event.listen(engine, "connect", _set_up_postgres)
        event.listen(engine, "begin", _begin_postgres)
        event.listen(engine, "checkin", _note_use)
        event.listen(engine, "checkout", _check)
        return engine, "postgresql"
    if kind != "sqlite" or not url.database or url.database == ":memory:":
        raise UserError(f"'{address}' is no database that ratings are kept in; {FORMS}")
    engine = create_engine(url.set(drivername="sqlite+pysqlite"), pool_size=20)
    event.listen(engine, "connect", _set_up)
    event.listen(engine, "begin", _begin)
    return engine, kind


def _set_up(connection: Any, record: Any) -> None:
    """What each SQLite connection starts with."""
    connection.isolation_level = None  # sqlite3 begins no transactions of its own; `_begin` does
    for pragma in (
        "journal_mode = WAL",
        f"synchronous = {SYNCHRONOUS}",
        "foreign_keys = ON",
        f"busy_timeout = {PATIENCE}",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("trivium_writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgres(connection: Any, record: Any) -> None:
    """What each connection to PostgreSQL starts with."""
    connection.autocommit = True  # psycopg begins no transactions of its own; `_begin_postgres` does


def _begin_postgres(connection: Connection) -> None:
    options = connection.get_execution_options()
    if not options.get("trivium_alone"):
        connection.exec_driver_sql(WRITES if options.get("trivium_writes") else READS)


def _note_use(connection: Any, record: Any) -> None:
    record.info["used"] = time.monotonic()


def _check(connection: Any, record: Any, proxy: Any) -> None:
    """A connection that was idle for a while may be gone: the server was started again, or a firewall forgot it."""
    from psycopg import Error
    from sqlalchemy.exc import DisconnectionError

    if time.monotonic() - record.info.get("used", time.monotonic()) > IDLE:
        try:
            connection.execute("SELECT 1")
        except Error:
            raise DisconnectionError from None  # the pool makes a new one


def _prepare(work: Work, kind: str, name: str) -> None:
    """Make the tables, and read the format of those that are there."""
    serial = {"sqlite": "INTEGER PRIMARY KEY AUTOINCREMENT", "postgresql": "BIGSERIAL PRIMARY KEY"}[kind]
    for statement in SCHEMA:
        work.change(statement.replace("SERIAL", serial))
    work.change("INSERT INTO meta (name, value) VALUES ('format', :it) ON CONFLICT DO NOTHING", it=str(FORMAT))
    found = int(work.value("SELECT value FROM meta WHERE name = 'format'"))
    if found > FORMAT:
        raise RunError(f"{name}: written in format {found}, this Trivium reads up to {FORMAT}; update Trivium")
