"""What a stage's folder says of itself: `trivium/stage.json` when it is finished, `trivium/pending.json` before that.

Both hold the key and the parts that it is made of, so that a later run can tell what has changed. A record of a newer
format is an error; a damaged one is `DamagedRecordError`, which the runner tells and mends by running the stage again.
"""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from trivium import __version__
from trivium.base.errors import RunError
from trivium.base.files import read_json, write_json

FORMAT = 1


class Parts(BaseModel):
    """All that a stage's key depends on: `files` and `code` are hashes, `inputs` output hashes, `outside` the stage's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int
    stage: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    files: str
    outside: Any
    seed: int
    code: str


class Pending(BaseModel):
    """A stage that was started; `seconds` is what earlier starts took, as far as they ended in order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    stage: str
    key: str
    parts: Parts
    started_at: str
    seconds: float = 0.0


class Record(BaseModel):
    """A finished stage. `settings` are all of them, resolved; `parts.settings` those that change the result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = FORMAT
    stage: str
    key: str
    settings: dict[str, Any]
    inputs: dict[str, str]
    output_hash: str
    outputs: dict[str, tuple[str, int]]
    versions: dict[str, str]
    seed: int
    seconds: float
    figures: dict[str, Any]
    how: Literal["made", "resumed", "continued"]
    started_at: str
    finished_at: str
    parts: Parts


class DamagedRecordError(RunError):
    """A stage's record that cannot be read."""


Kind = TypeVar("Kind", Record, Pending)


def read_record(folder: Path) -> Record | None:
    """The record of the finished stage in `folder`, None where there is none. Raises DamagedRecordError, RunError."""
    return _read(folder / "trivium" / "stage.json", Record)


def read_pending(folder: Path) -> Pending | None:
    """The note of the unfinished stage in `folder`, None where there is none. Raises DamagedRecordError, RunError."""
    return _read(folder / "trivium" / "pending.json", Pending)


def _read(path: Path, kind: type[Kind]) -> Kind | None:
    if not path.exists():
        return None
    try:
        content = read_json(path)
    except RunError as error:
        raise DamagedRecordError(str(error)) from None
    found = content.get("format") if isinstance(content, dict) else None
    if isinstance(found, int) and found > FORMAT:
        raise RunError(
            f"{path}: written in format {found}, this Trivium ({__version__}) reads up to format {FORMAT}; "
            "update Trivium or choose another run name"
        )
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        at = ".".join(str(part) for part in fault["loc"])
        raise DamagedRecordError(f"{path}: damaged ({at or 'content'}: {fault['msg']})") from None


def write_record(folder: Path, record: Record) -> None:
    """Make the stage finished: the record first, then the note that it was running goes."""
    write_json(folder / "trivium" / "stage.json", record.model_dump(mode="json"))
    (folder / "trivium" / "pending.json").unlink(missing_ok=True)


def write_pending(folder: Path, pending: Pending) -> None:
    """Note that the stage has been started."""
    write_json(folder / "trivium" / "pending.json", pending.model_dump(mode="json"))


def versions() -> dict[str, str]:
    """What the result's bits may depend on besides the key: versions and platform."""
    try:
        torch = metadata.version("torch")
    except metadata.PackageNotFoundError:
        torch = "absent"
    return {"trivium": __version__, "python": sys.version.split()[0], "torch": torch, "platform": platform.platform()}


def round_folders(run: Path) -> list[Path]:
    """The folders of the later rounds of a run, in order: RUN/rounds/2 and on."""
    return sorted((path for path in run.glob("rounds/*") if path.name.isdecimal()), key=lambda path: int(path.name))


def now() -> str:
    """The time in ISO 8601, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
