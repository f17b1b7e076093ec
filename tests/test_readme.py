"""The README's file map against the tree, and the promise of a first screen: two commands, and not much more."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MOST_LINES = 120


@pytest.fixture(scope="module")
def readme() -> str:
    return (ROOT / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def file_map(readme: str) -> list[str]:
    """The folders of the fenced block that shows src/trivium, as paths; what is indented lies in the folder above."""
    blocks = [block for block in re.findall(r"```\w*\n(.*?)```", readme, re.DOTALL) if "src/trivium/" in block]
    assert len(blocks) == 1, "the README has one fenced block with the file map, and src/trivium/ in it"
    found: list[str] = []
    parent, inside = "", 0
    for line in blocks[0].splitlines():
        match = re.match(r"( *)([\w./-]+)/(\s|$)", line)
        if match:
            indent, name = len(match[1]), match[2]
            if indent == 0:
                parent, inside = name, 0
                found.append(name)
            elif indent == (inside := inside or indent):
                found.append(f"{parent}/{name}")
    return found


def test_every_folder_of_the_map_is_there(file_map: list[str]) -> None:
    assert not [name for name in file_map if not (ROOT / name).is_dir()]
    assert len(file_map) == len(set(file_map))


def test_every_package_is_on_the_map(file_map: list[str]) -> None:
    packages = {f"src/trivium/{path.parent.name}" for path in (ROOT / "src" / "trivium").glob("*/__init__.py")}
    assert packages == {name for name in file_map if name.startswith("src/trivium/")}


def test_every_folder_of_the_project_is_on_the_map(file_map: list[str]) -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout, so a folder of the project cannot be told from one of the user")
    folders = {name.split("/")[0] for name in listed.stdout.splitlines() if "/" in name and name[0] != "."}
    assert folders == {name.split("/")[0] for name in file_map}


def test_the_first_commands_are_shown(readme: str) -> None:
    shown = re.findall(r"```\w*\n(.*?)```", readme, re.DOTALL)
    assert any("make demo" in block for block in shown)
    assert any("make test" in block for block in shown)


def test_it_stays_short(readme: str) -> None:
    assert len(readme.splitlines()) <= MOST_LINES
