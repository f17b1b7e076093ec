"""What was asked in words, what was required, what may be shared, and the card: told from the run's files and no more."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.journey.fake_run import build_run, scores
from trivium.base.files import read_json, write_json
from trivium.journey.hashes import FileHashes, hash_outputs
from trivium.journey.model_card import write_model_cards
from trivium.journey.report import render, write_report
from trivium.journey.report_private import shareable
from trivium.journey.report_read import read_run
from trivium.journey.report_shots import shot_parts


def row(name: str, stage: str, value: float, half: float = 0.03) -> dict[str, Any]:
    told = {
        "value": value,
        "low": value - half,
        "high": value + half,
        "items": 200,
        "unit": "share",
        "note": "sum, prompt",
    }
    return {"name": name, "stage": stage, **told}


SHOTS = [row("shots/mood/0", "pretrain", 0.5), row("shots/mood/8", "pretrain", 0.7), row("shots/mood/0", "align", 0.9)]
CURVE = {
    "name": "mood",
    "stage": "pretrain",
    "chance": 0.5,
    "notes": ["2 <b>items</b>"],
    "points": [{"shots": 8, "spread": 0.04}],
}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = build_run(tmp_path / "run")
    write_json(folder / "evaluate" / "scores.json", {"scores": [*scores(), *SHOTS]})
    write_json(folder / "evaluate" / "tasks.json", {"tasks": [CURVE, "damaged"]})
    return folder


def test_scores_by_the_number_of_examples_with_chance_in_words(run: Path) -> None:
    (part,) = shot_parts(read_run(run))
    assert [one.label for one in part.table.rows] == ["0 examples", "8 examples"]
    assert part.table.stages == ("pretrain", "align")
    assert part.sentences[:4] == (
        "Guessing would score 50%.",
        "Without an example not shown to be above chance: pre-trained.",
        "Without an example above chance: aligned.",
        "With 8 examples better, and the intervals do not meet: pre-trained.",
    )
    assert "up to 4.0 points" in part.sentences[4] and len(part.sentences) == 5
    assert part.table.note == "asked at the end of a prompt; the likeliest option counts"
    html = render(read_run(run))
    assert 'id="asked"' in html and "2 &lt;b&gt;items" in html and "Shots/mood" not in html


def test_what_was_required_stands_on_the_page(run: Path) -> None:
    recipe = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    recipe["evaluate"] = {"require": [{"score": "win_rate", "at_least": 0.99}, {"score": "kl", "at_most": 9}]}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    html = render(read_run(run))
    assert 'id="required"' in html and html.count("&#10003; yes") == 1 and html.count("&#10007; no") == 1
    assert "1 of 2 does not hold, so `trivium run` ends with an error" in html


def test_personal_data_are_replaced_and_a_page_without_samples_holds_no_text(run: Path) -> None:
    path = run / "evaluate" / "samples.jsonl"
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    lines[0]["answers"]["align"] = "Write to anna.miller@mail.example.org, she knows"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    html = write_report(run).read_text(encoding="utf-8")
    assert "anna.miller" not in html and "[EMAIL]" in html
    bare = write_report(run, samples=False)
    text = bare.read_text(encoding="utf-8")
    assert bare.name == "report-no-samples.html" and 'id="scores"' in text
    for sample in shareable(read_run(run)).samples:
        assert sample.text not in text
    assert "grandmother" not in text


def test_a_card_is_what_hugging_face_reads_and_no_output_of_the_stage(run: Path) -> None:
    for stage, kind in (("pretrain", "Qwen3ForCausalLM"), ("reward", "Qwen3ForSequenceClassification")):
        write_json(
            run / stage / "config.json", {"architectures": [kind], "model_type": "qwen3", "num_hidden_layers": 6}
        )
    cards = write_model_cards(run)
    assert [card.parent.name for card in cards] == ["pretrain", "reward"]
    text = cards[0].read_text(encoding="utf-8")
    metadata = yaml.safe_load(text.split("---\n")[1])
    assert metadata["library_name"] == "transformers" and metadata["pipeline_tag"] == "text-generation"
    (result,) = [one for one in metadata["model-index"][0]["results"] if one["metrics"][0]["type"] == "instructions"]
    assert result["metrics"][0]["value"] == 0.021
    assert "| valid_bits_per_byte | 0.65" in text and "5.31 million parameters" in text
    assert "Not measured in this run" in text and "by a program" in text
    assert (
        "| shots/mood/0 | 0.50 | 0.47 to 0.53 | 200 | asked at the end of a prompt; the likeliest option counts |"
        in text
    )
    assert "AutoModelForCausalLM.from_pretrained" in text and "apply_chat_template" not in text
    assert "AutoModelForSequenceClassification.from_pretrained" in cards[1].read_text(encoding="utf-8")
    assert "planted" not in text
    recipe = yaml.safe_load((run / "recipe.yaml").read_text(encoding="utf-8"))
    recipe["gather"] = {"canaries": {"copies": [1, 64], "into": "instructions"}}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe), encoding="utf-8")
    told = write_model_cards(run)[0].read_text(encoding="utf-8")
    assert "planted on purpose: made-up secrets in its instructions (1, 64 copies each)" in told
    assert "README.md" not in hash_outputs(run / "pretrain", FileHashes(run / ".memory"))
    hub = pytest.importorskip("huggingface_hub")
    read = hub.ModelCard.load(cards[0], ignore_metadata_errors=False).data
    assert read.eval_results and "instructions" in {one.metric_type for one in read.eval_results}


@pytest.mark.parametrize(
    ("licenses", "told"), [(("MIT", "MIT"), "mit"), (("MIT", "unknown"), None), (("MIT", "X"), None)]
)
def test_a_card_names_the_licence_that_all_texts_have(run: Path, licenses: tuple[str, str], told: str | None) -> None:
    gathered = read_json(run / "gather/gather.json")
    mine = {"kind": "hub", "license": licenses[0], "dataset": "owner/name", "revision": "0123abc"}
    gathered["sources"] = {"mine": mine, "notes": {"kind": "files", "license": licenses[1]}}
    write_json(run / "gather/gather.json", gathered)
    write_json(run / "pretrain/config.json", {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"})
    text = write_model_cards(run)[0].read_text(encoding="utf-8")
    assert yaml.safe_load(text.split("---\n")[1]).get("license") == told
    assert "- source `mine`: `owner/name` on the hub, at `0123abc`, MIT" in text
    assert f"- source `notes`: {'license not told' if licenses[1] == 'unknown' else licenses[1]}" in text
