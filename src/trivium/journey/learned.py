"""Which results learned from a rater: the way from an answer to every model that it helped to make.

A line of preferences.jsonl names its rater; a stage's record names the outputs that it read by their hash. Results that
were put aside, and those of all rounds, are looked at too. A round starts from the tuned model and from its own list of
preferences; what it took from the round before is answers to rate, so that alone is no learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trivium.base.errors import RunError
from trivium.base.files import read_jsonl
from trivium.journey.record import Record, read_record, round_folders
from trivium.journey.shelf import OLD

ANSWER_FIELDS = (
    "answer",
    "answer_id",
)  # of an answer's id in the store: in a pair's line, and in one of a single answer


def learned_from(run: Path, name: str, fields: Sequence[str] = ("rater",)) -> list[Path]:
    """The folders of finished stages that read preferences of the rater called `name` (or those one of whose `fields`, such
    as `ANSWER_FIELDS`, is that), directly or through other stages."""
    records = {folder: record for folder in _folders(run) if (record := _record(folder)) is not None}
    tainted = {
        record.output_hash
        for folder, record in records.items()
        if record.stage == "rate" and _names(folder, name, fields)
    }
    found: dict[Path, Record] = {}
    while True:
        more = {
            folder: record
            for folder, record in records.items()
            if folder not in found and tainted.intersection(_learned_inputs(record))
        }
        if not more:
            return sorted(found)
        found |= more
        tainted |= {record.output_hash for record in more.values()}


def _learned_inputs(record: Record) -> list[str]:
    return [output for name, output in record.inputs.items() if not name.endswith("_before")]


def _folders(run: Path) -> list[Path]:
    places = [place for one in (run, *round_folders(run)) for place in (one, one / OLD) if place.is_dir()]
    return [path for place in places for path in sorted(place.iterdir()) if path.is_dir()]


def _record(folder: Path) -> Record | None:
    try:
        return read_record(folder)
    except RunError:
        return None


def _names(folder: Path, name: str, fields: Sequence[str]) -> bool:
    path = folder / "preferences.jsonl"
    return path.exists() and any(row.get(field) == name for row in read_jsonl(path) for field in fields)
