"""The manifest of a gathering: where each document came from and what every step let through, hash-chained.

manifest.jsonl holds an event a line: each source (licence, newest change of its files), each step with the documents that went
in and came out, each file that was written with its hash. An event's hash covers the one before it, so an edit, a removal or
a flipped byte is found. Whoever rewrites the whole chain can still forge it: it is no signature.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trivium import __version__
from trivium.base.files import hash_file, hash_json, read_jsonl, write_jsonl

MANIFEST = "manifest.jsonl"
START = "0" * 64


def write_manifest(folder: Path, events: Iterable[Mapping[str, Any]]) -> None:
    """Write `events`, in their order, as the manifest of `folder`; its own output files are added and hashed."""
    outputs = (
        {
            "event": "file",
            "name": path.relative_to(folder).as_posix(),
            "bytes": path.stat().st_size,
            "sha256": hash_file(path),
        }
        for part in ("documents", "instructions", "prompts", "steps")
        for path in sorted((folder / part).glob("*.jsonl"))
    )
    chained: list[dict[str, Any]] = []
    previous = START
    for event in [{"event": "begin", "version": __version__}, *events, *outputs]:
        entry = {**event, "previous": previous}
        previous = hash_json(entry)
        chained.append({**entry, "hash": previous})
    write_jsonl(folder / MANIFEST, chained)


def mix_of(folder: Path) -> dict[str, tuple[float, float | None]]:
    """Weight and epochs of the sources of a gather folder, by name; empty where they are not mixed by weight."""
    events = read_jsonl(folder / MANIFEST) if (folder / MANIFEST).exists() else iter(())
    return {str(event["name"]): (event["weight"], event.get("epochs")) for event in events if "weight" in event}


def source_event(name: str, kind: str, license: str, further: Mapping[str, Any]) -> dict[str, Any]:
    """Where documents come from; what of `further` is None is left out."""
    event = {"event": "source", "name": name, "kind": kind, "license": license, **further}
    return {key: value for key, value in event.items() if value is not None}


def about_files(files: Sequence[Path]) -> dict[str, Any]:
    """Of the files of a source: how many, their bytes, and when the newest was last written, the best that is known of when
    they were retrieved (of a dataset of the hub, when it was fetched)."""
    facts = [file.stat() for file in files]
    newest = max((one.st_mtime for one in facts), default=0)
    at = datetime.fromtimestamp(int(newest), UTC).isoformat()
    return {"files": len(files), "bytes": sum(one.st_size for one in facts), "retrieved": at}


def step_events(fates: Mapping[str, Mapping[str, Mapping[str, int]]]) -> list[dict[str, Any]]:
    """A line for each source and reason: how many documents went into the step that has it, and how many came out."""
    events = []
    for source, by_fate in fates.items():
        left = sum(counts["documents"] for counts in by_fate.values())
        for fate, counts in sorted(by_fate.items()):
            if fate != "kept":
                out = left - counts["documents"]
                events.append(
                    {"event": "step", "source": source, "step": fate, "documents_in": left, "documents_out": out}
                )
                left = out
    return events


def manifest_faults(folder: Path) -> list[str]:
    """A sentence for everything in `folder` that is not as its manifest says; none where all is."""
    path = folder / MANIFEST
    faults = []
    previous = START
    events = list(read_jsonl(path))
    for number, event in enumerate(events, 1):
        content = {name: value for name, value in event.items() if name != "hash"}
        if event.get("previous") != previous or hash_json(content) != event.get("hash"):
            faults.append(f"{path}:{number}: edited, or an event before it was removed, added or moved")
        previous = str(event.get("hash"))
        if event.get("event") == "file":
            file = folder / str(event.get("name"))
            if not file.is_file():
                faults.append(f"{file}: missing; the manifest tells of it")
            elif hash_file(file) != event.get("sha256"):
                faults.append(f"{file}: changed after it was written")
    if not events:
        faults.append(f"{path}: empty")
    return faults
