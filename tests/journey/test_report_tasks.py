"""The tasks section of the report: scores beside baselines, the learning curve, and nothing that is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.journey.fake_run import build_run
from trivium.journey.report import render
from trivium.journey.report_read import read_run
from trivium.journey.report_tasks import task_parts


def score(value: float, low: float, high: float) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "items": 400}


CONTENT: dict[str, Any] = {
    "kind": "tag",
    "main": "span_f1",
    "scores": {
        "model": {"span_f1": score(0.91, 0.89, 0.93)},
        "known_spans": {"span_f1": score(0.4, 0.37, 0.43)},
        "crf": {"span_f1": score(0.96, 0.95, 0.97)},
    },
    "curve": [
        {"labels": 8, "start": start, "seed": seed, **score(value + 0.02 * seed, value - 0.1, value + 0.1)}
        for start, value in (("pretrained", 0.5), ("random", 0.2))
        for seed in (0, 1)
    ],
}  # fmt: skip


def with_task(run: Path, content: Any, name: str = "finetune-names") -> Path:
    """A finished stage of that name in the run, its scores being `content`."""
    record = json.loads((run / "finetune" / "trivium" / "stage.json").read_text(encoding="utf-8"))
    (run / name / "trivium").mkdir(parents=True)
    (run / name / "trivium" / "stage.json").write_text(json.dumps({**record, "stage": name}), encoding="utf-8")
    text = content if isinstance(content, str) else json.dumps(content)
    (run / name / "scores.json").write_text(text, encoding="utf-8")
    return run


def test_a_better_baseline_is_said_to_be_better(tmp_path: Path) -> None:
    (part,) = task_parts(read_run(with_task(build_run(tmp_path), CONTENT)))
    assert part.sentence == "The baseline crf is better (96%), and the intervals do not meet."
    assert [row.label for row in part.tables[0].rows] == ["this model", "known spans", "crf"]
    assert part.tables[1].stages == ("pre-trained", "random start")
    cells = part.tables[1].rows[0].cells
    assert [cell.value for cell in cells if cell] == ["51%", "21%"]  # the mean of two draws


def test_the_page_shows_the_task_and_its_stage_in_the_journey(tmp_path: Path) -> None:
    page = render(read_run(with_task(build_run(tmp_path), CONTENT)))
    assert 'id="tasks"' in page and "learns a task: names" in page
    assert "F1 of entities" in page and "random start" in page
    assert 'id="tasks"' not in render(read_run(build_run(tmp_path / "other")))


def test_what_makes_no_sense_is_left_out_and_told(tmp_path: Path) -> None:
    run = read_run(with_task(build_run(tmp_path), "{"))
    assert task_parts(run) == ()
    assert any("finetune-names/scores.json: damaged" in fault for fault in run.faults)
    odd = {
        **CONTENT,
        "curve": [{"labels": "many"}, 3],
        "scores": {**CONTENT["scores"], "crf": 7, "<b>": {"span_f1": {}}},
    }
    (part,) = task_parts(read_run(with_task(build_run(tmp_path / "odd"), odd)))
    assert len(part.tables) == 1 and len(part.tables[0].rows) == 2


def test_a_masked_model_is_not_said_to_write(tmp_path: Path) -> None:
    run = build_run(tmp_path / "run")
    path = run / "pretrain" / "trivium" / "stage.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["settings"] = {**record.get("settings", {}), "objective": "masked"}
    record["figures"] = {**record.get("figures", {}), "masked_accuracy": 0.61}
    path.write_text(json.dumps(record), encoding="utf-8")
    page = render(read_run(run))
    assert "hidden tokens found" in page and "What is missing?" in page and "It fills gaps" in page
    assert "Guess the next token, at every position" not in page and "It continues any text" not in page
    assert "--stage pretrain" not in page, "there is no talking to it"
