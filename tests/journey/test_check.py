"""`check` finds everything that is wrong at once, in the recipe and at the beginning of its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.journey.fake_stages import write_stages
from trivium.journey.check import BYTES, check, look_at


def checked(home: Path, content: dict[str, Any] | str) -> list[str]:
    path = home / "r.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return [fault.removeprefix(f"{path}").lstrip(":") for fault in check(path, [], write_stages(home))]


def test_a_good_recipe_has_no_faults(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("good\n")
    assert checked(tmp_path, {"gather": {"path": "a.txt"}, "pretrain": None}) == []


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "bad.jsonl").write_text('{"a": 1}\n\n{"a": \n[1]\n')
    faults = checked(
        tmp_path,
        {
            "seed": -1,
            "finetune": {"stepz": 3, "text": 7},
            "gather": {"path": "none.txt", "files": ["bad.jsonl"]},
        },
    )
    text = "\n".join(faults)
    assert "'seed'" in text
    assert "'finetune.stepz': unknown key; did you mean 'steps'?" in text
    assert "'finetune.text'" in text
    assert "'finetune' needs 'pretrain'" in text
    assert "'gather.path'" in text
    assert "bad.jsonl:3: not JSON" in text
    assert "bad.jsonl:4: each line must be a JSON object, this is a list" in text
    assert len(faults) == 7


def test_what_is_not_yaml_is_the_only_thing_said(tmp_path: Path) -> None:
    assert len(checked(tmp_path, "a: [")) == 1
    assert "no such recipe" in check(tmp_path / "none.yaml")[0]


def test_a_stage_may_know_more(tmp_path: Path) -> None:
    stages = write_stages(tmp_path)
    stages["gather"].check = lambda settings: [f"text is {settings.text}"]
    (tmp_path / "r.yaml").write_text("gather:\n  text: odd\n")
    assert check(tmp_path / "r.yaml", [], stages) == [f"{tmp_path / 'r.yaml'}: 'gather': text is odd"]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        ("a.txt", b"", "empty"),
        ("a.txt", b"one\ntw\xf6\n", "a.txt:2: not UTF-8 (byte 0xf6)"),
        ("a.txt", b"one\ntw\xf6", "a.txt:2: not UTF-8 (byte 0xf6)"),
        ("a.jsonl", b'{"a": "\xe4"}\n', "a.jsonl:1: not UTF-8 (byte 0xe4)"),
        ("a.jsonl", b'{"a": 1}\n"text"\n', "a.jsonl:2: each line must be a JSON object, this is a str"),
    ],
)
def test_faults_in_data_name_file_and_line(tmp_path: Path, name: str, content: bytes, fault: str) -> None:
    (tmp_path / name).write_bytes(content)
    (found,) = look_at(tmp_path / name)
    assert fault in found


def test_good_data_has_no_faults_even_where_a_character_is_cut_by_the_look(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * (BYTES - 1) + "ö".encode() + b"x")
    assert list(look_at(tmp_path / "a.txt")) == []
    (tmp_path / "b.jsonl").write_text('{"a": "ö"}\n\n')
    assert list(look_at(tmp_path / "b.jsonl")) == []
