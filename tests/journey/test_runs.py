"""Runs on the disk: found by name, described as they are, cleaned without losing a result."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.journey.fake_stages import calls, hows, recipe_of, write_stages
from trivium.base.errors import RunError
from trivium.base.files import hold_lock
from trivium.journey import runner
from trivium.journey.runner import Scope
from trivium.journey.runs import describe, find_run, list_runs, model_of, outdated, removable, remove

CONTENT = {"gather": None, "pretrain": None, "finetune": None}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    go(home)
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made / "runs", tmp_path / "runs")
    return tmp_path


def go(home: Path, *overrides: str, until: str | None = None) -> dict[str, str]:
    stages = write_stages(home)
    recipe = recipe_of(home, stages, CONTENT, *overrides)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(runner, "_write_report", lambda folder: None)
        return hows(runner.run(recipe, home / "runs/first", stages=stages, scope=Scope(until=until)))


def test_a_run_is_found_by_path_and_by_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    assert find_run("runs/first") == Path("runs/first")
    assert find_run("first") == Path("runs/first")
    assert find_run(home / "runs/first/") == home / "runs/first"
    assert find_run("first", Path("runs")) == Path("runs/first")
    with pytest.raises(RunError, match="fist: no such run; did you mean 'first'"):
        find_run("fist")
    with pytest.raises(RunError, match="there are: first"):
        find_run("zzz")
    with pytest.raises(RunError, match="there is none in elsewhere yet"):
        find_run("first", Path("elsewhere"))
    with pytest.raises(RunError, match="no such run"):
        find_run(home)


def test_a_run_is_described_as_it_is(home: Path) -> None:
    (line,) = list_runs(home / "runs")
    assert (line.name, line.finished, line.waiting) == ("first", True, ())
    assert [(stage.name, stage.state) for stage in line.stages] == [
        ("gather", "finished"),
        ("pretrain", "finished"),
        ("finetune", "finished"),
    ]
    assert line.seconds > 0
    assert line.bytes == sum(path.stat().st_size for path in (home / "runs/first").rglob("*") if path.is_file())


def test_a_stage_whose_input_was_made_again_is_outdated(home: Path) -> None:
    go(home, "gather.text=b", until="pretrain")
    assert outdated(home / "runs/first") == {"finetune"}
    assert [stage.state for stage in describe(home / "runs/first").stages] == ["finished", "finished", "outdated"]
    assert not describe(home / "runs/first").finished


def test_damaged_unfinished_and_waiting_stages_are_told(home: Path) -> None:
    run = home / "runs/first"
    (run / "pretrain/trivium/stage.json").write_text("{")
    shutil.rmtree(run / "finetune")
    line = describe(run)
    assert [(stage.name, stage.state) for stage in line.stages] == [("gather", "finished"), ("pretrain", "damaged")]
    assert line.waiting == ("finetune",)
    (run / "pretrain/trivium/stage.json").unlink()
    (run / "pretrain/trivium/pending.json").write_text("{}")
    assert describe(run).stages[1].state == "unfinished"


def test_the_newest_model_is_found_or_those_there_are_named(home: Path) -> None:
    run = home / "runs/first"
    with pytest.raises(RunError, match="no stage has ended in a model yet"):
        model_of(run)
    for name in ("pretrain", "finetune"):
        (run / name / "config.json").write_text("{}")
    assert model_of(run) == ("finetune", run / "finetune")
    assert model_of(run, "pretrain") == ("pretrain", run / "pretrain")
    with pytest.raises(RunError, match="no model of stage 'align'; it has: pretrain, finetune"):
        model_of(run, "align")


def test_cleaning_removes_what_was_put_aside_and_states_and_no_result(home: Path) -> None:
    run = home / "runs/first"
    assert [one.path.parent.parent.name for one in removable(run)] == ["finetune", "gather", "pretrain"]
    go(home, "pretrain.text=b")
    found = removable(run)
    assert sum(one.path.parent.name == ".old" for one in found) == 2
    assert sum(one.path.name == "state" for one in found) == 3
    remove(run, [one.path for one in found])
    assert removable(run) == []
    calls(home)
    assert set(go(home, "pretrain.text=b").values()) == {"reused"}
    assert go(home, "pretrain.text=b", "pretrain.steps=9")["pretrain"] == "made", "its state is gone"


def test_the_states_of_an_unfinished_run_stay(home: Path) -> None:
    shutil.rmtree(home / "runs/first/finetune")
    assert removable(home / "runs/first") == []


def test_a_run_in_use_is_not_cleaned(home: Path) -> None:
    run = home / "runs/first"
    with hold_lock(run), pytest.raises(RunError, match="in use"):
        remove(run, [run / "pretrain"])
    assert (run / "pretrain/result.txt").exists()
    remove(run, [run])
    assert list_runs(home / "runs") == []
