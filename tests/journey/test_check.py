"""`check` finds everything that is wrong at once, in the recipe and at the beginning of its data."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.journey.fake_stages import write_stages
from trivium.base.errors import RecipeError
from trivium.journey import check as module
from trivium.journey.check import check, require_sound
from trivium.journey.recipe import read_recipe
from trivium.journey.runner import run


def checked(home: Path, content: dict[str, Any] | str, stages: dict[str, Any] | None = None) -> list[str]:
    path = home / "r.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    found = check(path, [], stages) if stages else check(path)
    return [fault.removeprefix(f"{path}").lstrip(":").strip() for fault in found]


def test_a_good_recipe_has_no_faults(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("good\n")
    assert checked(tmp_path, {"gather": {"path": "a.txt"}, "pretrain": None}, write_stages(tmp_path)) == []


def test_everything_is_said_at_once(tmp_path: Path) -> None:
    content = {"seed": -1, "finetune": {"stepz": 3, "text": 7}, "gather": {"path": "none.txt", "files": ["no/*.txt"]}}
    faults = checked(tmp_path, content, write_stages(tmp_path))
    text = "\n".join(faults)
    assert "'seed'" in text
    assert "'finetune.stepz': unknown key; did you mean 'steps'?" in text
    assert "'finetune.text'" in text
    assert "'finetune' needs 'pretrain'" in text
    assert "'gather.path'" in text
    assert "'gather.files[0]'" in text
    assert len(faults) == 6


def test_what_is_not_yaml_is_the_only_thing_said(tmp_path: Path) -> None:
    assert len(checked(tmp_path, "a: [")) == 1
    assert "no such recipe" in check(tmp_path / "none.yaml")[0]


def test_a_stage_may_know_more(tmp_path: Path) -> None:
    stages = write_stages(tmp_path)
    stages["gather"].check = lambda settings, sections: [f"text is {settings.text} of {len(sections)}"]
    assert checked(tmp_path, "gather:\n  text: odd\n", stages) == ["'gather': text is odd of 1"]


WORLD = {"kind": "world", "tokens": 1000, "instructions": 9, "prompts": 9}
PYTHON = {"kind": "python-docs"}
UP_TO_FINETUNE: dict[str, Any] = {"tokenize": None, "pretrain": None, "finetune": None}
ALL = UP_TO_FINETUNE | {"rate": None, "reward": None, "align": None}


@pytest.mark.parametrize(
    ("sources", "stages", "fault"),
    [
        (
            [PYTHON],
            UP_TO_FINETUNE,
            "'finetune': gather gives no instructions to learn from; add a source of kind instr",
        ),
        ([WORLD | {"instructions": 0}], UP_TO_FINETUNE, "'finetune': gather gives no instructions to learn from"),
        (
            [WORLD],
            ALL,
            "'rate': gather gives 9 open requests to answer and 10 are needed; add a source of kind requests",
        ),
        (
            [WORLD | {"prompts": 0}],
            ALL,
            "'align': gather gives no open requests to answer; add a source of kind requests",
        ),
        (
            [WORLD],
            {"tokenize": None, "pretrain": None, "evaluate": {"length": 513}},
            "'evaluate': length is 513; the mod",
        ),
        ([WORLD], {"device": "mps"}, "device is 'mps'; this machine has: cpu, or say auto"),
    ],
)
def test_what_can_be_known_beforehand_is_told_by_check_and_before_a_run_spends_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: list[Any], stages: dict[str, Any], fault: str
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    content = {"gather": {"sources": sources}, **stages}
    assert any(found.startswith(fault) for found in checked(tmp_path, content))
    with pytest.raises(RecipeError, match=re.escape(fault)):
        run(read_recipe(tmp_path / "r.yaml"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_what_may_be_enough_is_let_pass(tmp_path: Path) -> None:
    (tmp_path / "i.jsonl").write_text('{"instruction": "a", "output": "b"}\n')
    own = {"kind": "instructions", "path": "i.jsonl"}
    assert checked(tmp_path, {"gather": {"sources": [own, PYTHON]}, **UP_TO_FINETUNE}) == []
    assert checked(tmp_path, {"gather": {"sources": [WORLD | {"prompts": 5}, WORLD | {"prompts": 5}]}, **ALL}) == []
    only_own = checked(tmp_path, {"gather": {"sources": [own]}, **UP_TO_FINETUNE})
    assert only_own == [
        "'tokenize': gather gives no text to learn from; add a source of kind files (your own), python-docs or world "
        "to gather.sources"
    ]


def test_a_stage_that_is_not_reached_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("gather:\n  sources: [{kind: python-docs}]\ntokenize:\npretrain:\nfinetune:\n")
    recipe = read_recipe(tmp_path / "r.yaml")
    require_sound(recipe, ["gather", "tokenize", "pretrain"])
    with pytest.raises(RecipeError, match="'finetune'"):
        require_sound(recipe, ["finetune"])


def gathering(*sources: dict[str, Any]) -> dict[str, Any]:
    return {"gather": {"sources": list(sources)}}


@pytest.mark.parametrize(
    ("source", "content", "fault"),
    [
        ({"kind": "files", "path": "a.txt"}, b"", "nothing to read"),
        ({"kind": "files", "path": "a.txt"}, b"one\ntw\xf6\n", "a.txt: byte 0xf6 at byte 6 of the file is not UTF-8"),
        ({"kind": "files", "path": "a.png"}, b"x", "no file to read: only a.png there"),
        ({"kind": "files", "path": "a.pdf"}, b"x", "a.pdf: begins with b'x', so it is not a PDF file"),
        ({"kind": "files", "path": "a.jsonl"}, b'{"text": "a"}\n\n{"txt": "b"}\n', "a.jsonl:3: field 'text': missing"),
        ({"kind": "instructions", "path": "a.jsonl"}, b'{"a": 1}\n', "a.jsonl:1: a row has 'messages', or"),
        ({"kind": "instructions", "path": "a.jsonl"}, b"[1\n", "a.jsonl:1: not JSON"),
    ],
)
def test_faults_in_data_name_source_file_line_and_field(
    tmp_path: Path, source: dict[str, Any], content: bytes, fault: str
) -> None:
    (tmp_path / source["path"]).write_bytes(content)
    (found,) = checked(tmp_path, gathering(source))
    assert found.startswith("'gather.sources[0]': ")
    assert fault in found


def test_every_bad_file_of_a_folder_is_named_and_good_or_empty_ones_are_not(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    for name, content in {"a": b"\xff", "b": b"good", "c": b"", "d": b"\xf6"}.items():
        (tmp_path / "texts" / f"{name}.txt").write_bytes(content)
    faults = checked(tmp_path, gathering({"kind": "files", "path": "texts"}))
    assert ["a.txt" in faults[0], "d.txt" in faults[1], len(faults)] == [True, True, 2]
    faults = checked(tmp_path, gathering({"kind": "files", "path": "none"}, {"kind": "files", "path": "texts/b.txt"}))
    assert len(faults) == 1
    assert "'gather.sources[0].path'" in faults[0]


def test_only_the_beginning_is_read(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"text {number}"}) for number in range(module.ITEMS + 50)]
    (tmp_path / "a.jsonl").write_text("\n".join([*rows, "broken"]))
    assert checked(tmp_path, gathering({"kind": "files", "path": "a.jsonl", "split": "documents"})) == []
