"""The user's instructions: three forms of rows, one side for a request, and every fault with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trivium.base.errors import DataError
from trivium.data.intake import Intake, Item
from trivium.data.sources.instructions import InstructionsSource, read


def gather(path: Path, **settings: Any) -> tuple[list[Item], Intake]:
    intake = Intake(0, 0.05)
    return list(read(InstructionsSource(path=path, **settings), "mine", intake)), intake


def jsonl(path: Path, *rows: Any) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_all_forms_of_rows_become_conversations(tmp_path: Path) -> None:
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "U"},
        {"role": "assistant", "content": "A"},
    ]
    path = jsonl(
        tmp_path / "i.jsonl",
        {"messages": messages, "family": "talk", "extra": 1},
        {"instruction": "Add.", "input": "1 2", "output": "3"},
        {"instruction": "Name a colour.", "input": "", "output": "Red"},
        {"instruction": "Name another.", "output": "Blue"},
    )
    items, _ = gather(path, heldout_share=0)
    rows = [item.row for item in items]
    assert rows[0] == {"messages": messages, "family": "talk"}
    asked = [(row["messages"][0]["content"], row["messages"][1]["content"], row["family"]) for row in rows[1:]]
    assert asked == [("Add.\n\n1 2", "3", "mine"), ("Name a colour.", "Red", "mine"), ("Name another.", "Blue", "mine")]
    assert {item.split for item in items} == {"train"}


def test_a_list_in_one_json_file_is_read_as_well(tmp_path: Path) -> None:
    rows = [{"instruction": f"Say {n}.", "output": str(n)} for n in range(5)]
    (tmp_path / "i.json").write_text(json.dumps(rows, indent=2))
    items, _ = gather(tmp_path / "i.json", heldout_share=0)
    assert [item.row["messages"][1]["content"] for item in items] == ["0", "1", "2", "3", "4"]


def test_a_request_and_all_its_answers_are_on_one_side(tmp_path: Path) -> None:
    rows = [{"instruction": f"Say {n % 200}.", "output": f"{n}"} for n in range(600)]
    items, _ = gather(jsonl(tmp_path / "i.jsonl", *rows), heldout_share=0.2)
    train = {item.row["messages"][0]["content"] for item in items if item.split == "train"}
    heldout = {item.row["messages"][0]["content"] for item in items if item.split == "heldout"}
    assert not train & heldout and len(train | heldout) == 200
    assert 20 <= len(heldout) <= 60
    row = next(item.row for item in items if item.split == "heldout")
    assert len(row["messages"]) == 1 and row["answer"].isdigit()
    assert (row["family"], row["level"], row["verifiable"]) == ("mine", "own", True)


def test_exact_duplicates_and_surrogates_are_counted(tmp_path: Path) -> None:
    row = {"instruction": "Hi\ud800", "output": "Hello"}
    items, intake = gather(jsonl(tmp_path / "i.jsonl", row, row), heldout_share=0)
    assert [item.row["messages"][0]["content"] for item in items] == ["Hi\ufffd"]
    assert intake.ledger.dropped == {"exact duplicate (instructions)": 1}
    assert intake.ledger.mended == {"lone surrogates replaced": 2}


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "i.jsonl",
            '{"instruction": "a", "output": "b"}\n{"prompt": "a"}',
            r"i\.jsonl:2: a row has 'messages', or .*this one has prompt",
        ),
        ("i.jsonl", '{"instruction": "a", "output": " "}', r"i\.jsonl:1: field 'output': is empty"),
        ("i.jsonl", '{"instruction": 3, "output": "b"}', r"i\.jsonl:1: field 'instruction': should be text, is 3"),
        (
            "i.jsonl",
            '{"messages": [{"role": "user", "content": "x"}]}',
            r"i\.jsonl:1: field 'messages': nothing to learn",
        ),
        ("i.jsonl", "", "nothing to read: the file is empty"),
        (
            "i.json",
            '[{"instruction": "a", "output": "b"}, {"instruction": "a"}]',
            r"i\.json\[1\]: a row has 'messages'",
        ),
        ("i.json", '[{"instruction": "a", "output": ""}]', r"i\.json\[0\]: field 'output': is empty"),
        ("i.json", "[1]", r"i\.json\[0\]: a row is a JSON object, this is a int"),
        ("i.json", '{"a": 1}', r"i\.json: should be a list of rows, is a dict"),
        ("i.json", "[\n1,,\n]", r"i\.json:2: not JSON \(Expecting value at column 3\)"),
    ],
)
def test_bad_rows_are_named_in_one_sentence(tmp_path: Path, name: str, content: str, fault: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=fault) as caught:
        gather(tmp_path / name)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(tmp_path))
