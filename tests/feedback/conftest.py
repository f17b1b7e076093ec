"""Both databases for every test of the store; PostgreSQL is started once, where it is installed."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from trivium.feedback.database import Database

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

import postgres

NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def postgres_address() -> Iterator[str]:
    programs, lack = postgres.find()
    if programs is None:
        pytest.skip(lack)
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'trivium-lm[postgres]'")
    with postgres.server(programs) as address:
        yield address


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty store."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'ratings.db'}"
    server: str = request.getfixturevalue("postgres_address")
    schema = f"s{next(NUMBERS)}"
    import psycopg

    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{server}&options=-csearch_path%3D{schema}"


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    opened = Database(address)
    yield opened
    opened.close()


@pytest.fixture
def sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    """A quick one, which does not wait for the disk."""
    monkeypatch.setattr("trivium.feedback.database.SYNCHRONOUS", "OFF")
    opened = Database(tmp_path / "plain.db")
    yield opened
    opened.close()
