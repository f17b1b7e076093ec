"""Small stages that behave as real ones: they read their inputs, keep a state, resume, crash and stop when told to.

`write_stages(folder)` writes their modules (so that their code can be edited) and gives the table for the runner; a
`Home` has them, with a recipe and a run. What each run of a stage did is a line in `folder/calls.txt`; `folder/crash`
holds "STAGE STEP" to make a stage fail there.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml

from trivium.base.progress import Progress
from trivium.base.words import StageResult
from trivium.journey import runner
from trivium.journey.graph import STAGES
from trivium.journey.recipe import Recipe, read_recipe

SOURCE = '''
"""A fake stage."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import Interrupted
from trivium.base.files import write_json
from trivium.base.progress import Context, Progress

NEEDS = {needs!r}
WANTS = {wants!r}
CONTINUES = ("steps",)
NOT_IN_KEY = ("log_every",)
HOME = Path(__file__).parent
FACTOR = 1


class Part(Settings):
    size: int = 3


class Fake{title}Settings(Settings):
    steps: int = Field(default=3, ge=1, le=1000)
    text: str = "a"
    path: Path | None = None
    files: list[Path] = []
    log_every: int = 1
    part: Part = Part()
    seconds_per_step: float = 0.0


def run(settings: Fake{title}Settings, context: Context) -> dict[str, Any]:
    import time

    state = context.folder / "trivium" / "state" / "step.json"
    first = json.loads(state.read_text()) if state.exists() else 0
    crash = HOME / "crash"
    for step in range(first, settings.steps):
        if context.stopping():
            raise Interrupted(f"stopped at step {{step}}; saved")
        if crash.exists() and crash.read_text() == f"{name} {{step}}":
            note(f"{name} {{first}}-crash")
            raise OSError(28, "No space left on device", str(context.folder / "x"))
        time.sleep(settings.seconds_per_step)
        write_json(state, step + 1)
        context.report(Progress("{name}", step + 1, settings.steps, figures={{"loss": 1.0 / (step + 1)}}))
    read = "".join((folder / "result.txt").read_text() for folder in context.inputs.values())
    if settings.path:
        read += settings.path.read_text()
    made = f"{name} {{settings.text}} {{settings.steps * FACTOR}} {{context.seed}} [{{read}}]"
    (context.folder / "result.txt").write_text(made)
    write_json(context.folder / "{name}.json", {{"seconds": time.time()}})
    note(f"{name} {{first}}-{{settings.steps}}")
    return {{"steps": settings.steps, "valid_bits_per_byte": 1.2345, "broken": float("nan")}}


def note(line: str) -> None:
    with open(HOME / "calls.txt", "a") as file:
        file.write(line + "\\n")
'''

ALL: dict[str, Any] = {"gather": None, "pretrain": {}, "finetune": {}, "evaluate": {}}
WAYS = [*ALL]
NEEDS: dict[str, tuple[str, ...]] = {
    "gather": (),
    "pretrain": ("gather",),
    "finetune": ("gather", "pretrain"),
    "evaluate": ("pretrain",),
}
WANTS: dict[str, tuple[str, ...]] = {"evaluate": ("finetune",)}


def write_stages(home: Path) -> dict[str, Any]:
    """The table of four fake stages, their modules written into `home`."""
    return {name: write_stage(home, name) for name in NEEDS}


def write_stage(home: Path, name: str, edit: tuple[str, str] = ("", "")) -> ModuleType:
    """The module of one fake stage, with a piece of its source exchanged."""
    path = home / f"fake_{name}.py"
    text = SOURCE.format(name=name, title=name.title(), needs=NEEDS[name], wants=WANTS.get(name, ()))
    path.write_text(text.replace(*edit) if edit[0] else text, encoding="utf-8")
    return load_module(path)


def load_module(path: Path) -> ModuleType:
    """The module in the file, executed now."""
    from trivium.journey import code

    code._code_of.cache_clear()
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def in_place_of_the_real_ones(home: Path) -> Iterator[None]:
    """Exchange the stages of the whole program for fake ones, in their order, and put the real ones back."""
    real = dict(STAGES)
    _exchange(write_stages(home))
    try:
        yield
    finally:
        _exchange(real)


def _exchange(table: dict[str, Any]) -> None:
    assert isinstance(STAGES, dict)
    STAGES.clear()
    STAGES.update(table)


def recipe_of(home: Path, stages: dict[str, Any], content: dict[str, Any], *overrides: str) -> Recipe:
    """The recipe with that content, read from a file in `home`."""
    path = home / "recipe.yaml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return read_recipe(path, overrides, stages)


def calls(home: Path) -> list[str]:
    """What has run since the last call."""
    path = home / "calls.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    path.unlink(missing_ok=True)
    return lines


def hows(results: list[StageResult]) -> dict[str, str]:
    """How each stage came to be."""
    return {result.stage: result.how for result in results}


class Home:
    """A folder with fake stages, a recipe and a run."""

    def __init__(self, path: Path) -> None:
        self.path, self.run_folder = path, path / "runs" / "first"
        self.stages = write_stages(path)
        self.events: list[Any] = []

    def run(self, *overrides: str, content: dict[str, Any] = ALL, **more: Any) -> dict[str, str]:
        recipe = recipe_of(self.path, self.stages, content, *overrides)
        self.events.clear()
        return hows(runner.run(recipe, self.run_folder, report=self.events.append, stages=self.stages, **more))

    def notes(self) -> str:
        return "\n".join(event.note for event in self.events if isinstance(event, Progress) and event.note)

    def calls(self) -> list[str]:
        return calls(self.path)
