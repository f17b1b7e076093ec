"""What is wrong with a recipe and its data, all of it, before anything is spent.

Sections that are right are looked into even where others are not. Files are opened and their beginning is read: enough
to find a wrong encoding, a broken line or an empty file, not a proof that the rest is right. A stage may know more of
its data: its module's `check(settings)` gives further sentences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from trivium.base.errors import RecipeError
from trivium.journey.graph import STAGES, StageTable, in_order, load_stage
from trivium.journey.recipe import Recipe, files_at, missing_paths, paths_in, read_recipe, valid_sections

LINES = 200  # of a JSONL file that are looked at
BYTES = 1 << 16  # of a text file
FILES = 500  # of each path
TEXT = frozenset({".txt", ".md", ".rst", ".text", ".csv", ".tsv", ".html", ".py"})


def check(path: Path, overrides: Sequence[str] = (), stages: StageTable = STAGES) -> list[str]:
    """A sentence for everything that is wrong; none where nothing was found."""
    faults: list[str] = []
    try:
        recipe = read_recipe(path, overrides, stages)
        present = list(recipe.sections)
    except RecipeError as error:
        faults += str(error).splitlines()
        try:
            recipe, present = valid_sections(path, overrides, stages)
        except RecipeError:
            return faults  # not even YAML
    try:
        in_order(present, stages)
    except RecipeError as error:
        faults += [f"{path}: {line}" for line in str(error).splitlines()]
    faults += [f"{path}: {fault}" for fault in missing_paths(recipe)]
    for name, settings in recipe.sections.items():
        faults += [f"{path}: '{at}': {fault}" for at, fault in _look_at_files(recipe, name)]
        own = getattr(load_stage(name, stages).module, "check", None)
        faults += [f"{path}: '{name}': {fault}" for fault in own(settings)] if own else []
    return faults


def _look_at_files(recipe: Recipe, name: str) -> Iterator[tuple[str, str]]:
    for at, path in paths_in(recipe.sections[name], name):
        for file in islice(files_at(path), FILES):
            for fault in look_at(file):
                yield at, fault


def look_at(file: Path) -> Iterator[str]:
    """What is wrong with the beginning of a data file, each with file and line."""
    try:
        if file.stat().st_size == 0:
            yield f"{file}: empty"
        elif file.suffix == ".jsonl":
            yield from _look_at_lines(file)
        elif file.suffix in TEXT:
            yield from _look_at_text(file)
    except OSError as error:
        yield f"{file}: cannot be read ({error.strerror})"


def _look_at_text(file: Path) -> Iterator[str]:
    with open(file, "rb") as opened:
        beginning = opened.read(BYTES)
    try:
        beginning.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.end < len(beginning) or len(beginning) < BYTES:  # else a character was cut in two
            yield _not_utf8(file, beginning[: error.start].count(b"\n") + 1, beginning[error.start])


def _not_utf8(file: Path, line: int, byte: int) -> str:
    return f"{file}:{line}: not UTF-8 (byte {byte:#04x}); save it as UTF-8"


def _look_at_lines(file: Path) -> Iterator[str]:
    with open(file, "rb") as opened:
        for number, line in enumerate(islice(opened, LINES), 1):
            try:
                content = json.loads(line.decode("utf-8")) if line.strip() else {}
            except UnicodeDecodeError as error:
                yield _not_utf8(file, number, line[error.start])
            except ValueError as error:
                yield f"{file}:{number}: not JSON ({error})"
            else:
                if not isinstance(content, dict):
                    yield f"{file}:{number}: each line must be a JSON object, this is a {type(content).__name__}"
