"""Takes a recipe through its stages: each one reused, resumed, continued or made, and recorded.

Everything that could be known to be wrong is found before the first stage starts. Two processes never work in one run
folder; whatever ends a run early, finished stages stay finished and the same command goes on. Of the processes of a job
only the first one is here; it calls the others (`trivium.journey.follow`) for the stages that all of them run.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trivium.base.config import Settings
from trivium.base.errors import Interrupted, RunError, TriviumError
from trivium.base.files import hold_lock, write_atomic
from trivium.base.progress import Context, Progress
from trivium.base.ranks import ALONE
from trivium.base.words import StageResult
from trivium.journey import lineage, required
from trivium.journey.check import require_sound
from trivium.journey.faults import explain
from trivium.journey.follow import Lead
from trivium.journey.graph import STAGES, Stage, StageTable, in_order, needed_for, with_named
from trivium.journey.hashes import FileHashes, hash_outputs, output_hash
from trivium.journey.keys import key_of, parts_of
from trivium.journey.recipe import Recipe, require_paths, write_recipe
from trivium.journey.record import Parts, Record, now, read_pending, read_record, versions, write_pending, write_record
from trivium.journey.shelf import Place, settle


@dataclass(frozen=True)
class StageStarted:
    """A stage is about to run: the `number`-th of `total`; `how` it goes on from what is there."""

    stage: str
    number: int
    total: int
    how: str


@dataclass(frozen=True)
class RoundStarted:
    """The `number`-th of `total` rounds of rating and alignment begins; one more than `total` only measures the last one."""

    number: int
    total: int


Event = Progress | StageStarted | StageResult | RoundStarted
Report = Callable[[Event], None]


@dataclass(frozen=True)
class Scope:
    """How much of the recipe to run: `until` a stage, some stages again, and whether to read every file to trust it.

    `given` are the folders of stages that are finished elsewhere, by the names under which stages read them.
    """

    until: str | None = None
    redo: frozenset[str] = frozenset()
    verify: bool = False
    given: Mapping[str, Path] = field(default_factory=dict)


def run(
    recipe: Recipe,
    folder: Path,
    *,
    report: Report = lambda event: None,
    stopping: Callable[[], bool] = lambda: False,
    scope: Scope = Scope(),
    stages: StageTable = STAGES,
    lead: Lead | None = None,
) -> list[StageResult]:
    """Run the recipe in `folder` and return what each stage left, in order; RUN/report.html tells it to people.

    `given` are the folders of stages that are finished elsewhere, by the names under which stages read them.
    Raises RecipeError before anything is spent, RunError where the folder cannot be used, Interrupted when `stopping`
    turned True and all is saved, RequirementError where a score is not as the recipe requires, and whatever a stage raises.
    """
    stages = with_named(recipe.sections, stages)
    order = in_order(recipe.sections, stages, scope.given)
    if scope.until:
        wanted = needed_for(scope.until, recipe.sections, stages)
        order = [stage for stage in order if stage.name in wanted]
    for name in scope.redo:
        needed_for(name, {stage.name for stage in order}, stages)
    names = [stage.name for stage in order]
    require_paths(recipe, names)
    require_sound(recipe, names, stages)
    with hold_lock(folder):
        lineage.read_lineage(folder)  # a damaged one is told before anything is spent
        write_atomic(folder / "recipe.yaml", write_recipe(recipe))
        hashes = FileHashes(folder / ".hashes.json", trust=not scope.verify)
        journey = _Journey(recipe, folder, report, stopping, hashes, lead or Lead(), scope.given)
        journey.look_at_given()
        results = [
            journey.take(stage, number, len(order), stage.name in scope.redo) for number, stage in enumerate(order, 1)
        ]
        if any(result.how != "reused" for result in results) or not (folder / "report.html").exists():
            _write_report(folder)
    if any(result.stage == "evaluate" for result in results):
        required.require(getattr(recipe.sections["evaluate"], "require", ()), folder)
    return results


def _write_report(folder: Path) -> None:
    from trivium.journey.model_card import write_model_cards
    from trivium.journey.report import write_report

    write_report(folder)
    write_model_cards(folder)


@dataclass(frozen=True)
class _Journey:
    """One go at a run folder that is locked for us."""

    recipe: Recipe
    folder: Path
    report: Report
    stopping: Callable[[], bool]
    hashes: FileHashes
    lead: Lead
    given: Mapping[str, Path] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)

    def look_at_given(self) -> None:
        """Read what the stages that are finished elsewhere left. Raises RunError where one is not finished."""
        for name, folder in self.given.items():
            record = read_record(folder)
            if record is None:
                raise RunError(f"{folder}: not finished, and {self.folder} goes on from it; run its recipe again first")
            self.records[name] = record

    def take(self, stage: Stage, number: int, total: int, redo: bool) -> StageResult:
        """Bring one stage to its end, by the shortest way there is."""
        if self.stopping():
            raise Interrupted(f"stopped before {stage.name}; everything that was done is saved")
        settings = self.recipe.sections[stage.name]
        inputs = {name: self.records[name].output_hash for name in (*stage.needs, *stage.wants) if name in self.records}
        parts = parts_of(stage, settings, inputs, self.recipe.seed, self.hashes)
        place = settle(self.folder, stage, parts, self.hashes, redo=redo)
        record = place.record
        if record is None:
            self.report(StageStarted(stage.name, number, total, place.how))
        for note in place.notes:
            self.report(Progress(stage.name, 0, 0, note=note))
        if record is None:
            record = self._execute(stage, settings, parts, place)
        if record is not place.record or not lineage.tells_of(self.folder, record):
            lineage.append(self.folder, record, place.how if place.notes else record.how)
        self.hashes.save()
        self.records[stage.name] = record
        result = StageResult(stage.name, record.key, place.folder, record.figures, place.how, record.seconds)
        self.report(result)
        return result

    def _execute(self, stage: Stage, settings: Settings, parts: Parts, place: Place) -> Record:
        context = Context(
            folder=place.folder,
            inputs={name: self.given.get(name, self.folder / name) for name in parts.inputs},
            seed=self.recipe.seed,
            device=self.recipe.device,
            threads=self.recipe.threads,
            report=self.report,
            stopping=self.stopping,
            ranks=self.lead.ranks if stage.parallel else ALONE,
            parallel=self.recipe.parallel,
            compile=self.recipe.compile,
        )
        started = time.monotonic()
        try:
            if stage.parallel:
                self.lead.call(stage.name, settings, context)
            figures = stage.module.run(settings, context)
        except BaseException as error:
            _note_seconds(place.folder, place.seconds + time.monotonic() - started)
            known = explain(error, place.folder)
            if known is None:
                raise
            raise known from error
        outputs = hash_outputs(place.folder, self.hashes)
        assert place.how != "reused"
        record = Record(
            stage=stage.name,
            key=key_of(parts),
            settings=settings.model_dump(mode="json"),
            inputs=parts.inputs,
            output_hash=output_hash(stage.name, outputs),
            outputs=outputs,
            versions=versions(),
            seed=self.recipe.seed,
            seconds=round(place.seconds + time.monotonic() - started, 3),
            figures=_plain(figures),
            how=place.how,
            started_at=place.started_at,
            finished_at=now(),
            parts=parts,
        )
        write_record(place.folder, record)
        return record


def _note_seconds(folder: Path, seconds: float) -> None:
    """Remember what an unfinished stage has cost; the disk may be full just now, so this may fail."""
    with contextlib.suppress(TriviumError):
        pending = read_pending(folder)
        if pending:
            write_pending(folder, pending.model_copy(update={"seconds": round(seconds, 3)}))


def _plain(value: Any) -> Any:
    """`value` as JSON can hold it: numpy and torch scalars as numbers, what is not finite as None."""
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
