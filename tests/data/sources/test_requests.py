"""The user's open requests: every form of row, one side for a request, and faults with their place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trivium.base.errors import DataError
from trivium.data.intake import Intake, Item
from trivium.data.sources.requests import RequestsSource, read


def gather(path: Path, **settings: Any) -> tuple[list[Item], Intake]:
    intake = Intake(0, 0.05)
    return list(read(RequestsSource(path=path, **settings), "mine", intake)), intake


def asked(items: list[Item]) -> list[str]:
    return [item.row["messages"][-1]["content"] for item in items]


def test_all_forms_of_rows_become_requests(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "S"}, {"role": "user", "content": "U"}]
    said = {"role": "assistant", "content": "A"}
    rows = [
        {"messages": [*turns, said]},
        {"prompt": "Write."},
        {"prompt": [turns[1], said, {"role": "user", "content": "And then?"}], "chosen": "x", "rejected": "y"},
        {"instruction": "Add.", "input": "1 2", "output": "3"},
    ]
    (tmp_path / "r.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    items, _ = gather(tmp_path / "r.jsonl", heldout_share=0)
    assert items[0].row["messages"] == turns
    assert asked(items) == ["U", "Write.", "And then?", "Add.\n\n1 2"]
    assert {(item.part, item.split, item.row["kind"]) for item in items} == {("prompts", "train", "own")}
    assert len({item.row["id"] for item in items}) == len(items)


def test_a_line_of_text_is_a_request_and_doubles_are_dropped(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("Tell me of Velby.\n\n  Who is Anna?  \nTell me of Velby.\n")
    items, intake = gather(tmp_path, heldout_share=0)
    assert asked(items) == ["Tell me of Velby.", "Who is Anna?"]
    assert intake.ledger.dropped == {"exact duplicate (prompts)": 1}


def test_the_sides_depend_on_the_words_alone(tmp_path: Path) -> None:
    lines = [f"Tell me of number {number}." for number in range(300)]
    (tmp_path / "a.txt").write_text("\n".join(lines))
    (tmp_path / "b.txt").write_text("\n".join(reversed(lines)))
    sides = []
    for name in ("a.txt", "b.txt"):
        items, _ = gather(tmp_path / name, heldout_share=0.2)
        sides.append({item.row["messages"][0]["content"]: (item.split, item.row["id"]) for item in items})
    assert sides[0] == sides[1]
    assert 30 <= sum(side == "heldout" for side, _ in sides[0].values()) <= 90


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"prompt": " "}, "field 'prompt': is empty"),
        ({"prompt": 7}, "field 'prompt': should be text"),
        ({"messages": [{"role": "system", "content": "S"}]}, "no turn of the user"),
        ({"messages": []}, "should be a list of turns"),
        ({"messages": "Hello"}, "'messages'"),
        ({"question": "Why?"}, "this one has question"),
    ],
)
def test_bad_rows_are_named_in_one_sentence(tmp_path: Path, row: Any, told: str) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"prompt": "Good."}) + "\n" + json.dumps(row) + "\n")
    intake = Intake(0, 0.05)
    intake.ledger.strict = True
    with pytest.raises(DataError) as error:
        list(read(RequestsSource(path=path), "mine", intake))
    assert told in str(error.value) and "r.jsonl:2" in str(error.value)
    assert "\n" not in str(error.value)


def test_empty_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "r.txt").write_text("\n \n")
    with pytest.raises(DataError, match="nothing to read"):
        gather(tmp_path)
