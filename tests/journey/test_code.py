"""The code hash changes with every change of what runs, and with nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivium.journey import code
from trivium.journey.code import code_hash
from trivium.journey.graph import ALGORITHMS, STAGES

STAGE = '''
"""A stage."""
from __future__ import annotations
from typing import TYPE_CHECKING
from pack.low import thing
if TYPE_CHECKING:
    from pack.typed import Name

TEXT = """one

# two
"""

def run():  # runs
    """Run."""
    import pack.lazy.deep
    return thing  # a thing
'''
FILES = {
    "stage.py": STAGE,
    "__init__.py": "from pack import unused\n",
    "low.py": "from pack import lower\nthing = lower.x\n",
    "lower.py": "x = 1\n",
    "lazy/__init__.py": "",
    "lazy/deep.py": "y = 1\n",
    "lazy/beside.py": "z = 1\n",
    "lazy/words.txt": "a\nb\n",
    "typed.py": "Name = str\n",
    "unused.py": "u = 1\n",
}


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        path = tmp_path / "pack" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path / "pack"


def hashed(pack: Path) -> str:
    code._code_of.cache_clear()
    return code_hash(pack / "stage.py", pack)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage.py", "return thing", "return thing + 1"),
        ("stage.py", "one", "uno"),
        ("stage.py", "one\n\n#", "one\n\n\n#"),
        ("stage.py", "# two", "# three"),
        ("low.py", "lower.x", "lower.x + 1"),
        ("lower.py", "1", "2"),
        ("lazy/deep.py", "1", "2"),
        ("lazy/words.txt", "b", "c"),
    ],
)
def test_what_runs_is_in_the_hash(pack: Path, name: str, old: str, new: str) -> None:
    before = hashed(pack)
    edit(pack / name, old, new)
    assert hashed(pack) != before


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage.py", '"""A stage."""', '"""A better\n\nstage."""  # indeed'),
        ("stage.py", '"""Run."""', '"""Runs."""'),
        ("stage.py", "# a thing", "# the thing"),
        ("stage.py", "def run():  # runs", "\n\ndef run():"),
        ("stage.py", '"""one', '"""one'),
        ("typed.py", "str", "int"),
        ("unused.py", "1", "2"),
        ("lazy/beside.py", "1", "2"),
        ("__init__.py", "unused", "typed"),
    ],
)
def test_words_types_and_other_modules_are_not(pack: Path, name: str, old: str, new: str) -> None:
    before = hashed(pack)
    edit(pack / name, old, new)
    assert hashed(pack) == before


def test_a_docstring_on_the_line_of_its_function_does_not_hide_the_function(pack: Path) -> None:
    (pack / "lower.py").write_text('def x(a): "words"\n')
    before = hashed(pack)
    (pack / "lower.py").write_text('def x(b): "words"\n')
    assert hashed(pack) != before
    (pack / "lower.py").write_text('def x(b): "ö other words"\n')
    assert hashed(pack) == hashed(pack) != before


def test_every_real_stage_has_its_own_hash_and_leaves_out_the_journey() -> None:
    found = {}
    for name, module in {**STAGES, **ALGORITHMS}.items():
        if not isinstance(module, str):
            continue  # the algorithms, which come one by one
        source = code.ROOT / Path(*module.split(".")[1:]).with_suffix(".py")
        found[name] = code_hash(source)
        reached = {path.relative_to(code.ROOT).parts[0] for path in code._reached(source, code.ROOT)}
        assert "base" in reached
        assert not reached & {"journey", "apps", "__init__.py", "__main__.py"}
    modules = {module for module in {**STAGES, **ALGORITHMS}.values() if isinstance(module, str)}
    assert len(set(found.values())) == len(modules)


def test_what_is_remembered_is_what_was_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = tmp_path / "memory.json"
    monkeypatch.setattr(code, "_memory_file", lambda: memory)
    source = code.ROOT / "stages" / "rate.py"

    def fresh() -> str:
        for cached in (code._memory, code._code_of):
            cached.cache_clear()
        return code.code_hash(source)

    read = fresh()
    assert memory.is_file()
    monkeypatch.setattr(code.ast, "parse", lambda *given: pytest.fail("read again"))
    assert fresh() == read
    monkeypatch.undo()
    monkeypatch.setattr(code, "_memory_file", lambda: memory)
    memory.write_text("{damaged", encoding="utf-8")
    assert fresh() == read
    for cached in (code._memory, code._code_of):
        cached.cache_clear()
