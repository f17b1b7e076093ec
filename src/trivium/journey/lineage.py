"""lineage.json: what was done in a run, in order, each entry bound to the one before by its hash.

`append` adds an entry, `verify_lineage` finds what was edited afterwards: an entry, a stage's record, or (it reads
every file for that) a stage's results. Whoever rewrites the whole chain and all the records can still forge it: it
protects against mistakes and shows what every figure came from, it is no signature.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.base.errors import RunError
from trivium.base.files import hash_file, hash_json, read_json, write_json
from trivium.journey.hashes import FileHashes, changed_outputs, output_hash
from trivium.journey.record import Record, now, read_record, round_folders

START = "0" * 64


def read_lineage(run: Path) -> list[dict[str, Any]]:
    """The entries, oldest first; none where nothing was done yet. Raises RunError where the file is damaged."""
    path = run / "lineage.json"
    if not path.exists():
        return []
    entries = read_json(path)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise RunError(f"{path}: damaged (not a list of entries); move it away and run again to start a new one")
    return entries


def append(run: Path, record: Record, how: str) -> None:
    """Add what became of a stage: `how` it came to be what it now is."""
    entries = read_lineage(run)
    entry: dict[str, Any] = {
        "index": len(entries),
        "stage": record.stage,
        "key": record.key,
        "settings_hash": hash_json(record.settings),
        "inputs": record.inputs,
        "output_hash": record.output_hash,
        "record_hash": hash_file(run / record.stage / "trivium" / "stage.json"),
        "how": how,
        "seconds": record.seconds,
        "at": now(),
        "previous": str(entries[-1].get("hash")) if entries else START,
    }
    write_json(run / "lineage.json", [*entries, {**entry, "hash": hash_json(entry)}])


def tells_of(run: Path, record: Record) -> bool:
    """Whether the newest entry about the stage is about this result of it."""
    entry = _newest(read_lineage(run)).get(record.stage)
    return entry is not None and entry.get("key") == record.key and entry.get("output_hash") == record.output_hash


def _newest(entries: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {str(entry.get("stage")): entry for entry in entries}


def verify_lineage(run: Path) -> None:
    """Raises RunError that names everything in the run that is not as it was written. Reads every file."""
    faults = lineage_faults(run)
    if faults:
        raise RunError("\n".join(faults))


def lineage_faults(run: Path) -> list[str]:
    """A sentence for everything in the run that is not as it was written; none where all is."""
    entries = read_lineage(run)
    faults: list[str] = []
    previous = START
    for index, entry in enumerate(entries):
        place = f"{run / 'lineage.json'}: entry {index} ({entry.get('stage')})"
        if hash_json({name: value for name, value in entry.items() if name != "hash"}) != entry.get("hash"):
            faults.append(f"{place} was edited")
        if entry.get("index") != index or entry.get("previous") != previous:
            faults.append(f"{place} does not follow the one before it: an entry was removed, added or moved")
        previous = str(entry.get("hash"))
    hashes = FileHashes(run / ".hashes.json", trust=False)
    newest = _newest(entries)
    for path in sorted(run.glob("*/trivium/stage.json")):
        faults += _verify_stage(path.parent.parent, newest, hashes)
    faults += [f"{run / name}: told of in lineage.json, but not there" for name in newest if not (run / name).is_dir()]
    return faults + [fault for folder in round_folders(run) for fault in lineage_faults(folder)]


def _verify_stage(folder: Path, newest: Mapping[str, Mapping[str, Any]], hashes: FileHashes) -> list[str]:
    try:
        record = read_record(folder)
    except RunError as error:
        return [str(error)]
    assert record
    path = folder / "trivium" / "stage.json"
    entry = newest.get(record.stage)
    faults = []
    if entry is None:
        faults.append(f"{path}: lineage.json does not tell of it")
    elif hash_file(path) != entry.get("record_hash"):
        faults.append(f"{path}: not what lineage.json tells of; one of the two was edited")
    if record.output_hash != output_hash(record.stage, record.outputs):
        faults.append(f"{path}: its list of outputs was edited")
    return faults + [
        f"{folder / name}: changed after the stage was finished"
        for name in changed_outputs(folder, record.outputs, hashes)
    ]
