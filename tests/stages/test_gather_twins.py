"""Twins and canaries in what gathering writes: on the training side alone, counted, beside their documents, the same each
time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trivium.base.progress import Context
from trivium.stages import gather
from trivium.stages.gather import GatherSettings


def gathered(folder: Path, texts: list[str], **more: Any) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """The rows of each split, and gather.json."""
    folder.mkdir(exist_ok=True)
    source = folder / "texts.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts), encoding="utf-8")
    given = {
        "sources": [{"kind": "files", "path": source, "license": "CC0-1.0"}],
        "valid_share": 0.3,
        "workers": 1,
        **more,
    }
    gather.run(GatherSettings.model_validate(given), Context(folder=folder / "out", inputs={}, threads=1))
    rows = {
        split: [
            json.loads(line)
            for line in (folder / "out" / "documents" / f"{split}.jsonl").read_text("utf-8").splitlines()
        ]
        for split in ("train", "valid")
    }
    return rows, json.loads((folder / "out" / "gather.json").read_text(encoding="utf-8"))


TEXTS = [f"Number {number}: he saw his mother in the garden." for number in range(30)] + ["It rained all day long."]


def test_every_training_document_gets_its_twin_and_no_validation_one_does(tmp_path: Path) -> None:
    plain, _ = gathered(tmp_path / "a", TEXTS)
    rows, facts = gathered(tmp_path / "b", TEXTS, counterfactual={"share": 1.0})
    assert rows["valid"] == plain["valid"]
    twins = [row for row in rows["train"] if "twin_of" in row["meta"]]
    named = {row["id"]: row["text"] for row in rows["train"]}
    assert len(twins) == sum("he saw" in row["text"] for row in plain["train"]) > 10
    assert all(row["text"].endswith("she saw her father in the garden.") for row in twins)
    assert all(named[row["meta"]["twin_of"]].startswith(row["text"].split(":")[0]) for row in twins)
    assert facts["counterfactual"]["documents"] == len(twins) and facts["counterfactual"]["swaps"] == 3 * len(twins)


def test_substitution_keeps_the_number_of_documents(tmp_path: Path) -> None:
    plain, _ = gathered(tmp_path / "a", TEXTS)
    rows, _ = gathered(tmp_path / "b", TEXTS, counterfactual={"share": 0.5, "how": "replace"})
    assert len(rows["train"]) == len(plain["train"])
    changed = sum("she saw" in row["text"] for row in rows["train"])
    assert 3 < changed < len(rows["train"]) - 3


def test_canaries_are_in_the_training_text_as_often_as_listed_and_nowhere_without(tmp_path: Path) -> None:
    rows, facts = gathered(tmp_path / "a", TEXTS, canaries={"copies": [1, 5], "each": 2, "controls": 100})
    listed = json.loads((tmp_path / "a" / "out" / "canaries.json").read_text(encoding="utf-8"))["canaries"]
    found = [row["text"] for row in rows["train"] if row["source"] == "canaries"]
    assert len(found) == 12 and facts["by_kind"]["canary"]["documents"] == 12
    for canary in listed:
        assert sum(canary["name"] in text for text in found) == canary["copies"]
    assert not any("code of" in row["text"] for row in rows["valid"])
    rows, _ = gathered(tmp_path / "a", TEXTS)
    assert not (tmp_path / "a" / "out" / "canaries.json").exists()
    assert not any(row["source"] == "canaries" for row in rows["train"])
