"""Several JSONL files that are written side by side, and appear together when all are whole."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from trivium.base.files import explain_os_error

PART = ".part"


class Outbox:
    """`write(name, row)` appends a line to NAME.jsonl; `writing` makes an outbox and finishes it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, TextIO] = {}

    def write(self, name: str, row: Mapping[str, Any]) -> None:
        """Append `row` to the file `name`, for example 'documents/train'. Raises RunError where the disk does not take it."""
        try:
            file = self._files.get(name)
            if file is None:
                path = self._part(name)
                path.parent.mkdir(parents=True, exist_ok=True)
                file = self._files[name] = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by commit or discard
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
        except OSError as error:
            raise explain_os_error(error, self.folder / f"{name}.jsonl") from error

    def commit(self, known: Collection[str]) -> None:
        """Put every file in its place, and take away those of `known` that were not written this time."""
        try:
            for file in self._files.values():
                file.flush()
                os.fsync(file.fileno())
                file.close()
            for name in {*known, *self._files}:
                target = self.folder / f"{name}.jsonl"
                if name in self._files:
                    os.replace(self._part(name), target)
                else:
                    target.unlink(missing_ok=True)
        except OSError as error:
            raise explain_os_error(error, self.folder) from error

    def discard(self) -> None:
        """Close and delete what is not in its place."""
        for name, file in self._files.items():
            with contextlib.suppress(OSError):
                file.close()
            with contextlib.suppress(OSError):
                self._part(name).unlink(missing_ok=True)

    def _part(self, name: str) -> Path:
        path = self.folder / f"{name}.jsonl"
        return path.with_name(f".{path.name}{PART}")


@contextlib.contextmanager
def writing(folder: Path, known: Collection[str]) -> Iterator[Outbox]:
    """An outbox whose files appear when the block ends without an error; old ones of `known` names go away with that."""
    outbox = Outbox(folder)
    try:
        yield outbox
        outbox.commit(known)
    finally:
        outbox.discard()


def remove_leftovers(folder: Path) -> None:
    """Delete the half-written files and folders that a killed process left under `folder`."""
    for path in [*folder.glob(f".*{PART}"), *folder.glob(f"*/.*{PART}"), *folder.glob(".*.old")]:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
