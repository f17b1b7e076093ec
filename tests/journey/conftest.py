"""Runs to report on and their pages; a home of fake stages to run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.journey.fake_run import build_run
from tests.journey.fake_stages import Home
from tests.journey.page import Page, read_page
from trivium.journey import runner
from trivium.journey.report import write_report


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run; tests must not change it."""
    return build_run(tmp_path_factory.mktemp("runs") / "first")


@pytest.fixture(scope="session")
def html(whole: Path) -> str:
    """The report of the finished run."""
    return write_report(whole).read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def page(html: str) -> Page:
    return read_page(html)


@pytest.fixture
def no_drawings(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if matplotlib were not installed; drawing is most of the time that a report takes."""
    monkeypatch.setitem(sys.modules, "matplotlib", None)


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory, no_drawings: None) -> Path:
    """A run of the test's own, without drawings."""
    return build_run(tmp_path_factory.mktemp("small") / "run")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """Fake stages with a recipe that runs them; the report is a file of one word."""
    monkeypatch.setattr(runner, "_write_report", lambda folder: (folder / "report.html").write_text("made"))
    return Home(tmp_path)
