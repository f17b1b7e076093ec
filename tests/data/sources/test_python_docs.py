"""The documentation of Python: read, never run; the same every time; more than two megabytes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivium.base.errors import DataError
from trivium.data.intake import Intake
from trivium.data.ledger import Ledger
from trivium.data.sources.python_docs import PythonDocsSource, documents_in, read

MODULE = '''"""What the module is for."""
open("was_run", "w")

class Thing(object):
    """A thing.

        Indented more.
    """
    def act(self, *, how: str = "well") -> None:
        """Does it."""
    def silent(self): pass

async def wait(seconds):
    "Waits \\ud800."
'''
TOPICS = "topics = {'b': 'About\\n  b', 'a': 'About' ' a'}\n"


@pytest.fixture
def library(tmp_path: Path) -> Path:
    for name, content in {
        "pkg/__init__.py": MODULE,
        "pkg/tests/test_it.py": '"""Not this."""',
        "site-packages/other.py": '"""Nor this."""',
        "empty.py": "x = 1\n",
        "broken.py": "def f(:\n",
        "pydoc_data/topics.py": TOPICS,
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return tmp_path


def test_a_module_is_a_document_of_its_docstrings(library: Path) -> None:
    ledger = Ledger()
    documents = list(documents_in(library, "python-docs", ledger))
    assert [document.id for document in documents] == ["python-docs/pkg", "python-docs/topic/a", "python-docs/topic/b"]
    assert documents[0].text == (
        "pkg\n\nWhat the module is for.\n\nclass Thing\n\nA thing.\n\nIndented more.\n\n"
        "def Thing.act(self, *, how: str='well')\n\nDoes it.\n\ndef wait(seconds)\n\nWaits \ufffd."
    )
    assert [document.text for document in documents[1:]] == ["About a\n", "About\nb\n"]
    assert {document.license for document in documents} == {"PSF-2.0"}
    assert ledger.dropped == {"no Python source": 1} and ledger.mended == {"lone surrogates replaced": 1}


def test_nothing_is_run(library: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(library)
    assert list(documents_in(library, "python-docs", Ledger()))
    assert not (library / "was_run").exists()


def test_a_python_without_sources_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"stdlib": str(tmp_path / "none")})
    with pytest.raises(DataError, match="no source files of its standard library; take python-docs out"):
        list(read(PythonDocsSource(), "python-docs", Intake(0, 0.05)))


def test_this_python_gives_two_megabytes_and_both_sides() -> None:
    items = list(read(PythonDocsSource(), "python-docs", Intake(0, 0.05)))
    sizes = {split: sum(len(item.row["text"]) for item in items if item.split == split) for split in ("train", "valid")}
    assert sizes["train"] > 1_800_000 and sizes["valid"] > 20_000
    words = next(item.row["text"] for item in items if item.row["id"] == "python-docs/json.decoder")
    assert "class JSONDecoder" in words and "def JSONDecoder.decode(self, s" in words
