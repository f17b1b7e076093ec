"""Checkpoints that are whole or absent: tensors in safetensors, everything else in JSON, a hash that ties the two.

A stage's state folder holds the last two checkpoints and those that were asked to be kept. Reading takes the newest one that
is sound and says which were not. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load as from_bytes
from safetensors.torch import save as to_bytes
from torch import Tensor

from trivium.base.errors import CheckpointError
from trivium.base.files import hash_bytes, write_atomic, write_json

FORMAT = 1
CHECKPOINT_SECONDS = 10.0  # between two checkpoints of a stage: what a kill can cost
KEPT = 2  # the newest, and one before it in case the newest is damaged


@dataclass(frozen=True)
class Checkpoint:
    """State after `step` steps."""

    step: int
    tensors: dict[str, Tensor]
    facts: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: bool = False) -> None:
    """Write a checkpoint; with `keep` it stays when newer ones come. Older ones beyond the last two go."""
    stem = f"step-{checkpoint.step:08d}"
    data = to_bytes({name: tensor.detach().cpu().contiguous() for name, tensor in checkpoint.tensors.items()})
    write_atomic(folder / f"{stem}.safetensors", data)
    content = {
        "format": FORMAT,
        "step": checkpoint.step,
        "keep": keep,
        "sha256": hash_bytes(data),
        "facts": checkpoint.facts,
    }
    write_json(folder / f"{stem}.json", content)
    loose = [path for path in _descriptions(folder) if not _read(path).get("keep")]
    for path in loose[:-KEPT]:
        with contextlib.suppress(OSError):
            path.unlink()
            path.with_suffix(".safetensors").unlink()


def load_newest(
    folder: Path, accept: Callable[[int, Mapping[str, Any]], bool] = lambda step, facts: True
) -> tuple[Checkpoint | None, list[str]]:
    """The newest sound checkpoint that `accept(step, facts)` takes, and a sentence for each damaged one passed over.

    Raises CheckpointError where a checkpoint is of a newer format.
    """
    notes: list[str] = []
    paths = _descriptions(folder)
    for path in reversed(paths):
        content = _read(path)
        if content.get("format", FORMAT) > FORMAT:
            raise CheckpointError(
                f"{path}: format {content['format']} is newer than this Trivium reads ({FORMAT}); update Trivium"
            )
        if "facts" in content and not accept(content.get("step", 0), content["facts"]):
            continue
        try:
            data = path.with_suffix(".safetensors").read_bytes()
            if hash_bytes(data) != content["sha256"]:
                raise ValueError("its bytes are not those that were written")
            return Checkpoint(content["step"], from_bytes(data), content["facts"]), notes
        except (OSError, KeyError, ValueError, SafetensorError) as error:
            notes.append(f"{path.with_suffix('.safetensors')}: damaged ({error}); going back to the one before")
    if notes:
        notes.append("no sound checkpoint is left; the stage starts again from its beginning")
    return None, notes


def _descriptions(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.json"))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}
