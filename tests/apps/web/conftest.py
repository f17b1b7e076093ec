"""A store and its page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the web extra is not installed: pip install 'trivium-lm[web]'")

from tests.apps.web.site import Served, serving
from trivium.feedback.database import Database


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Database]:
    monkeypatch.setattr("trivium.feedback.database.SYNCHRONOUS", "OFF")
    opened = Database(tmp_path / "r.db")
    yield opened
    opened.close()


@pytest.fixture
def served(database: Database) -> Iterator[Served]:
    with serving(database) as page:
        yield page
