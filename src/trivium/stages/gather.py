"""Gathering: documents, instructions and open requests, from the sources that the recipe names.

Leaves documents/{train,valid}.jsonl, where there are any instructions/{train,heldout}.jsonl and
prompts/{train,heldout}.jsonl, for files the account of what was done to each document (steps/), gather.json, and the manifest
of it all. Exact duplicates are dropped; whatever is dropped is counted and named.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from trivium.base.errors import DataError, Interrupted, UserError
from trivium.base.files import write_json
from trivium.base.progress import Context, Progress
from trivium.data.account import Account
from trivium.data.counterfactual_settings import CanarySettings, CounterfactualSettings
from trivium.data.find import files_at
from trivium.data.intake import Intake, Item
from trivium.data.ledger import Ledger
from trivium.data.manifest import about_files, source_event, step_events, write_manifest
from trivium.data.outbox import Outbox, remove_leftovers, writing
from trivium.data.pool import Executor
from trivium.data.prepare import StepSettings
from trivium.data.sources import Local, Source, expected_bytes, names_of, read
from trivium.data.sources.files import FilesSource, files_of
from trivium.data.sources.hub import HubSource, bring
from trivium.data.sources.instructions import InstructionsSource
from trivium.data.sources.requests import RequestsSource
from trivium.data.sources.world import WorldSource
from trivium.data.twins import Twins

if TYPE_CHECKING:
    from trivium.data.hub import Fetched
    from trivium.data.names import Names
    from trivium.data.prepared import Corpus

NEEDS: tuple[str, ...] = ()
FILES = (
    "documents/train",
    "documents/valid",
    "instructions/train",
    "instructions/heldout",
    "prompts/train",
    "prompts/heldout",
    "steps/documents",
    "steps/dropped",
    "steps/private",
)
NOT_IN_KEY = ("workers", "executor")
UNITS = ".units"  # what the workers leave, until all is written
UNIT_BYTES = 16 << 20  # of the files, in a unit of work
HELD_OUT = "{name} (held out) {number}"  # what a held-out row is called
LOOK_EVERY = 256  # items between two looks at whether the user wants to stop


class GatherSettings(StepSettings):
    """What is read, what is done to it, and how much of it is kept for validation."""

    sources: tuple[Source, ...] = Field(
        default=(WorldSource(),), min_length=1, description="what is read, in this order"
    )
    valid_share: float = Field(default=0.05, gt=0, lt=1, description="share of the text that is kept for validation")
    strict: bool = Field(default=False, description="stop at the first file or row that cannot be read")
    counterfactual: CounterfactualSettings = CounterfactualSettings()
    canaries: CanarySettings = CanarySettings()
    workers: int = Field(default=0, ge=0, description="processes that read files; 0 for one a core")
    executor: Executor = Field(default="local", description="who runs them: local, datatrove or ray")

    @model_validator(mode="after")
    def _all_have_weights(self) -> GatherSettings:
        texts = [source for source in self.sources if not isinstance(source, InstructionsSource | RequestsSource)]
        weights = [getattr(source, "weight", None) for source in texts]
        if any(weights) and not all(weights):
            raise ValueError("give a weight to every source of text (all of kind files), or to none")
        if any(getattr(source, "epochs", None) for source in texts) and not any(weights):
            raise ValueError("epochs need weights: give a weight to every source of text")
        if any(weights) and self.canaries.copies and self.canaries.into == "documents":
            raise ValueError("canaries.into is documents, which does not go with weights; plant them in instructions")
        return self


class Tally:
    """Documents and bytes by source, kind and split, and rows of each file."""

    def __init__(self) -> None:
        self.rows: dict[str, int] = {}
        self.sizes: dict[str, int] = {}
        self.by_source: dict[str, dict[str, int]] = {}
        self.by_kind: dict[str, dict[str, int]] = {}
        self.by_split: dict[str, dict[str, int]] = {
            "train": {"documents": 0, "bytes": 0},
            "valid": {"documents": 0, "bytes": 0},
        }

    def add(self, item: Item) -> None:
        name = f"{item.part}/{item.split}"
        self.rows[name] = self.rows.get(name, 0) + 1
        if item.part == "documents":
            size = len(item.row["text"].encode("utf-8"))
            kind = item.row["meta"].get("kind", item.row["source"])
            for table, key in ((self.by_source, item.row["source"]), (self.by_kind, kind), (self.by_split, item.split)):
                row = table.setdefault(key, {"documents": 0, "bytes": 0})
                row["documents"] += 1
                row["bytes"] += size

    @property
    def bytes(self) -> int:
        return sum(row["bytes"] for row in self.by_split.values())

    def figures(self) -> dict[str, Any]:
        """The headline."""
        return {
            "documents": sum(row["documents"] for row in self.by_split.values()),
            "bytes": self.bytes,
            **{
                part: self.rows.get(f"{part}/train", 0) + self.rows.get(f"{part}/heldout", 0)
                for part in ("instructions", "prompts")
            },
        }


def depends_on(settings: GatherSettings) -> Any:
    """What outside the recipe the result depends on: the Python whose documentation is read."""
    import platform

    return platform.python_version() if any(source.kind == "python-docs" for source in settings.sources) else None


def run(settings: GatherSettings, context: Context) -> dict[str, Any]:
    """Read every source and write the rows. Returns the headline figures.

    Raises DataError naming file, line and field of what cannot be read, and where no text is left for either side.
    """
    started = time.monotonic()
    remove_leftovers(context.folder)
    settings, fetched = _fetched(settings, context)
    intake, tally = Intake(context.seed, settings.valid_share, Ledger(settings.strict)), Tally()
    names = names_of(settings.sources)
    expected = sum(expected_bytes(source) for source in settings.sources)
    corpus = _prepare(settings, names, context, expected)
    count = 0
    twins, planted = Twins(settings.counterfactual, context.seed), _plant(settings, context)
    with writing(context.folder, FILES) as outbox:
        account = None if corpus is None else Account(corpus, outbox, intake.ledger)
        names_out = _names(settings, context, outbox, intake.ledger)
        for source, name in zip(settings.sources, names, strict=True):
            items = _marked(read(source, name, intake, account), name, corpus)
            cleared = names_out(items) if names_out and isinstance(source, FilesSource) else items
            for item in twins.beside(cleared):
                outbox.write(f"{item.part}/{item.split}", item.row)
                tally.add(item)
                count += 1
                if count % LOOK_EVERY == 0:
                    _look_up(context, tally, expected)
        if account:
            account.finish(names_out.counts if names_out else {})
        for item in planted:
            outbox.write(f"{item.part}/{item.split}", item.row)
            tally.add(item)
        _require_both_sides(tally, intake, settings)
    if corpus is not None and settings.duplicates.keep_index:
        corpus.write_index(context.folder / "index")
    events = _source_events(settings, names, fetched)
    figures = tally.figures()
    dropped = intake.ledger.figures()
    content = {
        **figures,
        "train": tally.by_split["train"],
        "valid": tally.by_split["valid"],
        "rows": tally.rows,
        "by_source": tally.by_source,
        "by_kind": tally.by_kind,
        "sources": {
            name: {"kind": event["kind"], "license": event["license"]}
            | (fetched[number].facts if number in fetched else {})
            | intake.facts.get(name, {})
            for number, (name, event) in enumerate(zip(names, events, strict=False))
        },
        **dropped,
        **(account.figures() if account else {}),
        **twins.figures(),
        "seconds": round(time.monotonic() - started, 3),
    }
    write_json(context.folder / "gather.json", content)
    write_manifest(context.folder, [*events, *step_events(content.get("fates", {}))])
    for reason, number in {**dropped["dropped"], **dropped["mended"]}.items():
        note = f"{reason}: {number:,}, for example {intake.ledger.names[reason][0]}"
        context.report(Progress("gather", expected, expected, "bytes", note=note))
    context.report(Progress("gather", expected, expected, "bytes"))
    shutil.rmtree(context.folder / UNITS, ignore_errors=True)
    return figures | {"dropped": sum(dropped["dropped"].values())}


def _plant(settings: GatherSettings, context: Context) -> list[Item]:
    """The rows of the canaries, which are listed in a file of their own; none where none are planted."""
    from trivium.data.canaries import FILE, canaries_of, items_of, write_canaries

    (context.folder / FILE).unlink(missing_ok=True)
    if not settings.canaries.copies:
        return []
    canaries = canaries_of(settings.canaries, context.seed)
    write_canaries(context.folder, canaries, settings.canaries)
    return list(items_of(canaries, settings.canaries))


def _fetched(settings: GatherSettings, context: Context) -> tuple[GatherSettings, dict[int, Fetched]]:
    """The settings with the files of each dataset of the hub in its place, and by their numbers where those came from."""
    sources: list[Local] = []
    fetched: dict[int, Fetched] = {}
    for number, source in enumerate(settings.sources):
        if isinstance(source, HubSource):
            context.report(Progress("gather", 0, 1, "bytes", note=f"fetching {source.dataset} from the hub"))
            local, fetched[number] = bring(
                source, lambda done, total: context.report(Progress("gather", done, max(done, total), "bytes"))
            )
            sources.append(local)
        else:
            sources.append(source)
    return settings.model_copy(update={"sources": tuple(sources)}), fetched


def _source_events(settings: GatherSettings, names: list[str], fetched: dict[int, Fetched]) -> list[dict[str, Any]]:
    """Where everything comes from, for the manifest."""
    licenses = {"world": "CC0-1.0", "python-docs": "PSF-2.0"}
    events = []
    for number, (name, source) in enumerate(zip(names, settings.sources, strict=True)):
        further: dict[str, Any] = {key: getattr(source, key, None) for key in ("weight", "epochs")}
        if isinstance(source, FilesSource):
            further |= {"path": source.path.name, **about_files(files_of(source, Ledger()))}
        elif isinstance(source, InstructionsSource | RequestsSource):
            further |= {"path": source.path.name, **about_files(files_at(source.path))}
        kind = source.kind
        if number in fetched:  # the path is that of a cache
            kind, further = "hub", {**further, "path": None, **fetched[number].facts}
        license = getattr(source, "license", licenses.get(source.kind, "unknown"))
        events.append(source_event(name, kind, license, further))
    if settings.canaries.copies:
        events.append(source_event("canaries", "canaries", "CC0-1.0", {}))
    return events


def _prepare(settings: GatherSettings, names: list[str], context: Context, expected: int) -> Corpus | None:
    """The prepared documents of the sources of kind files; None where there is no such source."""
    chosen = [
        (source, name) for source, name in zip(settings.sources, names, strict=True) if isinstance(source, FilesSource)
    ]
    if not chosen:
        return None
    from trivium.data.contamination import evaluation_items
    from trivium.data.pool import run_units
    from trivium.data.prepared import Corpus
    from trivium.data.units import Work, make_plan

    # A damaged evaluation set always stops the run: what is not known of it cannot be kept out of training.
    found = evaluation_items(settings.contamination.against, Ledger(strict=True))
    items = [(item.name, item.text) for item in found]
    items += _own_heldout(settings, names)
    steps = StepSettings(**{name: getattr(settings, name) for name in StepSettings.model_fields})
    plan = make_plan(
        Work([one for one, _ in chosen], [name for _, name in chosen], steps, settings.strict, items, UNIT_BYTES)
    )

    def report(done: int) -> None:
        context.report(Progress("gather", min(done, expected), expected, "bytes"))

    run_units(
        plan,
        context.folder / UNITS,
        workers=settings.workers or context.threads,
        executor=settings.executor,
        report=report,
        stopping=context.stopping,
    )
    corpus = Corpus(plan, context.folder / UNITS)
    corpus.find_duplicates()
    return corpus


def _names(settings: GatherSettings, context: Context, outbox: Outbox, ledger: Ledger) -> Names | None:
    """What takes names out of documents, where the recipe gives a model that finds them."""
    private = settings.private
    if private.names_model is None:
        return None
    from trivium.data.names import Names
    from trivium.predict.names import load_finder

    find = load_finder(private.names_model, private.names_kinds, context.device, context.threads)
    return Names(find, private, outbox, ledger)


def _own_heldout(settings: GatherSettings, names: list[str]) -> Iterator[tuple[str, str]]:
    """The held-out rows of the recipe's instructions, as evaluation items."""
    from trivium.data.contamination import item_of_row

    for source, name in zip(settings.sources, names, strict=True):
        if settings.contamination.own_heldout and isinstance(source, InstructionsSource):
            items = read(source, name, Intake(0, settings.valid_share, Ledger(settings.strict)))
            rows = (item.row for item in items if item.split == "heldout")
            for number, row in enumerate(rows, 1):
                item = item_of_row(HELD_OUT.format(name=name, number=number), row)
                yield item.name, item.text


def _marked(items: Iterator[Item], name: str, corpus: Corpus | None) -> Iterator[Item]:
    """The items; held-out instructions that stand in a document of the files are marked."""
    number = 0
    for item in items:
        if (item.part, item.split) == ("instructions", "heldout"):
            number += 1
            if corpus is not None and HELD_OUT.format(name=name, number=number) in corpus.contaminated:
                item = replace(item, row={**item.row, "contaminated": True})
        yield item


def _look_up(context: Context, tally: Tally, expected: int) -> None:
    if context.stopping():
        raise Interrupted(f"stopped after {sum(tally.rows.values()):,} rows; the same command starts gathering again")
    context.report(
        Progress(
            "gather", min(tally.bytes, expected), expected, "bytes", {"documents": float(sum(tally.rows.values()))}
        )
    )


def _require_both_sides(tally: Tally, intake: Intake, settings: GatherSettings) -> None:
    train, valid = (tally.by_split[split]["documents"] for split in ("train", "valid"))
    if train and valid:
        return
    left_out = (
        ", ".join(f"{reason}: {number}" for reason, number in intake.ledger.dropped.items()) or "nothing was dropped"
    )
    if not train and not valid:
        raise DataError(f"no document is left to train on ({left_out}); add a source with text to gather.sources")
    missing = "validate with" if train else "train on"
    raise UserError(
        f"{train} documents fell to training and {valid} to validation ({left_out}): nothing to {missing}; "
        f"change gather.valid_share (now {settings.valid_share}), set split: tail on the source, or add text"
    )
