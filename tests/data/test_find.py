"""Finding files: sorted, each once, through links and past loops; what is left out is counted."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from trivium.base.errors import DataError
from trivium.data.find import files_at, find_files
from trivium.data.ledger import Ledger

SUFFIXES = (".txt", ".md")


def found(path: Path, ledger: Ledger | None = None) -> list[str]:
    return [str(file) for file in find_files(path, SUFFIXES, ledger or Ledger())]


def fill(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def test_a_folder_is_read_with_all_in_it_in_order(tmp_path: Path) -> None:
    fill(tmp_path, "b/z.txt", "b/a.MD", "a.txt", "c.pdf", ".hidden.txt", ".git/x.txt", "b/.h/y.txt")
    ledger = Ledger()
    assert found(tmp_path, ledger) == [str(tmp_path / name) for name in ("a.txt", "b/a.MD", "b/z.txt")]
    assert ledger.dropped == {"not .md or .txt": 1} and ledger.names["not .md or .txt"] == [str(tmp_path / "c.pdf")]


def test_what_a_path_stands_for_is_the_same_whatever_reads_it(tmp_path: Path) -> None:
    fill(tmp_path, "b.txt", "a.txt", "c.md", "deep/d.txt", ".git/e.txt", "deep/.f.txt")
    (tmp_path / "deep/again.txt").symlink_to(tmp_path / "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    for path in (".", "*.txt", "**/*.txt", "c.md", "deep"):
        assert [str(file) for file in files_at(tmp_path / path)] == found(tmp_path / path), path
    assert [file.name for file in files_at(tmp_path / "**/*.txt")] == ["a.txt", "b.txt", "d.txt"]
    assert files_at(tmp_path / "none") == files_at(tmp_path / "*.html") == []


def test_loops_of_links_end_and_links_are_followed_once(tmp_path: Path) -> None:
    fill(tmp_path, "here/a.txt", "elsewhere/deep/b.txt")
    (tmp_path / "here/loop").symlink_to(tmp_path / "here")
    (tmp_path / "here/up").symlink_to(tmp_path)
    (tmp_path / "here/self").symlink_to("self")
    (tmp_path / "here/broken.txt").symlink_to(tmp_path / "nowhere")
    ledger = Ledger()
    names = [os.path.realpath(file) for file in found(tmp_path / "here", ledger)]
    assert sorted(names) == sorted(str(tmp_path / name) for name in ("here/a.txt", "elsewhere/deep/b.txt"))
    assert ledger.dropped["no regular file"] == 2
    assert ledger.dropped["folder that another path leads to"] >= 1


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    ledger = Ledger()
    assert found(tmp_path, ledger) == [str(tmp_path / "a.txt")]
    assert ledger.dropped == {"no regular file": 1}


def test_patterns_and_names_that_look_like_patterns(tmp_path: Path) -> None:
    fill(tmp_path, "x/1.txt", "y/2.txt", "y/3.md", "y/4.csv", "odd[1].txt")
    (tmp_path / "y/again.txt").symlink_to(tmp_path / "y/2.txt")
    assert found(tmp_path / "*/*.txt") == [str(tmp_path / "x/1.txt"), str(tmp_path / "y/2.txt")]
    assert found(tmp_path / "**/3.md") == [str(tmp_path / "y/3.md")]
    assert found(tmp_path / "odd[1].txt") == [str(tmp_path / "odd[1].txt")]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("none", "no such file or folder"),
        ("*.html", "no such file or folder"),
        ("empty", "no file to read: nothing there, and .md or .txt can be read"),
        ("others", "no file to read: only a.pdf, b.png there"),
        ("others/a.pdf", "no file to read: only a.pdf there"),
    ],
)
def test_where_there_is_nothing_the_path_is_named(tmp_path: Path, path: str, fault: str) -> None:
    (tmp_path / "empty").mkdir()
    fill(tmp_path, "others/a.pdf", "others/b.png")
    with pytest.raises(DataError, match=fault) as caught:
        found(tmp_path / path)
    assert str(caught.value).startswith(str(tmp_path / path))


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, "a.txt", "locked/b.txt")
    real = os.scandir

    def scandir(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match=r"locked: cannot be read \(Permission denied\)"):
        found(tmp_path)
