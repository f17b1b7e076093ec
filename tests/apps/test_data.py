"""`trivium data`: what is shown of documents, that tampering is told, and that the card is one that its readers take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from trivium.apps.cli import app
from trivium.base.config import validate
from trivium.base.progress import Context
from trivium.stages.gather import GatherSettings, run


@pytest.fixture
def gathered(tmp_path: Path) -> Path:
    """A run whose gather is finished, of texts with something for every step to do."""
    river = "the river that runs past the old mill is slow and the people who live there have always been glad of it"
    texts = [f"Page {n}: words {n * 7} and {n * 13} of no great interest, written on day {n}." for n in range(30)]
    texts += [f"{river} {river.upper()}, again and again, said Nan.", f"{river} {river}, again and again, said nan!"]
    texts += ["Write to anna@post.org.", "Write to anna@post.org."]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    content: dict[str, Any] = {
        "sources": [{"kind": "files", "path": str(tmp_path / "t.jsonl"), "license": "CC-BY-4.0", "split": "documents"}],
        "private": {"find": ["email"]},
        "duplicates": {"near": True},
    }
    run(validate(GatherSettings, content, "recipe"), Context(tmp_path / "run/gather", {}))
    (tmp_path / "run/recipe.yaml").write_text("name: run\ngather:\n")
    (tmp_path / "run/lineage.json").write_text("[]")
    return tmp_path / "run"


def told(*arguments: str, fails: bool = False) -> str:
    result = CliRunner().invoke(app, ["data", *arguments])
    assert (result.exception is not None) == fails, result.output
    return str(result.exception) if fails else result.output


def test_documents_are_shown_with_what_was_done_to_them(gathered: Path) -> None:
    first = told("show", str(gathered))
    assert "t/t.jsonl#1 " in first and "kept for " in first and "go on with --page 2" in first
    second = told("show", str(gathered), "--page", "2")
    assert "t/t.jsonl#6 " in second and "t/t.jsonl#1 " not in second
    dropped = told("show", str(gathered), "--dropped")
    assert "dropped: near duplicate of t/t.jsonl#31" in dropped
    assert "dropped: exact duplicate (documents)" in dropped and "personal data: email at 9" in dropped
    whole = told("show", str(gathered), "--id", "t/t.jsonl#33")
    assert "Write to [EMAIL]." in whole and "anna" not in whole
    assert "no such document" in told("show", str(gathered), "--id", "nothing", fails=True)


def test_the_card_says_what_the_manifest_says(gathered: Path) -> None:
    told("card", str(gathered))
    head = yaml.safe_load((gathered / "gather/README.md").read_text().split("---")[1])
    assert head["license"] == "cc-by-4.0" and head["size_categories"] == ["n<1K"]
    for split in head["configs"][0]["data_files"]:
        assert (gathered / "gather" / split["path"]).is_file()
    croissant = json.loads((gathered / "gather/croissant.json").read_text())
    assert {file["contentUrl"] for file in croissant["distribution"]} == {
        "documents/train.jsonl",
        "documents/valid.jsonl",
    }
    text = (gathered / "gather/README.md").read_text()
    assert "Looked for: email. Found: 2 email. Names and postal addresses were not looked for." in text
    assert "| t | near duplicate | 34 | 33 |" in text or "| t | near duplicate | 33 | 32 |" in text


def test_the_card_tells_looking_in_vain_from_not_looking(gathered: Path) -> None:
    path = gathered / "gather/gather.json"
    facts = json.loads(path.read_text()) | {"private": {}, "languages": {"unsure": 9, "de": 1, "en": 20}}
    for looked_for, expected in (
        (["email", "ip", "names"], "Looked for: email, ip, names. Found: none."),
        ([], "Not looked for."),
    ):
        path.write_text(json.dumps(facts | {"looked_for": looked_for}))
        told("card", str(gathered))
        text = (gathered / "gather/README.md").read_text()
        assert f"\n{expected}\n" in text and yaml.safe_load(text.split("---")[1])["language"] == ["en", "de"]


def test_mlcroissant_takes_the_card(gathered: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    told("card", str(gathered))
    dataset = mlcroissant.Dataset(jsonld=str(gathered / "gather/croissant.json"))
    assert not dataset.metadata.ctx.issues.errors
    assert next(iter(dataset.records("train")))["train/id"]


def test_a_changed_file_is_told(gathered: Path) -> None:
    path = gathered / "gather/documents/train.jsonl"
    path.write_text(path.read_text().replace("Page 3", "Page 4"))
    assert f"{path}: changed after it was written" in told("verify", str(gathered), fails=True)


def test_a_share_of_the_work_is_done_from_elsewhere(gathered: Path, tmp_path: Path) -> None:
    assert "holds no plan; start the gathering first" in told("work", str(gathered), fails=True)
    from trivium.data.prepare import StepSettings
    from trivium.data.sources.files import FilesSource
    from trivium.data.units import Work, is_done, make_plan, write_plan

    plan = make_plan(Work([FilesSource(path=tmp_path / "t.jsonl")], ["t"], StepSettings(), unit_bytes=900))
    write_plan(plan, tmp_path / "units")
    assert "give it as K/N" in told("work", str(tmp_path / "units"), "--share", "2/2", fails=True)
    assert "share 1/2" in told("work", str(tmp_path / "units"), "--share", "1/2")
    done = [is_done(unit, tmp_path / "units") for unit in plan.units]
    assert len(done) > 2 and done == [bool(number % 2) for number in range(len(done))]
