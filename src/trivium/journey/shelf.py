"""Where a stage's folder comes from: the one that is there, one that was put aside earlier, or a new one.

Nothing is thrown away here: a result that no longer fits is moved to RUN/.old/STAGE-key8, and taken back when the same
key is asked for again. A stage that may continue gets a copy of the training state of the nearest smaller result.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trivium.base.files import explain_os_error
from trivium.journey.graph import Stage
from trivium.journey.hashes import FileHashes, changed_outputs
from trivium.journey.keys import differences, grown_from, key_of
from trivium.journey.record import (
    DamagedRecordError,
    Parts,
    Pending,
    Record,
    now,
    read_pending,
    read_record,
    write_pending,
)

OLD = ".old"
CONTINUED = ("state", "metrics.jsonl")  # what of trivium/ a continued stage starts with


@dataclass(frozen=True)
class Place:
    """What a stage may do: reuse `record`, or run in `folder`; `notes` tell why, `seconds` were spent before."""

    folder: Path
    how: Literal["made", "reused", "resumed", "continued"]
    record: Record | None = None
    seconds: float = 0.0
    started_at: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Found:
    """A folder of the stage: finished with `record`, begun with `pending`, or neither; `fault` is what is wrong."""

    folder: Path
    record: Record | None = None
    pending: Pending | None = None
    fault: str = ""

    @property
    def key(self) -> str:
        """The key of what the folder holds, empty where that is not known."""
        known = self.record or self.pending
        return known.key if known else ""

    @property
    def parts(self) -> Parts | None:
        """What the key is made of."""
        known = self.record or self.pending
        return known.parts if known else None


def look(folder: Path, hashes: FileHashes) -> Found:
    """What `folder` holds. Raises RunError for a record of a newer format."""
    try:
        record = read_record(folder)
        pending = None if record else read_pending(folder)
    except DamagedRecordError as error:
        return Found(folder, fault=str(error))
    if record and (changed := changed_outputs(folder, record.outputs, hashes)):
        names = ", ".join(changed[:3]) + (f" and {len(changed) - 3} more" if len(changed) > 3 else "")
        return Found(folder, fault=f"{folder}: not as the stage left it ({names})")
    if not record and not pending and folder.exists() and any(folder.iterdir()):
        return Found(folder, fault=f"{folder}: holds no record of a stage")
    return Found(folder, record, pending)


def settle(run: Path, stage: Stage, parts: Parts, hashes: FileHashes, *, redo: bool = False) -> Place:
    """Make RUN/STAGE the right folder for `parts` and say what is to be done in it. Raises RunError where it cannot."""
    here = look(run / stage.name, hashes)
    try:
        if redo:
            return _start(run, here, parts, ("asked for again",), hashes)
        aside = [look(folder, hashes) for folder in sorted((run / OLD).glob(f"{stage.name}-*"))]
        candidates = [here, *sorted(aside, key=lambda one: one.record is None)]
        same = [one for one in candidates if one.key == key_of(parts)]
        if same:
            return _take(run, here, same[0], hashes)
        why = _why(run, here, parts, stage.continues)
        smaller = [(size, one) for one in candidates if (size := _size(one, parts, stage.continues)) is not None]
        if smaller:
            base = max(smaller, key=lambda pair: pair[0])[1]
            return _continue(run, here, base, parts, why, hashes)
        return _start(run, here, parts, why, hashes)
    except OSError as error:
        raise explain_os_error(error, run / stage.name) from error


def _why(run: Path, here: Found, parts: Parts, continues: tuple[str, ...]) -> tuple[str, ...]:
    if here.fault:
        return (f"{here.fault}; the stage is run again, what was there is kept in {run / OLD}",)
    if not here.parts:
        return ()
    lost = grown_from(here.parts, parts, continues) and not _state_of(here).is_dir()
    more = "; its training state was deleted, so it starts over" if lost else ""
    return (f"changed: {differences(here.parts, parts)}{more}",)


def _state_of(found: Found) -> Path:
    return found.folder / "trivium" / "state"


def _size(found: Found, parts: Parts, continues: tuple[str, ...]) -> float | None:
    """How far a result that can be continued to `parts` has come, None for one that cannot."""
    if not found.parts or not grown_from(found.parts, parts, continues) or not _state_of(found).is_dir():
        return None
    return float(sum(found.parts.settings[name] for name in continues))


def _take(run: Path, here: Found, match: Found, hashes: FileHashes) -> Place:
    notes: tuple[str, ...] = ()
    if match is not here:
        _put_aside(run, here, hashes)
        os.replace(match.folder, here.folder)
        hashes.moved(match.folder, here.folder)
        notes = (*([here.fault] if here.fault else []), f"taken back from {run / OLD}")
    if match.record:
        (here.folder / "trivium" / "pending.json").unlink(missing_ok=True)  # left by a crash between the two writes
        return Place(here.folder, "reused", match.record, notes=notes)
    assert match.pending
    return Place(
        here.folder, "resumed", seconds=match.pending.seconds, started_at=match.pending.started_at, notes=notes
    )


def _continue(run: Path, here: Found, base: Found, parts: Parts, why: tuple[str, ...], hashes: FileHashes) -> Place:
    fresh = here.folder.with_name(f".{here.folder.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    for name in CONTINUED:
        source, target = base.folder / "trivium" / name, fresh / "trivium" / name
        if source.is_dir():
            shutil.copytree(source, target)
        elif source.exists():
            shutil.copy2(source, target)
    pending = _pending(parts)
    write_pending(fresh, pending)
    _put_aside(run, here, hashes)
    os.replace(fresh, here.folder)
    return Place(here.folder, "continued", started_at=pending.started_at, notes=why)


def _start(run: Path, here: Found, parts: Parts, why: tuple[str, ...], hashes: FileHashes) -> Place:
    _put_aside(run, here, hashes)
    pending = _pending(parts)
    write_pending(here.folder, pending)
    return Place(here.folder, "made", started_at=pending.started_at, notes=why)


def _pending(parts: Parts) -> Pending:
    return Pending(stage=parts.stage, key=key_of(parts), parts=parts, started_at=now())


def _put_aside(run: Path, here: Found, hashes: FileHashes) -> None:
    """Move the stage's folder to RUN/.old, under its key."""
    if not here.folder.exists():
        return
    name = f"{here.folder.name}-{here.key[:8] or 'unreadable'}"
    target, number = run / OLD / name, 1
    while target.exists():
        number += 1
        target = run / OLD / f"{name}-{number}"
    target.parent.mkdir(exist_ok=True)
    os.replace(here.folder, target)
    hashes.moved(here.folder, target)
