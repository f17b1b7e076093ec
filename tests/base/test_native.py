"""Libraries in C are built once for each source, and done without where they cannot be built."""

from __future__ import annotations

import ctypes
from pathlib import Path

import pytest
import torch

from trivium.base import native

SOURCES = sorted(Path(native.__file__).parents[1].rglob("*.c"))


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of its own."""
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def number_of(folder: Path, number: int) -> ctypes.CDLL | None:
    source = folder / "number.c"
    source.write_text(f"int number(void) {{ return {number}; }}\n", encoding="utf-8")
    native.library.cache_clear()
    try:
        return native.library(source)
    finally:
        native.library.cache_clear()


@pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")
def test_a_library_is_built_once_and_again_when_its_source_changes(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, built = number_of(home, 1), home / native.CACHE
    assert first is not None and first.number() == 1
    (before,) = built.iterdir()
    second = number_of(home, 2)
    assert second is not None and second.number() == 2
    assert len(list(built.iterdir())) == 2
    monkeypatch.setattr(native, "_build", lambda *given: pytest.fail("it was there"))
    again = number_of(home, 1)
    assert again is not None and again.number() == 1 and before.exists()


@pytest.mark.skipif(native.compiler() is None, reason="no C compiler here")
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: str(source.stem))
@pytest.mark.parametrize("number", native.NUMBERS)
def test_each_source_can_be_built(source: Path, number: torch.dtype) -> None:
    needed = "avx512_bf16" if number == torch.bfloat16 else "avx512vl"
    if source.stem == "attend_kernel" and needed not in Path("/proc/cpuinfo").read_text("utf-8"):
        pytest.skip("another processor, for which it is not")
    assert native.library(source, number) is not None


def test_without_a_compiler_and_with_a_source_that_is_wrong_there_is_none(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = home / "wrong.c"
    wrong.write_text("#error no\n", encoding="utf-8")
    assert native.library(wrong) is None
    assert not list(home.rglob("*.so"))
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert number_of(home, 1) is None
