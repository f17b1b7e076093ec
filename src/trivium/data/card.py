"""A card for gathered data, for people and for machines: README.md as Hugging Face reads it, and Croissant 1.1 JSON-LD.

Both are written from the manifest and gather.json; what no file can know (biases, consent, contact) is left as a question, not
invented. The gather folder with its card is a dataset that `datasets.load_dataset` reads.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trivium.base.files import read_json, read_jsonl, write_atomic
from trivium.data.account import UNSURE
from trivium.data.manifest import MANIFEST

CARD, CROISSANT = "README.md", "croissant.json"
SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
SPDX = {"cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "mit", "apache-2.0", "gpl-3.0", "psf-2.0"}
FIELDS = {
    "id": "the document's name: source, file and place",
    "text": "the text",
    "source": "which source it came from",
    "license": "what it may be used for",
}
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_card(folder: Path, name: str) -> tuple[Path, Path]:
    """Write both cards into the gather folder `folder`. Raises RunError where its files are missing or damaged."""
    facts = read_json(folder / "gather.json")
    events = list(read_jsonl(folder / MANIFEST))
    write_atomic(folder / CARD, _markdown(name, facts, events))
    write_atomic(folder / CROISSANT, json.dumps(_croissant(name, facts, events), indent=2, ensure_ascii=False) + "\n")
    return folder / CARD, folder / CROISSANT


def _sources(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [event for event in events if event.get("event") == "source"]


def _license(events: list[dict[str, Any]]) -> str:
    found = {str(event["license"]) for event in _sources(events)}
    return found.pop() if len(found) == 1 else "other"


def _described(name: str, facts: Mapping[str, Any]) -> str:
    documents, size = facts.get("documents", 0), facts.get("bytes", 0)
    amount = f"{size / 1e6:,.1f} MB" if size >= 1e6 else f"{size / 1e3:,.1f} kB"
    return f"{name}: {documents:,} documents, {amount} of text, gathered and cleaned with Trivium."


def _markdown(name: str, facts: Mapping[str, Any], events: list[dict[str, Any]]) -> str:
    languages = _languages(facts)
    count = facts.get("documents", 0)
    license = _license(events)
    datasets = sorted({str(event["dataset"]) for event in _sources(events) if "dataset" in event})
    head = {
        "pretty_name": name,
        "license": license.lower() if license.lower() in SPDX else "other",
        "language": languages or ["und"],
        "multilinguality": ["multilingual" if len(languages) > 1 else "monolingual"],
        "size_categories": [next((text for limit, text in SIZES if count < limit), "n>10M")],
        **({"source_datasets": datasets} if datasets else {}),
        "task_categories": ["text-generation"],
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": "train", "path": "documents/train.jsonl"},
                    {"split": "validation", "path": "documents/valid.jsonl"},
                ],
            }
        ],
    }
    import yaml

    rows = [  # a line of the table each
        f"| {_cell(event['name'])} | {_cell(_origin(event))} | {_cell(event['license'])} | {event.get('files', '')} "
        f"| {event.get('retrieved', '')} |"
        for event in _sources(events)
    ]
    steps = [
        f"| {_cell(event['source'])} | {_cell(event['step'])} | {event['documents_in']:,} | {event['documents_out']:,} |"
        for event in events
        if event.get("event") == "step"
    ]
    return "\n".join(
        (
            "---",
            yaml.safe_dump(head, sort_keys=False, allow_unicode=True).strip(),
            "---",
            f"# {name}",
            "",
            _described(name, facts),
            "",
            "## Source data",
            "",
            "| source | from | licence | files | newest file |",
            "|---|---|---|---|---|",
            *rows,
            "",
            "## Curation",
            "",
            "What was dropped, in order; every dropped document is listed with its reason in `steps/dropped.jsonl`.",
            "",
            "| source | step | documents in | documents out |",
            "|---|---|---|---|",
            *steps,
            "",
            "## Structure",
            "",
            *(f"- `{field}`: {meaning}" for field, meaning in FIELDS.items()),
            "",
            "## Personal data",
            "",
            _private(facts),
            "",
            "## To be answered by whoever publishes this",
            "",
            "- Did the people in the data agree, and how can they object?",
            "- Which groups and views are missing or misrepresented?",
            "- What should the data not be used for?",
            "- Who answers questions?",
            "",
        )
    )


def _languages(facts: Mapping[str, Any]) -> list[str]:
    """The languages of the documents whose language is sure, the most frequent first."""
    counts = {name: count for name, count in facts.get("languages", {}).items() if name != UNSURE}
    return sorted(counts, key=lambda name: -counts[name])


def _private(facts: Mapping[str, Any]) -> str:
    """What was looked for, and what was found."""
    looked_for = facts.get("looked_for", [])
    if not looked_for:
        return "Not looked for."
    found = ", ".join(f"{count:,} {kind}" for kind, count in facts.get("private", {}).items())
    rest = "" if "names" in looked_for else " Names and postal addresses were not looked for."
    return f"Looked for: {', '.join(looked_for)}. Found: {found or 'none'}.{rest}"


def _origin(event: Mapping[str, Any]) -> str:
    """The kind of a source; of a dataset of the hub, which one it is and at which commit."""
    return f"hub: {event['dataset']} at {event['revision'][:12]}" if "dataset" in event else str(event["kind"])


def _cell(text: Any) -> str:
    return str(text).replace("|", "\\|").replace("\n", " ")


def _croissant(name: str, facts: Mapping[str, Any], events: list[dict[str, Any]]) -> dict[str, Any]:
    files = [event for event in events if event.get("event") == "file" and str(event["name"]).startswith("documents/")]
    newest = max(
        (event["retrieved"] for event in _sources(events) if "retrieved" in event), default="1970-01-01T00:00:00+00:00"
    )
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": name,
        "description": _described(name, facts),
        "citeAs": f"{name}, gathered with Trivium, {newest[:10]}",
        "license": sorted({str(event["license"]) for event in _sources(events)}),
        "url": f"urn:sha256:{events[-1]['hash']}",  # of the manifest: where it will be published nobody knows yet
        "creator": {"@type": "sc:Organization", "name": "not named"},
        "datePublished": newest[:10],
        "version": "1.0.0",
        "inLanguage": sorted(_languages(facts)) or ["und"],
        "rai:dataCollection": f"{len(_sources(events))} sources, listed in README.md and {MANIFEST}",
        "rai:personalSensitiveInformation": _private(facts),
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": file["name"],
                "name": file["name"],
                "contentUrl": file["name"],
                "contentSize": f"{file['bytes']} B",
                "encodingFormat": "application/jsonlines",
                "sha256": file["sha256"],
            }
            for file in files
        ],
        "recordSet": [_records(file["name"]) for file in files],
    }


def _records(file: str) -> dict[str, Any]:
    name = Path(file).stem
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"the documents of {file}",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{field}",
                "name": f"{name}/{field}",
                "description": meaning,
                "dataType": "sc:Text",
                "source": {"fileObject": {"@id": file}, "extract": {"column": field}},
            }
            for field, meaning in FIELDS.items()
        ],
    }
