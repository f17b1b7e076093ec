"""Taking documents out of a run after the fact: out of the gathered text and out of the token shards, at once.

What has learned from them cannot unlearn: the models that saw them are named, with the first step that did. The records and the
lineage are brought up to date, so the run stays verifiable, and the next `trivium run` trains those models again without
the documents. The sources themselves are not touched: a document that is still there comes back when gather runs again,
unless it is taken out of them too.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.base.errors import RunError, UserError
from trivium.base.files import hold_lock, read_json, read_jsonl, write_jsonl
from trivium.data.manifest import MANIFEST, write_manifest
from trivium.data.shards import Shard, without_documents
from trivium.journey import lineage
from trivium.journey.hashes import FileHashes, hash_outputs, output_hash
from trivium.journey.keys import key_of
from trivium.journey.record import Record, now, read_record, round_folders, write_record

SPLITS = ("train", "valid")


@dataclass(frozen=True)
class Forgotten:
    """What was taken out: documents by split, tokens, and the models that saw them with the first step that did (None:
    what they were made from saw it)."""

    documents: dict[str, int]
    tokens: int
    saw: dict[str, int | None]


def forget(run: Path, names: Collection[str]) -> Forgotten:
    """Take the documents called `names` out of `run`. Raises UserError where one is not there; then nothing has changed."""
    wanted = set(names)
    with hold_lock(run):
        found = {split: _places(run, split, wanted) for split in SPLITS}
        missing = wanted - {name for places in found.values() for name in places.values()}
        if missing:
            raise UserError(
                f"{run}: no document is called {', '.join(map(repr, sorted(missing)))}; `trivium data show` lists them"
            )
        saw = dict(_who_saw(run, list(found["train"])))
        tokens = _forget_tokens(run, found)
        _forget_text(run, wanted)
        _bring_up_to_date(run, len(wanted))
    return Forgotten({split: len(places) for split, places in found.items()}, tokens, saw)


def _places(run: Path, split: str, wanted: set[str]) -> dict[int, str]:
    """The numbers of the rows that are wanted, with their names."""
    rows = read_jsonl(run / "gather" / "documents" / f"{split}.jsonl")
    return {number: row["id"] for number, row in enumerate(rows) if row["id"] in wanted}


def _who_saw(run: Path, places: list[int]) -> Iterator[tuple[str, int | None]]:
    """The stages with a model that learned from the training documents at `places`."""
    record = _record(run, "pretrain")
    tokens = _record(run, "tokenize")
    if not places or record is None or tokens is None:
        return
    from trivium.data.windows import Windows

    settings: dict[str, Any] = record.settings
    windows = Windows(Shard(run / "tokenize" / "train"), settings["length"], record.seed)
    ends = windows.shard.ends
    spans = [(int(ends[place - 1]) if place else 0, int(ends[place])) for place in places]
    sample = windows.first_sample(spans, settings["steps"] * settings["batch_size"])
    if sample is None:
        return
    yield "pretrain", sample // settings["batch_size"] + 1
    after = {"pretrain"}
    for place in (run, *round_folders(run)):
        for path in sorted(place.glob("*/trivium/stage.json"), key=lambda path: path.stat().st_mtime):
            folder = path.parent.parent
            other = read_record(folder)
            if other and after & other.inputs.keys() and (folder / "config.json").exists():
                after.add(other.stage)
                yield folder.relative_to(run).as_posix(), None


def _forget_tokens(run: Path, found: dict[str, dict[int, str]]) -> int:
    if _record(run, "tokenize") is None:
        return 0
    return sum(without_documents(run / "tokenize" / split, set(places)) for split, places in found.items() if places)


def _forget_text(run: Path, wanted: set[str]) -> None:
    folder = run / "gather"
    for path in [*(folder / "documents").glob("*.jsonl"), *(folder / "steps").glob("*.jsonl")]:
        write_jsonl(path, (row for row in read_jsonl(path) if row.get("id") not in wanted))
    events = [
        {name: value for name, value in event.items() if name not in ("previous", "hash")}
        for event in read_jsonl(folder / MANIFEST)
        if event.get("event") not in ("begin", "file")
    ]
    for old in [folder / "index", *(run / ".old").glob("gather-*"), *(run / ".old").glob("tokenize-*")]:
        shutil.rmtree(old, ignore_errors=True)  # they hold the documents too
    write_manifest(folder, [*events, {"event": "forgotten", "documents": len(wanted), "at": now()}])


def _bring_up_to_date(run: Path, count: int) -> None:
    """Write the records of gather and tokenize anew, with what they now hold, and tell the lineage."""
    hashes = FileHashes(run / ".hashes.json", trust=False)
    renewed: dict[str, Record] = {}
    for stage in ("gather", "tokenize"):
        record = _record(run, stage)
        if record is None:
            continue
        inputs = {
            name: renewed[name].output_hash if name in renewed else value for name, value in record.inputs.items()
        }
        parts = record.parts.model_copy(update={"inputs": inputs})
        outputs = hash_outputs(run / stage, hashes)
        update = {"inputs": inputs, "parts": parts, "key": key_of(parts), "outputs": outputs}
        renewed[stage] = record.model_copy(update={**update, "output_hash": output_hash(stage, outputs)})
        write_record(run / stage, renewed[stage])
        lineage.append(run, renewed[stage], f"forgot {count} documents")
    hashes.save()


def _record(run: Path, stage: str) -> Record | None:
    return read_record(run / stage) if (run / stage).is_dir() else None


def gather_folder(given: Path) -> Path:
    """The gather folder of a run, or the folder itself where it is one. Raises RunError where there is none."""
    for folder in (given / "gather", given):
        if (folder / "gather.json").is_file():
            read_json(folder / "gather.json")
            return folder
    raise RunError(f"{given}: holds no gathered data; give a run in which gather is finished")
