"""Trivium trains language models in three phases: pre-training, fine-tuning, reinforcement learning.

`run` takes a recipe through every stage that it asks for, `load` gives a trained stage to talk to. Importing this
imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trivium.base.words import StageResult
    from trivium.journey.assistant import Assistant

__version__ = "0.1.0"
__all__ = ["__version__", "load", "run"]


def run(
    recipe: str | Path, set: Sequence[str] = (), *, runs: str | Path = "runs", name: str | None = None
) -> list[StageResult]:
    """Take the recipe file `recipe` through its stages, in the folder `runs`/`name`, and return what each one left.

    `set` holds `section.key=value` overrides; `name` is the recipe's own name where it is not given. Raises
    RecipeError before anything is spent, and the stage's error where one fails.
    """
    import json
    from pathlib import Path

    from trivium.journey.recipe import read_recipe
    from trivium.journey.rounds import run_rounds

    read = read_recipe(Path(recipe), [*set, *([f"name={json.dumps(name)}"] if name else [])])
    return run_rounds(read, Path(runs) / read.name)


def load(run: str | Path, stage: str | None = None, *, device: str = "auto") -> Assistant:
    """The newest model of the run folder `run` (or that of `stage`, or a model folder itself), to talk to."""
    from pathlib import Path

    from trivium.journey.assistant import load as load_assistant

    return load_assistant(Path(run), stage, device=device)
