"""Gathering: documents, instructions and open requests, from the sources that the recipe names.

Leaves documents/{train,valid}.jsonl, where there are any instructions/{train,heldout}.jsonl and
prompts/{train,heldout}.jsonl, and gather.json. Exact duplicates are dropped; whatever is dropped is counted and named.
"""

from __future__ import annotations

import time
from typing import Any

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError, Interrupted, UserError
from trivium.base.files import write_json
from trivium.base.progress import Context, Progress
from trivium.data.intake import Intake, Item
from trivium.data.outbox import remove_leftovers, writing
from trivium.data.sources import Source, expected_bytes, names_of, read
from trivium.data.sources.world import WorldSource

NEEDS: tuple[str, ...] = ()
FILES = (
    "documents/train",
    "documents/valid",
    "instructions/train",
    "instructions/heldout",
    "prompts/train",
    "prompts/heldout",
)
LOOK_EVERY = 256  # items between two looks at whether the user wants to stop


class GatherSettings(Settings):
    """What is read, and how much of it is kept for validation."""

    sources: tuple[Source, ...] = Field(
        default=(WorldSource(),), min_length=1, description="what is read, in this order"
    )
    valid_share: float = Field(default=0.05, gt=0, lt=1, description="share of the text that is kept for validation")


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
    intake, tally = Intake(context.seed, settings.valid_share), Tally()
    names = names_of(settings.sources)
    expected = sum(expected_bytes(source) for source in settings.sources)
    count = 0
    with writing(context.folder, FILES) as outbox:
        for source, name in zip(settings.sources, names, strict=True):
            for item in read(source, name, intake):
                outbox.write(f"{item.part}/{item.split}", item.row)
                tally.add(item)
                count += 1
                if count % LOOK_EVERY == 0:
                    _look_up(context, tally, expected)
        _require_both_sides(tally, intake, settings)
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
            name: {"kind": source.kind, **intake.facts.get(name, {})}
            for name, source in zip(names, settings.sources, strict=True)
        },
        **dropped,
        "seconds": round(time.monotonic() - started, 3),
    }
    write_json(context.folder / "gather.json", content)
    notes = [
        f"{reason}: {number}, for example {intake.ledger.names[reason][0]}"
        for reason, number in {**dropped["dropped"], **dropped["mended"]}.items()
    ]
    context.report(Progress("gather", expected, expected, "bytes", note="; ".join(notes) or None))
    return figures | {"dropped": sum(dropped["dropped"].values())}


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
