"""Reading a run folder for people: everything in it may be missing, half-written or damaged.

`read_run` gives a `Run` of plain values and never raises for what it finds in the files: what could not be read is
a sentence in `Run.faults`. It computes nothing; the pages' figures are worked out by the `report_*` parts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from trivium.base.errors import RunError
from trivium.journey.graph import is_named
from trivium.journey.record import round_folders
from trivium.journey.report_values import Number, number, reach
from trivium.journey.runs import stages_of

State = Literal["finished", "unfinished", "waiting", "absent"]
Model = TypeVar("Model", bound=BaseModel)


class Artefact(BaseModel):
    """A record in a file that another stage, or another version of it, wrote: unknown fields are let be."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class StageFile(Artefact):
    """`trivium/stage.json` of a finished stage; `seconds` is wall time."""

    key: str = ""
    settings: dict[str, Any] = {}
    inputs: dict[str, Any] = {}
    output_hash: str = ""
    versions: dict[str, Any] = {}
    seed: int | None = None
    seconds: float | None = None
    figures: dict[str, Any] = {}
    how: str = ""
    started_at: str = ""
    finished_at: str = ""


class Score(Artefact):
    """One figure of `evaluate`: `value` with its 95% interval `low` to `high`, over `items`; None is not measured."""

    name: str
    stage: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    items: int | None = None
    unit: str = ""
    note: str = ""


class Sample(Artefact):
    """One prompt through every stage. `reference` is the one right answer where there is one; `rewards` are the rater's
    points by stage, `changes` what each model finds likely (`trivium.evaluate.samples`)."""

    prompt: str | list[dict[str, Any]]
    kind: str = ""
    answers: dict[str, str | None] = {}
    reference: str | None = None
    rewards: dict[str, float | None] = {}
    changes: dict[str, dict[str, float | None]] = {}

    @property
    def text(self) -> str:
        """The prompt as one text: the only turn as it is, several turns with their roles."""
        if isinstance(self.prompt, str):
            return self.prompt
        turns = [(str(turn.get("role", "")), str(turn.get("content", ""))) for turn in self.prompt]
        return turns[0][1] if len(turns) == 1 else "\n".join(f"{role}: {content}" for role, content in turns)


class LineageEntry(Artefact):
    """One link of `lineage.json`."""

    stage: str
    key: str = ""
    output_hash: str = ""
    how: str = ""
    seconds: float | None = None
    at: str = ""
    hash: str = ""


@dataclass(frozen=True)
class Stage:
    """One stage of the run: `facts` where it finished, its `metrics` rows as far as it came."""

    name: str
    state: State
    facts: StageFile = field(default_factory=StageFile)
    metrics: tuple[dict[str, Any], ...] = ()

    @property
    def there(self) -> bool:
        """Whether the stage has left anything to show."""
        return self.state in ("finished", "unfinished")

    def figure(self, *names: str) -> Number | None:
        """The first of `names` that the stage tells as a finite number, among its figures and then its settings.

        A dotted name reaches into a section of the settings.
        """
        for source in (self.facts.figures, self.facts.settings):
            for name in names:
                value = number(reach(source, name))
                if value is not None:
                    return value
        return None

    def last(self, *names: str) -> Number | None:
        """The newest finite number under one of `names` in the metrics."""
        for row in reversed(self.metrics):
            for name in names:
                value = number(row.get(name))
                if value is not None:
                    return value
        return None


@dataclass(frozen=True)
class Run:
    """What there is to tell about a run folder; `faults` are sentences about what could not be read, `later` what the reward
    model and the alignment of each round after the first left, by the round's number."""

    folder: Path
    recipe: Mapping[str, Any]
    stages: Mapping[str, Stage]
    scores: tuple[Score, ...]
    samples: tuple[Sample, ...]
    gather: Mapping[str, Any]
    tokenize: Mapping[str, Any]
    ceiling: Mapping[str, Any]
    raters: Mapping[str, int]
    lineage: tuple[LineageEntry, ...]
    tasks: Mapping[str, Mapping[str, Any]]
    transfer: Mapping[str, Any]
    asked: tuple[Mapping[str, Any], ...]
    faults: tuple[str, ...]
    later: Mapping[int, Mapping[str, Stage]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        given = self.recipe.get("name")
        return given if isinstance(given, str) and given else self.folder.resolve().name

    @property
    def finished(self) -> list[Stage]:
        """The finished stages, in the order of the journey."""
        return [stage for stage in self.stages.values() if stage.state == "finished"]


class Reader:
    """Reads the files of one run folder and keeps what went wrong in `faults`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.faults = folder, list[str]()

    def fault(self, path: Path, what: str) -> None:
        self.faults.append(f"{path.relative_to(self.folder).as_posix()}: {what}")

    def text(self, path: Path) -> str | None:
        """The file's text; None where it is missing, or damaged and said so."""
        try:
            return path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            self.fault(path, f"cannot be read ({_reason(error)})")
            return None

    def mapping(self, path: Path, *, expected: bool = False) -> dict[str, Any]:
        """The JSON object in the file; an empty one where there is none. `expected` says that it should be there."""
        text = self.text(path)
        if text is None:
            if expected and not path.exists():
                self.fault(path, "missing")
            return {}
        try:
            content = json.loads(text)
        except (ValueError, RecursionError) as error:
            self.fault(path, f"damaged ({_reason(error)})")
            return {}
        if not isinstance(content, dict):
            self.fault(path, f"should be a JSON object, is a {type(content).__name__}")
            return {}
        return content

    def rows(self, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
        """(line number, object) of a JSONL file. Damaged lines are counted and named; a last line that a running
        stage is still writing (no newline yet) is no fault."""
        damaged: list[int] = []
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                for count, line in enumerate(file, 1):
                    try:
                        row = json.loads(line) if line.strip() else None
                    except (ValueError, RecursionError):
                        row = line if line.endswith("\n") else None
                    if isinstance(row, dict):
                        yield count, row
                    elif row is not None:
                        damaged.append(count)
        except FileNotFoundError:
            return
        except OSError as error:
            self.fault(path, f"cannot be read ({_reason(error)})")
        if damaged:
            self.fault(path, f"{_lines(damaged)} damaged and left out")

    def record(self, model: type[Model], content: Mapping[str, Any], path: Path, place: str = "") -> Model | None:
        """`content` as `model`, without the fields that make no sense; None where a required one is among them."""
        try:
            return model.model_validate(content)
        except ValidationError as error:
            wrong = {str(fault["loc"][0]) for fault in error.errors(include_url=False) if fault["loc"]}
        self.fault(path, f"{place}{', '.join(sorted(wrong))} missing or of the wrong kind, left out")
        try:
            return model.model_validate({key: value for key, value in content.items() if key not in wrong})
        except ValidationError:
            return None

    def records(self, model: type[Model], rows: Any, path: Path) -> tuple[Model, ...]:
        """A list of objects as models; what is none is counted and named."""
        if not isinstance(rows, list):
            self.fault(path, f"should hold a list, holds a {type(rows).__name__}")
            return ()
        found = []
        for index, row in enumerate(rows):
            if isinstance(row, dict):
                found.append(self.record(model, row, path, f"entry {index}: "))
            else:
                self.fault(path, f"entry {index}: should be an object, is a {type(row).__name__}, left out")
        return tuple(record for record in found if record is not None)


def read_run(folder: Path) -> Run:
    """Everything that the report tells about `folder`. Raises RunError where it is no folder or holds no stage."""
    if not folder.is_dir():
        raise RunError(f"{folder}: there is no such run; `trivium runs list` shows the runs there are")
    reader = Reader(folder)
    recipe = _recipe(reader)
    stages = {name: _stage(reader, name, recipe) for name in stages_of(folder, [str(name) for name in recipe])}
    if not any(stage.there for stage in stages.values()) and not recipe:
        raise RunError(
            f"{folder}: holds no stage of a run; give the folder that `trivium run` wrote, such as runs/first"
        )
    done = {name for name, stage in stages.items() if stage.state == "finished"}
    later = {
        int(place.name): {name: _stage(reader, f"rounds/{place.name}/{name}", {}) for name in ("reward", "align")}
        for place in round_folders(folder)
    }
    scores, samples = _evaluation(reader) if "evaluate" in done else ((), ())
    return Run(
        folder=folder,
        recipe=recipe,
        stages=stages,
        scores=scores,
        samples=samples,
        gather=reader.mapping(folder / "gather" / "gather.json", expected="gather" in done),
        tokenize=reader.mapping(folder / "tokenize" / "tokenize.json", expected="tokenize" in done),
        ceiling=reader.mapping(folder / "rate" / "ceiling.json"),
        raters=_raters(reader),
        lineage=_lineage(reader),
        tasks={
            name: reader.mapping(folder / name / "scores.json", expected=True)
            for name in stages
            if name in done and is_named(name, "finetune")
        },
        transfer=reader.mapping(folder / "transfer" / "transfer.json", expected=True) if "transfer" in done else {},
        asked=_asked(reader) if "evaluate" in done else (),
        faults=tuple(reader.faults),
        later=later,
    )


def _raters(reader: Reader) -> Mapping[str, int]:
    """Everyone who judged, with how many preferences they gave; ties and points are none."""
    found: Counter[str] = Counter()
    for _, row in reader.rows(reader.folder / "rate" / "preferences.jsonl"):
        found[str(row.get("rater", "unknown"))] += "chosen" in row and not row.get("tie")
    return found


def _recipe(reader: Reader) -> dict[str, Any]:
    path = reader.folder / "recipe.yaml"
    text = reader.text(path)
    if text is None:
        return {}
    try:
        content = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        content = None
    if not isinstance(content, dict):
        reader.fault(path, "damaged: not a YAML mapping")
        return {}
    return {str(key): value for key, value in content.items()}


def _stage(reader: Reader, name: str, recipe: Mapping[str, Any]) -> Stage:
    folder = reader.folder / name
    if not folder.is_dir():
        return Stage(name, "waiting" if name in recipe else "absent")
    path = folder / "trivium" / "stage.json"
    content = reader.mapping(path)
    facts = (reader.record(StageFile, content, path) if content else None) or StageFile()
    rows = tuple(row for _, row in reader.rows(folder / "trivium" / "metrics.jsonl"))
    return Stage(name, "finished" if path.exists() else "unfinished", facts, rows)


def _evaluation(reader: Reader) -> tuple[tuple[Score, ...], tuple[Sample, ...]]:
    """Scores and samples of the finished evaluation: those of an unfinished one may be about other models."""
    path, samples_path = (reader.folder / "evaluate" / name for name in ("scores.json", "samples.jsonl"))
    content = reader.mapping(path, expected=True)
    scores = reader.records(Score, content["scores"], path) if "scores" in content else ()
    rows = (reader.record(Sample, row, samples_path, f"line {line}: ") for line, row in reader.rows(samples_path))
    return scores, tuple(sample for sample in rows if sample is not None)


def _asked(reader: Reader) -> tuple[Mapping[str, Any], ...]:
    """The curves of tasks that were put to the models in words."""
    rows = reader.mapping(reader.folder / "evaluate" / "tasks.json").get("tasks")
    return tuple(row for row in rows if isinstance(row, dict)) if isinstance(rows, list) else ()


def _lineage(reader: Reader) -> tuple[LineageEntry, ...]:
    path = reader.folder / "lineage.json"
    text = reader.text(path)
    if text is None:
        return ()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        reader.fault(path, f"damaged ({_reason(error)})")
        return ()
    return reader.records(LineageEntry, content.get("entries") if isinstance(content, dict) else content, path)


def _reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error) or type(error).__name__


def _lines(numbers: list[int]) -> str:
    shown = ", ".join(str(number) for number in numbers[:5])
    more = f" and {len(numbers) - 5} more" if len(numbers) > 5 else ""
    return f"line{'s' if len(numbers) > 1 else ''} {shown}{more}"
