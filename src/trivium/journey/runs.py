"""The run folders on the disk: finding one by name, what each one holds and costs, and what of it may go."""

from __future__ import annotations

import difflib
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from trivium.base.config import read_yaml
from trivium.base.errors import RunError, UserError
from trivium.base.files import explain_os_error, hold_lock
from trivium.journey.graph import is_named, with_named
from trivium.journey.record import Record, read_pending, read_record, round_folders
from trivium.journey.shelf import OLD

_MODELS = ("align", "align-*", "finetune", "pretrain")
State = Literal["finished", "outdated", "unfinished", "damaged"]


@dataclass(frozen=True)
class StageLine:
    """A stage of a run; it is outdated where an input was made again since."""

    name: str
    state: State
    seconds: float = 0.0
    figures: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class RunLine:
    """A run: its stages in order, what it takes on the disk, and the stages of its recipe that it does not have yet."""

    name: str
    folder: Path
    stages: tuple[StageLine, ...]
    bytes: int
    waiting: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """What all its finished stages took."""
        return sum(stage.seconds for stage in self.stages)

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do."""
        return not self.waiting and all(stage.state == "finished" for stage in self.stages)


@dataclass(frozen=True)
class Removable:
    """Something in a run that may go, and what is lost with it."""

    path: Path
    bytes: int
    why: str


def is_run(folder: Path) -> bool:
    """Whether a folder is one that `trivium run` made."""
    return (folder / "recipe.yaml").is_file() and ((folder / ".lock").exists() or (folder / "lineage.json").exists())


def find_run(given: str | Path, runs: Path = Path("runs")) -> Path:
    """The run folder that `given` names, as a path or as a name in `runs`. Raises RunError naming those there are."""
    for folder in (Path(given), runs / given):
        if is_run(folder):
            return folder
    names = [folder.name for folder in _run_folders(runs)]
    near = difflib.get_close_matches(Path(given).name, names, n=1)
    there = (
        f"did you mean '{near[0]}'?"
        if near
        else f"there are: {', '.join(names)}"
        if names
        else f"there is none in {runs} yet"
    )
    raise RunError(f"{given}: no such run; {there}")


def _run_folders(runs: Path) -> list[Path]:
    return sorted(folder for folder in runs.iterdir() if is_run(folder)) if runs.is_dir() else []


def list_runs(runs: Path) -> list[RunLine]:
    """Every run in the folder `runs`, by name."""
    return [describe(folder) for folder in _run_folders(runs)]


def describe(run: Path) -> RunLine:
    """What the run holds. Nothing that is wrong with it raises: a stage whose record cannot be read is damaged."""
    records = _records(run)
    lines = []
    for name in stages_of(run):
        record = records.get(name)
        if isinstance(record, Record):
            state: State = "outdated" if _outdated(name, records) else "finished"
            lines.append(StageLine(name, state, record.seconds, record.figures))
        elif name in records:
            lines.append(StageLine(name, "damaged"))
        elif (run / name / "trivium" / "pending.json").exists():
            lines.append(StageLine(name, "unfinished"))
    lines += _round_lines(run)
    there = {line.name for line in lines}
    waiting = tuple(name for name in _asked_for(run) if name not in there)
    return RunLine(run.name, run, tuple(lines), folder_bytes(run), waiting)


def _round_lines(run: Path) -> list[StageLine]:
    """The stages of the later rounds, as rounds/2/rate."""
    records = _records(run)
    sound = {name: None if _outdated(name, records) else record for name, record in records.items()}
    lines, before = [], sound
    for folder in round_folders(run):
        own = _records(folder)
        given = {**sound, **{f"{name}_before": record for name, record in before.items()}}
        given = {name: record for name, record in given.items() if name not in own}
        before = {name: None if _outdated(name, own, given) else record for name, record in own.items()}
        for name in stages_of(folder):
            record, place = own.get(name), f"{folder.parent.name}/{folder.name}/{name}"
            if record is not None:
                state: State = "finished" if before[name] else "outdated"
                lines.append(StageLine(place, state, record.seconds, record.figures))
            elif name in own or (folder / name / "trivium" / "pending.json").exists():
                lines.append(StageLine(place, "damaged" if name in own else "unfinished"))
    return lines


def _records(run: Path) -> dict[str, Record | None]:
    """The record of each finished stage; None for one that cannot be read."""
    records: dict[str, Record | None] = {}
    for name in stages_of(run):
        try:
            record = read_record(run / name)
        except RunError:
            records[name] = None
            continue
        if record:
            records[name] = record
    return records


def outdated(run: Path) -> set[str]:
    """The stages of the run whose inputs were made again, or cannot be read, since they were made."""
    records = _records(run)
    return {name for name in records if _outdated(name, records)}


def _outdated(
    name: str, records: Mapping[str, Record | None], given: Mapping[str, Record | None] | None = None
) -> bool:
    """Whether an input of the stage was made again; `given` are sound results from elsewhere."""
    record = records.get(name)
    if record is None:
        return True
    known = {**(given or {}), **records}
    return any(
        (source := known.get(need)) is None
        or source.output_hash != made
        or (need in records and _outdated(need, records, given))
        for need, made in record.inputs.items()
    )


def _asked_for(run: Path) -> list[str]:
    try:
        content = read_yaml(run / "recipe.yaml")
    except UserError:
        return []
    return [name for name in with_named(content) if name in content]


def stages_of(run: Path, asked: Collection[str] | None = None) -> list[str]:
    """Every stage that the run may have, in running order: Trivium's own, and those that its folders, or the sections `asked`
    for (those of its recipe, if not given), name."""
    folders = sorted(folder.name for folder in run.iterdir() if folder.is_dir())
    return list(with_named(dict.fromkeys([*(_asked_for(run) if asked is None else asked), *folders])))


def folder_bytes(folder: Path) -> int:
    """What the files under `folder` (or the file itself) hold, in bytes."""
    files = folder.rglob("*") if folder.is_dir() else [folder]
    return sum(path.stat().st_size for path in files if path.is_file())


def models_of(stages: Sequence[str]) -> list[str]:
    """Those of `stages` that end in a model to talk to, newest first; of aligned ones the plain one is before the named."""
    named = [name for name in reversed(stages) if is_named(name, "align")]
    there = {*stages, "align-*"}
    return [name for place in _MODELS if place in there for name in (named if place == "align-*" else [place])]


def finished_models(run: Path) -> dict[str, Path]:
    """The folders of all finished models to talk to, by stage, in the order of training: later rounds behind, the newest last."""
    plain = {name: run / name for name in reversed(models_of(stages_of(run)))}
    later = {f"rounds/{one.name}/align": one / "align" for one in round_folders(run)}
    return {name: folder for name, folder in {**plain, **later}.items() if _is_model(folder)}


def model_of(run: Path, stage: str | None = None) -> tuple[str, Path]:
    """The newest stage of the run with a model, or `stage`, and its folder. Raises RunError naming those there are."""
    there = finished_models(run)
    if stage is not None and stage not in there:
        known = f"it has: {', '.join(there)}" if there else "it has no finished model yet"
        raise RunError(f"{run}: no model of stage '{stage}'; {known}")
    if not there:
        begun = [name for name in models_of(stages_of(run)) if read_pending(run / name)]
        more = f"; '{begun[0]}' is not finished: run its recipe again, it goes on where it was" if begun else ""
        raise RunError(f"{run}: no stage has ended in a model yet{more}")
    name = stage or list(there)[-1]
    return name, there[name]


def _is_model(folder: Path) -> bool:
    return (folder / "config.json").exists() and read_record(folder) is not None


def removable(run: Path) -> list[Removable]:
    """What may go without losing a result: results put aside, and, where all is finished, the training states."""
    places = [one / OLD for one in (run, *round_folders(run)) if (one / OLD).is_dir()]
    aside = [path for place in places for path in sorted(place.iterdir())]
    found = [Removable(path, folder_bytes(path), "an earlier result, put aside") for path in aside]
    found += [Removable(path, folder_bytes(path), "left by a crash") for path in sorted(run.glob(".*.new"))]
    if describe(run).finished:
        states = sorted(path for one in (run, *round_folders(run)) for path in one.glob("*/trivium/state"))
        found += [
            Removable(path, folder_bytes(path), "training state; without it more steps start over") for path in states
        ]
    return found


def remove(run: Path, paths: list[Path]) -> None:
    """Delete `paths` inside the run, or the run itself. Raises RunError where it is in use or cannot be changed."""
    with hold_lock(run):
        for path in paths:
            assert path == run or path.is_relative_to(run)
            try:
                shutil.rmtree(path)
            except OSError as error:
                raise explain_os_error(error, path) from error
