"""`trivium evaluate` on model folders: a table or one JSON object, a paired test of two, and mistakes in one sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evaluate.small import causal_reader, tokenizer
from trivium.apps.evaluate import EvaluateOptions, evaluate
from trivium.base.errors import DataError, RecipeError, RunError, UserError
from trivium.base.seeds import torch_random
from trivium.data.tasks import read
from trivium.model.initialise import initialise
from trivium.task.declaration import Task, read_task
from trivium.task.items import Chosen
from trivium.train.record import save_model_folder

TASK = """
kind: choose
data: {train: train.jsonl, test: test.jsonl}
views: {prompt: {template: "{question} ->"}}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models of random weights, and a task."""
    folder = tmp_path_factory.mktemp("evaluate")
    words = tokenizer()
    for number, name in enumerate(("one", "two")):
        model = causal_reader(words).generator.model
        initialise(model, torch_random(number, "weights"))
        save_model_folder(model, words, folder / name)
    (folder / "task.yaml").write_text(TASK, encoding="utf-8")
    for split, start in (("train", 0), ("test", 30)):
        rows = [
            {"question": f"the {n}", "options": ["red", "old", "big"], "answer": n % 3}
            for n in range(start, start + 24)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_two_models_are_compared_on_the_same_items(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = EvaluateOptions(
        targets=[place / "one", place / "two"], task=[place / "task.yaml"], shots="0,2", as_json=True
    )
    evaluate(options)
    told = json.loads(capsys.readouterr().out)["task"]
    first, second = (told[str(place / name)]["points"] for name in ("one", "two"))
    assert [point["shots"] for point in first] == [0, 2] and first[0]["scores"]["sum"]["items"] == 24
    for point, gap in zip(range(2), told["differences"], strict=True):
        expected = second[point]["scores"]["sum"]["value"] - first[point]["scores"]["sum"]["value"]
        assert gap["value"] == pytest.approx(expected) and 0 < gap["p"] <= 1 and gap["items"] == 24


def test_a_table_tells_interval_spread_and_chance(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evaluate(EvaluateOptions(targets=[place / "one"], task=[place / "task.yaml"], scoring="per_token"))
    out = capsys.readouterr().out
    assert "per_token" in out and "chance 0.333" in out and " to " in out


def test_mistakes_are_told(place: Path) -> None:
    with pytest.raises(UserError, match="say what to measure"):
        evaluate(EvaluateOptions(targets=[place / "one"]))
    with pytest.raises(RecipeError, match="scoring"):
        evaluate(EvaluateOptions(targets=[place / "one"], task=[place / "task.yaml"], scoring="best"))
    with pytest.raises(RecipeError, match="shots"):
        evaluate(EvaluateOptions(targets=[place / "one"], task=[place / "task.yaml"], shots="0,many"))
    with pytest.raises(RunError):
        evaluate(EvaluateOptions(targets=[place / "one"], task=[place / "task.yaml"], stage="align"))


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"question": "a", "options": ["b"], "answer": 0}, "field 'options': needs at least two different options"),
        ({"question": "a", "options": ["b", "c"], "answer": "d"}, "field 'answer': \"d\" is none of the options"),
        ({"question": "a", "options": ["b", "c"], "answer": 2}, "nor a number from 0 to 1"),
        ({"question": "", "options": ["b", "c"], "answer": 1}, "field 'question': is empty"),
        ({"options": ["b", "c"], "answer": 1}, "field 'question': missing"),
    ],
)
def test_rows_to_choose_from_are_checked(tmp_path: Path, row: dict[str, object], told: str) -> None:
    (tmp_path / "rows.jsonl").write_text(json.dumps(row) + "\n", encoding="utf-8")
    content = {
        "kind": "choose",
        "data": {"train": str(tmp_path / "rows.jsonl")},
        "views": {"prompt": {"template": "{question}"}},
    }
    with pytest.raises(DataError, match=r"rows\.jsonl:1: ") as caught:
        read(Task.model_validate(content), 0)
    assert told in str(caught.value)


def test_an_answer_is_an_option_or_its_number(place: Path) -> None:
    items = read(read_task(place / "task.yaml"), 0).test
    assert isinstance(items[0], Chosen) and items[0].options[items[0].right] == "red"
