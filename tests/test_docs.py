"""The pages tell the truth: links resolve, files that they name are there, commands that they show exist.

What a command does, and whether a figure is right, is not looked at here.
"""

from __future__ import annotations

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
OWN_FILE = re.compile(
    r"(?:src|tests|docs|recipes|benchmarks)/[\w./*-]+|[\w-]+\.(?:md|toml|cff)|Makefile|constraints\.txt"
)
PLACEHOLDER = re.compile(r"\b(NAME|DIR|STAGE|RUN)\b")


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


each_page = pytest.mark.parametrize("page", PAGES, ids=named)


@cache
def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = FENCE.sub("", page.read_text("utf-8"))
    titles = re.findall(r"^#+\s+(.*?)\s*$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@each_page
def test_links_resolve(page: Path) -> None:
    text = FENCE.sub("", page.read_text("utf-8"))
    broken = []
    for link in re.findall(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)", text) + re.findall(
        r"(?:src|href)=\"([^\"]+)\"", text
    ):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in headings(target)):
            broken.append(link)
    assert not broken


@each_page
def test_files_that_a_page_names_are_there(page: Path) -> None:
    text = page.read_text("utf-8")
    spans = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    names = {span.split("::")[0] for span in spans if OWN_FILE.fullmatch(span.split("::")[0])}
    missing = [name for name in sorted(names) if not PLACEHOLDER.search(name) and not any(ROOT.glob(name.rstrip("/")))]
    assert not [name for name in missing if not (page.parent / name).exists()]


def test_pages_that_the_source_names_are_there() -> None:
    wrong = [
        f"{named(path)}: {name}"
        for folder in ("src", "benchmarks", "recipes", "tests")
        for path in (ROOT / folder).rglob("*")
        if path.suffix in (".py", ".yaml", ".j2")
        for name in re.findall(r"\bdocs/[\w/-]+\.md\b", path.read_text("utf-8"))
        if not (ROOT / name).exists()
    ]
    assert not wrong


def commands(page: Path) -> list[list[str]]:
    """Every command line of a page's fenced blocks and code spans, as words, comments left out."""
    text = page.read_text("utf-8")
    lines = [line for block in FENCE.findall(text) for line in block.splitlines()[1:-1]]
    lines += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    found = []
    for line in lines:
        bare = re.sub(r"^(\$ |\.venv/bin/|torchrun .*?-m )", "", line.strip()).split(" #")[0]
        if re.match(r"(make|trivium|python) [^=(]", bare):
            found.append(shlex.split(bare.replace("...", "etc").replace(" | ", " ")))
    return found


@each_page
def test_make_targets_exist(page: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    asked = {words[1] for words in commands(page) if words[0] == "make"}
    assert asked <= targets


@each_page
def test_scripts_exist(page: Path) -> None:
    asked = {words[1] for words in commands(page) if words[0] == "python" and words[1].endswith(".py")}
    assert not [name for name in asked if not PLACEHOLDER.search(name) and not (ROOT / name).exists()]


@each_page
def test_trivium_commands_and_their_options_exist(page: Path) -> None:
    import typer

    from trivium.apps.cli import app

    wrong = []
    for words in commands(page):
        command: Any = typer.main.get_command(app)
        if words[0] != "trivium" or PLACEHOLDER.search(words[1]) or words[1] == "COMMAND":
            continue
        rest = words[1:]
        while getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
            default = getattr(command, "otherwise", None)
            command = command.commands.get(rest[0] if default is None or rest[0] in command.commands else default)
            rest = rest[1:]
        known = (
            {option for parameter in command.params for option in parameter.opts} | {"--help", "-h"}
            if command
            else set()
        )
        if command is None or [word for word in rest if word.startswith("-") and word.split("=")[0] not in known]:
            wrong.append(shlex.join(words))
    assert not wrong
