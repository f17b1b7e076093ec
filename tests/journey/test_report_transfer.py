"""The transfer section of the report: the answer, a drawing, tables, and nothing that is damaged."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.evaluate.test_transfer import rows
from tests.journey.fake_run import build_run
from trivium.evaluate.transfer import summary
from trivium.journey.report import render
from trivium.journey.report_read import read_run
from trivium.journey.report_transfer import transfer_part

SCORES = {
    "scratch": {8: [0.30, 0.32], 32: [0.40, 0.42], 128: [0.60, 0.62]},
    "full": {8: [0.40, 0.42], 32: [0.60, 0.62], 128: [0.70, 0.50]},
    "tfidf_logistic_regression": {8: [0.35, 0.36], 32: [0.5, 0.51], 128: [0.6, 0.61]},
}


def with_transfer(run: Path, content: Any) -> Path:
    """A finished transfer stage in the run that left `content`."""
    record = json.loads((run / "finetune" / "trivium" / "stage.json").read_text(encoding="utf-8"))
    (run / "transfer" / "trivium").mkdir(parents=True)
    (run / "transfer" / "trivium" / "stage.json").write_text(json.dumps({**record, "stage": "transfer"}), "utf-8")
    text = content if isinstance(content, str) else json.dumps(content)
    (run / "transfer" / "transfer.json").write_text(text, encoding="utf-8")
    return run


def content() -> dict[str, Any]:
    return {**summary(rows(SCORES), "accuracy"), "items": 400, "seeds": 2}


def test_the_page_answers_and_tells_every_figure_in_words(tmp_path: Path) -> None:
    run = with_transfer(build_run(tmp_path), content())
    part = transfer_part(read_run(run))
    assert part is not None and part.answer == content()["answer"]
    scores, gains, costs = part.tables
    assert scores.columns == ("Labels", "all weights", "random weights", "TF-IDF")
    assert scores.rows[1] == ("32", "61% (48 to 74)", "41% (28 to 54)", "50% (44 to 57)")
    assert gains.rows[0] == ("8", "+10.0 (+10.0 to +10.0)", "better", "about 32 labels")
    assert gains.rows[2][1:] == ("-1.0 (-140.8 to +138.8)", "may be chance", "about 119 labels")
    assert costs.rows[0][:2] == ("random weights", "10")
    assert part.headline == ("+20 points", "with 32 labels")
    text = render(read_run(run))
    assert 'id="transfer"' in text and "shows what pre-training saves" in text
    assert 'id="transfer"' not in render(read_run(build_run(tmp_path / "other")))


def test_the_drawing_marks_the_budgets_and_every_way_has_its_own_sign(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    part = transfer_part(read_run(with_transfer(build_run(tmp_path), content())))
    assert part is not None
    for text in ("8", "32", "128", "random weights", "all weights", "TF-IDF", "60%"):
        assert f">{text}<" in part.drawings[0].svg
    assert "by seconds" in part.drawings[1].title and "TF-IDF" not in part.drawings[1].svg


def test_what_is_shown_and_not_taught_has_its_place_in_every_table_and_drawing(tmp_path: Path) -> None:
    """Zero-shot has no labels: it stands above the table, and as a level in the drawing; nothing of both is trained."""
    zero = {"arm": "zero_shot", "labels": 0, "seed": 0, "value": 0.33, "low": 0.3, "high": 0.36, "items": 400}
    shown = rows({"few_shot": {8: [0.5, 0.52], 32: [0.45, 0.47], 128: [0.4, 0.42]}, "frozen": SCORES["scratch"]})
    sized = [row | {"parameters": 3 if row["arm"] == "frozen" else 0} for row in shown]
    told = summary([zero | {"parameters": 0, "seconds": 9.0}, *sized, *rows(SCORES)], "accuracy")
    part = transfer_part(read_run(with_transfer(build_run(tmp_path), {**told, "items": 400, "seeds": 2})))
    assert part is not None and part.asked.startswith("Asked in words, nothing trained, it scores 33.0%")
    scores, _, costs = part.tables
    assert scores.note == "of 400 test items; zero-shot: 33% (30 to 36), over items"
    assert [row[0] for row in scores.rows] == ["8", "32", "128"] and "zero-shot" not in scores.columns
    assert ("few-shot", "none", "2.0 s", "2.0 s") in costs.rows and (
        "zero-shot",
        "none",
        "9.0 s",
        "9.0 s",
    ) in costs.rows
    if part.drawings:
        assert [">few-shot<" in one.svg for one in part.drawings] == [True, False, False]
        assert ">zero-shot<" in part.drawings[0].svg and ">0<" not in part.drawings[0].svg
        assert ">8 labels<" in part.drawings[2].svg


@pytest.mark.parametrize("damaged", ["[]", "{", '{"curves": 3}', '{"curves": [{"arm": 1, "labels": "x"}]}'])
def test_what_is_damaged_is_left_out(tmp_path: Path, damaged: str) -> None:
    run = read_run(with_transfer(build_run(tmp_path), damaged))
    assert transfer_part(run) is None
    assert 'id="transfer"' not in render(run)
