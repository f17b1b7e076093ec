"""The lineage finds every edit of a run: of itself, of a record, of a result."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.journey.fake_stages import recipe_of, write_stages
from trivium.base.errors import RunError
from trivium.base.files import hash_json
from trivium.journey import runner
from trivium.journey.lineage import lineage_faults, read_lineage, verify_lineage


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    stages = write_stages(home)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "_write_report", lambda folder: None)
        for overrides in ([], ["pretrain.text=b"]):
            recipe = recipe_of(home, stages, {"gather": {}, "pretrain": {}, "finetune": {}}, *overrides)
            runner.run(recipe, home / "run", stages=stages)
    return home / "run"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


def test_the_chain_tells_what_was_done_in_order(run: Path) -> None:
    entries = read_lineage(run)
    assert [(entry["index"], entry["stage"]) for entry in entries] == [
        (0, "gather"),
        (1, "pretrain"),
        (2, "finetune"),
        (3, "pretrain"),
        (4, "finetune"),
    ]
    assert entries[0]["previous"] == "0" * 64
    assert all(later["previous"] == earlier["hash"] for earlier, later in pairwise(entries))
    assert entries[4]["inputs"]["pretrain"] == entries[3]["output_hash"]
    settings = json.loads((run / "pretrain/trivium/stage.json").read_text())["settings"]
    assert entries[3]["settings_hash"] == hash_json(settings)


def test_a_run_as_it_was_left_is_intact_and_a_copy_of_it_too(run: Path) -> None:
    assert lineage_faults(run) == []
    verify_lineage(run)


@pytest.mark.parametrize(
    "field",
    ["index", "stage", "key", "settings_hash", "inputs", "output_hash", "how", "seconds", "at", "previous", "hash"],
)
@pytest.mark.parametrize("index", [0, 3])
def test_an_edited_entry_is_found(run: Path, field: str, index: int) -> None:
    entries = read_lineage(run)
    entries[index][field] = {"gather": "0"} if field == "inputs" else 7 if field in ("index", "seconds") else "edited"
    (run / "lineage.json").write_text(json.dumps(entries))
    with pytest.raises(RunError, match=rf"entry {index} "):
        verify_lineage(run)


@pytest.mark.parametrize(
    "change",
    [
        lambda entries: entries[:-1],
        lambda entries: entries[1:],
        lambda entries: entries[:1] + entries[2:],
        lambda entries: [entries[1], entries[0], *entries[2:]],
        lambda entries: [*entries, entries[-1]],
        lambda entries: [],
    ],
)
def test_removed_moved_and_added_entries_are_found(run: Path, change: Callable[[list[Any]], list[Any]]) -> None:
    (run / "lineage.json").write_text(json.dumps(change(read_lineage(run))))
    assert lineage_faults(run)


def test_an_entry_that_was_edited_and_hashed_again_breaks_the_chain(run: Path) -> None:
    entries = read_lineage(run)
    entries[1]["seconds"] = 1.0
    entries[1]["hash"] = hash_json({name: value for name, value in entries[1].items() if name != "hash"})
    (run / "lineage.json").write_text(json.dumps(entries))
    assert any("does not follow" in fault for fault in lineage_faults(run))


def test_an_edited_figure_setting_or_list_of_outputs_is_found(run: Path) -> None:
    path = run / "pretrain/trivium/stage.json"
    content = json.loads(path.read_text())
    changes: list[dict[str, Any]] = [{"figures": {"loss": 0.1}}, {"settings": {}}, {"outputs": {}}, {"seconds": 1.0}]
    for change in changes:
        path.write_text(json.dumps({**content, **change}))
        assert any("stage.json" in fault for fault in lineage_faults(run)), change


def test_an_edited_result_is_found_even_with_its_size_and_time_kept(run: Path) -> None:
    path = run / "gather/result.txt"
    path.write_text(path.read_text().swapcase())
    assert lineage_faults(run) == [f"{path}: changed after the stage was finished"]


def test_a_removed_stage_is_found(run: Path) -> None:
    shutil.rmtree(run / "finetune")
    assert any("not there" in fault for fault in lineage_faults(run))


def test_a_lineage_that_cannot_be_read_is_said(run: Path) -> None:
    (run / "lineage.json").write_text("{}")
    with pytest.raises(RunError, match="not a list"):
        verify_lineage(run)
