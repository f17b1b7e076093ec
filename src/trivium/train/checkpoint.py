"""Checkpoints that are whole or absent: tensors in safetensors, everything else in JSON, hashes that tie the two.

A stage's state folder holds the last two checkpoints and those that were asked to be kept. Several processes write a file
each; the JSON, written last, names them all, so that a checkpoint is there from one moment to the next. Reading takes the
newest one that is sound, by however many processes it was written, and says which were not. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor

from trivium.base.device import Machine
from trivium.base.errors import CheckpointError
from trivium.base.files import hash_bytes, hash_file, write_atomic, write_json
from trivium.train.distributed import Team
from trivium.train.pieces import Piece, StoredTensors, pieces_to_bytes

FORMAT = 2
CHECKPOINT_SECONDS = 10.0  # between two checkpoints of a stage: what a kill can cost
KEPT = 2  # the newest, and one before it in case the newest is damaged
ONE = Team(Machine(torch.device("cpu"), torch.float32, 1))


@dataclass(frozen=True)
class Checkpoint:
    """State after `step` steps."""

    step: int
    tensors: Mapping[str, Tensor]
    facts: dict[str, Any]


def save_checkpoint(folder: Path, checkpoint: Checkpoint, *, keep: bool = False) -> None:
    """Write a checkpoint; with `keep` it stays when newer ones come. Older ones beyond the last two go."""
    saver = Saver(folder, ONE)
    saver.save(checkpoint.step, {name: Piece(t) for name, t in checkpoint.tensors.items()}, checkpoint.facts, keep=keep)
    saver.finish()


class Saver:
    """Writes checkpoints beside the training: `save` copies the state and comes back, a thread does the rest.

    One process's checkpoint is there once that is done, that of several from `finish` on, which all call at the same step.
    """

    def __init__(self, folder: Path, team: Team) -> None:
        self.folder, self.team = folder, team
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future[str] | None = None
        self._about: dict[str, Any] = {}
        self._saved, self._stall = time.monotonic(), 0.0

    def due(self, seconds: float) -> bool:
        """Whether it is time for the next: `seconds` since the last, and a hundred times what that took of training."""
        return self._writing is None and time.monotonic() - self._saved > max(seconds, 100.0 * self._stall)

    @property
    def written(self) -> bool:
        """Whether this process's file of the checkpoint that was begun is on the disk, or has failed."""
        return self._writing is not None and self._writing.done()

    def save(self, step: int, pieces: Mapping[str, Piece], facts: dict[str, Any], *, keep: bool = False) -> None:
        """Begin a checkpoint of `pieces`, which may change as soon as this comes back."""
        self.finish()
        started = time.monotonic()
        copies = {
            name: Piece(piece.tensor.detach().to("cpu", copy=True), piece.start, piece.rows)
            for name, piece in pieces.items()
        }
        self._about = {"format": FORMAT, "step": step, "keep": keep, "facts": facts}
        self._writing = self._thread.submit(self._write, self._about, copies)
        self._saved = time.monotonic()
        self._stall = self._saved - started

    def _write(self, about: dict[str, Any], pieces: Mapping[str, Piece]) -> str:
        ranks, data = self.team.ranks, pieces_to_bytes(pieces)
        write_atomic(self.folder / _file_name(about["step"], ranks.rank, ranks.size), data)
        digest = hash_bytes(data)
        if ranks.size == 1:
            self._seal(about, [digest])
        return digest

    def _seal(self, about: dict[str, Any], hashes: list[str]) -> None:
        """Write the JSON that makes the files of all ranks a checkpoint."""
        files = {_file_name(about["step"], rank, len(hashes)): digest for rank, digest in enumerate(hashes)}
        write_json(self.folder / f"{_stem(about['step'])}.json", {**about, "files": files})
        _clear(self.folder)

    def finish(self) -> None:
        """Wait for the checkpoint that was begun, if any, and make it count; all processes call it at the same step.

        Raises what went wrong with the writing, such as RunError for a full disk.
        """
        if self._writing is None:
            return
        writing, self._writing = self._writing, None
        digest = writing.result()
        if self.team.ranks.size > 1:
            hashes = [one.hex() for one in self.team.collect(bytes.fromhex(digest))]
            if self.team.ranks.first:
                self._seal(self._about, hashes)


def _stem(step: int) -> str:
    return f"step-{step:08d}"


def _file_name(step: int, rank: int, size: int) -> str:
    return f"{_stem(step)}.safetensors" if size == 1 else f"{_stem(step)}.{rank}-of-{size}.safetensors"


def _clear(folder: Path) -> None:
    """Remove checkpoints beyond the last two that need not be kept, and files that belong to none."""
    paths = _descriptions(folder)
    loose = [path for path in paths if not _read(path).get("keep")]
    old = loose[:-KEPT]
    kept = {name for path in paths if path not in old for name in _read(path).get("files", {})}
    files = [path for path in folder.glob("step-*.safetensors") if path.name not in kept]
    for path in [*old, *files]:
        with contextlib.suppress(OSError):
            path.unlink()


@dataclass(frozen=True)
class Found:
    """A sound checkpoint on the disk, as it was written after `step` steps."""

    step: int
    tensors: StoredTensors
    facts: dict[str, Any]


def load_newest(
    folder: Path, accept: Callable[[int, Mapping[str, Any]], bool] = lambda step, facts: True, team: Team = ONE
) -> tuple[Found | None, list[str]]:
    """The newest sound checkpoint that `accept(step, facts)` takes, and a sentence for each damaged one passed over.

    All processes of the team call it, look at a share of the files each, and find the same one. Raises CheckpointError
    where a checkpoint is of a newer format.
    """
    notes: list[str] = []
    for name in team.agree([path.name for path in reversed(_descriptions(folder))]):
        content = team.agree(_read(folder / name))
        if content.get("format", FORMAT) > FORMAT:
            raise CheckpointError(
                f"{folder / name}: format {content['format']} is newer than this Trivium reads ({FORMAT}); update Trivium"
            )
        if "facts" in content and not accept(content.get("step", 0), content["facts"]):
            continue
        files = list(content.get("files", {}).items())
        own = [files[place] for place in team.ranks.share(len(files))]
        faults = [told for file, digest in own if (told := _fault_of(folder / file, digest))]
        if files and not team.sum(len(faults))[0]:
            return Found(content["step"], StoredTensors([folder / file for file, _ in files]), content["facts"]), notes
        told = faults[0] if faults else f"{folder / name}: damaged (not all of its files are as they were written)"
        notes.append(f"{told}; going back to the one before")
    if notes:
        notes.append("no sound checkpoint is left; the stage starts again from its beginning")
    return None, notes


def _fault_of(path: Path, digest: str) -> str | None:
    try:
        if hash_file(path) != digest:
            return f"{path}: damaged (its bytes are not those that were written)"
        StoredTensors([path])
    except (OSError, ValueError, SafetensorError) as error:
        return f"{path}: damaged ({error})"
    return None


def _descriptions(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*.json"))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}
