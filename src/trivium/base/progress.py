"""What a running stage tells: progress for people, metrics for files.

A stage calls `context.report(Progress(...))` as often as it likes; `apps` decides how to draw it and how often.
`MetricsFile` appends one JSON object a line and can be cut back to a step, so that a resumed run leaves the same file.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.base.files import explain_os_error
from trivium.base.ranks import ALONE, Compile, Parallel, Ranks


@dataclass(frozen=True)
class Progress:
    """`done` of `total` `unit`s of a stage, with the figures worth showing now; `note` is a line to keep on screen."""

    stage: str
    done: int
    total: int
    unit: str = "steps"
    figures: Mapping[str, float] = field(default_factory=dict)
    note: str | None = None


@dataclass(frozen=True)
class Context:
    """What the journey hands to a stage, beside its settings.

    `folder` is where the stage writes; `inputs` are the folders of finished stages by name; `seed` is the run's;
    `device` is 'auto', 'cpu', 'cuda' or 'mps'; `threads` is 0 for all; `report` takes Progress; `stopping` turns
    True when the user asks to stop: a stage then saves and raises Interrupted. `ranks` says which of several processes
    this is, and `parallel` how they share a model; only the first one writes files that all share, and reports. `compile` says
    whether blocks are compiled.
    """

    folder: Path
    inputs: Mapping[str, Path]
    seed: int = 0
    device: str = "auto"
    threads: int = 0
    report: Callable[[Progress], None] = lambda progress: None
    stopping: Callable[[], bool] = lambda: False
    ranks: Ranks = ALONE
    parallel: Parallel = "auto"
    compile: Compile = "auto"


class MetricsFile:
    """`metrics.jsonl`: one row a step, strictly increasing in `step`."""

    def __init__(self, path: Path, *, keep_until: int | None = None) -> None:
        """Open `path` for appending; rows with `step` > `keep_until`, and a half-written last line, are cut away."""
        self.path = path
        rows = [row for row in read_metrics(path) if keep_until is not None and row["step"] <= keep_until]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.part")
            temporary.write_text("".join(_line(row) for row in rows), encoding="utf-8")
            os.replace(temporary, path)
        except OSError as error:
            raise explain_os_error(error, path) from error

    def write(self, **row: Any) -> None:
        """Append one row; numbers that are not finite are written as null."""
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(_line(row))
        except OSError as error:
            raise explain_os_error(error, self.path) from error


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The whole rows of a metrics file; a half-written last line is left out; none where there is no file."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:
                break
    return rows


def _line(row: Mapping[str, Any]) -> str:
    clean = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in row.items()
    }
    return json.dumps(clean) + "\n"
