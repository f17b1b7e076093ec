"""Content hashes of files, remembered by size and time, and what of a stage's folder counts as its output.

A file is read again only when its size or its time of change differs from what was seen; `FileHashes(..., trust=False)`
reads everything. The memory is a hidden file in the run folder and may be deleted at any time.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TypeAlias

from trivium.base.errors import RunError
from trivium.base.files import explain_os_error, hash_file, hash_json, write_atomic
from trivium.data.find import files_at

MODEL_CARD = "README.md"
Outputs: TypeAlias = dict[str, tuple[str, int]]  # relative path -> SHA-256, bytes

KEPT_BESIDE = frozenset(
    {"trivium/normaliser.json", "trivium/heads.safetensors", "trivium/task.json"}
)  # results that Hugging Face has no place for


class FileHashes:
    """SHA-256 of files, by absolute path; call `save` to remember them for the next time."""

    def __init__(self, memory: Path, *, trust: bool = True) -> None:
        self._memory = memory
        self._known: dict[str, list[str | int]] = _read_memory(memory) if trust else {}

    def of(self, path: Path) -> tuple[str, int]:
        """(SHA-256, bytes) of the file. Raises RunError where it cannot be read."""
        try:
            facts = os.stat(path)
            known = self._known.get(str(path))
            if known is None or known[:2] != [facts.st_size, facts.st_mtime_ns]:
                known = [facts.st_size, facts.st_mtime_ns, hash_file(path)]
                self._known[str(path)] = known
        except OSError as error:
            raise RunError(f"{path}: cannot be read ({error.strerror})") from error
        return str(known[2]), int(known[0])

    def moved(self, old: Path, new: Path) -> None:
        """The folder `old` is now `new`: what was known of its files stays known."""
        prefix = f"{old}{os.sep}"
        for path in [path for path in self._known if path.startswith(prefix)]:
            self._known[f"{new}{os.sep}{path.removeprefix(prefix)}"] = self._known.pop(path)

    def save(self) -> None:
        """Write the memory, without files that are gone. Raises RunError as every other write does."""
        self._known = {path: facts for path, facts in self._known.items() if os.path.exists(path)}
        try:
            write_atomic(self._memory, json.dumps(self._known))
        except OSError as error:
            raise explain_os_error(error, self._memory) from error


def _read_memory(path: Path) -> dict[str, list[str | int]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): [int(size), int(time), str(sha)] for name, (size, time, sha) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # only a memory: everything is read again


def hash_sources(paths: Iterable[Path], hashes: FileHashes) -> str:
    """One hash over the files that `paths` stand for: their names inside each path, and their contents."""
    found = []
    for path in paths:
        base = path if path.is_dir() else path.parent
        found.append([[_relative(file, base), hashes.of(file)[0]] for file in files_at(path)])
    return hash_json(found)


def _relative(file: Path, base: Path) -> str:
    return file.relative_to(base).as_posix() if file.is_relative_to(base) else file.name


def hash_outputs(folder: Path, hashes: FileHashes) -> Outputs:
    """Every file that a stage left, but hidden ones, and in `trivium/` only those that later stages read. A model's card is
    told anew from later scores, so it is none of them."""
    outputs: Outputs = {}
    is_model = (folder / "config.json").is_file()
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts) or (is_model and name.as_posix() == MODEL_CARD)
        if path.is_file() and not hidden and (name.parts[0] != "trivium" or name.as_posix() in KEPT_BESIDE):
            outputs[name.as_posix()] = hashes.of(path)
    return outputs


def output_hash(stage: str, outputs: Mapping[str, tuple[str, int]]) -> str:
    """One hash over a stage's files. Its own figures (STAGE.json) tell the time that it took, so they are not in it."""
    return hash_json({name: sha for name, (sha, _) in outputs.items() if name != f"{stage}.json"})


def changed_outputs(folder: Path, outputs: Mapping[str, tuple[str, int]], hashes: FileHashes) -> list[str]:
    """The names of a finished stage's files that are missing or hold something else than they did."""
    return [
        name
        for name, facts in outputs.items()
        if not (folder / name).is_file() or hashes.of(folder / name) != tuple(facts)
    ]
