"""A run makes what is missing, reuses, continues and redoes what is asked for, and tells it in order."""

from __future__ import annotations

import json
import shutil

import pytest

from tests.journey.fake_stages import WAYS, Home
from trivium.base.errors import RecipeError, RunError
from trivium.base.progress import Progress
from trivium.base.words import StageResult
from trivium.journey.lineage import lineage_faults
from trivium.journey.runner import Scope, StageStarted


def test_a_first_run_makes_every_stage_and_a_second_reuses_all(home: Home) -> None:
    assert home.run() == dict.fromkeys(WAYS, "made")
    assert home.calls() == ["gather 0-3", "pretrain 0-3", "finetune 0-3", "evaluate 0-3"]
    (home.run_folder / "report.html").unlink()
    assert home.run() == dict.fromkeys(WAYS, "reused")
    assert home.calls() == []
    assert (home.run_folder / "report.html").exists()


def test_the_record_tells_everything(home: Home) -> None:
    home.run("seed=7", "pretrain.text=b")
    content = json.loads((home.run_folder / "pretrain/trivium/stage.json").read_text())
    assert content["format"] == 1
    assert content["stage"] == "pretrain"
    assert content["seed"] == 7
    assert content["how"] == "made"
    assert content["settings"]["text"] == "b"
    assert content["settings"]["steps"] == 3
    gather = json.loads((home.run_folder / "gather/trivium/stage.json").read_text())
    assert content["inputs"] == {"gather": gather["output_hash"]}
    assert set(content["outputs"]) == {"result.txt", "pretrain.json"}
    assert content["outputs"]["result.txt"][1] == len((home.run_folder / "pretrain/result.txt").read_bytes())
    assert set(content["versions"]) == {"python", "torch", "trivium", "platform"}
    assert content["figures"] == {"steps": 3, "valid_bits_per_byte": 1.2345, "broken": None}
    assert content["started_at"] <= content["finished_at"]
    assert not (home.run_folder / "pretrain/trivium/pending.json").exists()


def test_a_changed_setting_redoes_that_stage_and_what_depends_on_it(home: Home) -> None:
    home.run()
    home.calls()
    assert home.run("finetune.text=b") == {
        "gather": "reused",
        "pretrain": "reused",
        "finetune": "made",
        "evaluate": "made",
    }
    assert home.calls() == ["finetune 0-3", "evaluate 0-3"]
    assert "changed: text a -> b" in home.notes()
    assert "changed: its input finetune" in home.notes()


def test_an_input_that_comes_out_the_same_does_not_redo_what_depends_on_it(home: Home) -> None:
    home.run()
    home.calls()
    assert home.run(scope=Scope(redo=frozenset(["pretrain"])))["finetune"] == "reused"
    assert home.calls() == ["pretrain 0-3"]


def test_an_earlier_result_is_taken_back_when_its_settings_are_asked_for_again(home: Home) -> None:
    home.run()
    before = (home.run_folder / "pretrain/result.txt").read_text()
    home.run("pretrain.text=b")
    assert len(list((home.run_folder / ".old").iterdir())) == 3
    home.calls()
    assert home.run() == dict.fromkeys(WAYS, "reused")
    assert home.calls() == []
    assert "taken back" in home.notes()
    assert (home.run_folder / "pretrain/result.txt").read_text() == before
    assert lineage_faults(home.run_folder) == []
    assert home.run("pretrain.text=b") == dict.fromkeys(WAYS, "reused")


def test_a_continued_stage_whose_state_was_deleted_says_that_it_starts_over(home: Home) -> None:
    home.run(content={"gather": {}})
    shutil.rmtree(home.run_folder / "gather/trivium/state")
    assert home.run("gather.steps=5", content={"gather": {}}) == {"gather": "made"}
    assert "steps 3 -> 5; its training state was deleted, so it starts over" in home.notes()


def test_more_steps_continue_a_finished_or_a_crashed_stage(home: Home) -> None:
    home.run()
    home.calls()
    assert home.run("pretrain.steps=5")["pretrain"] == "continued"
    assert home.calls()[0] == "pretrain 3-5"
    assert home.run("pretrain.steps=3") == dict.fromkeys(WAYS, "reused")
    assert home.run("pretrain.steps=8")["pretrain"] == "continued"
    assert "pretrain 5-8" in home.calls(), "it goes on from the longest result, not from the one in place"
    (home.path / "crash").write_text("pretrain 9")
    with pytest.raises(RunError):
        home.run("pretrain.steps=20")
    (home.path / "crash").unlink()
    home.calls()
    assert home.run("pretrain.steps=30")["pretrain"] == "continued"
    assert home.calls()[0] == "pretrain 9-30"


def test_fewer_steps_or_another_change_beside_them_do_not_continue(home: Home) -> None:
    home.run()
    assert home.run("pretrain.steps=2")["pretrain"] == "made"
    assert home.run("pretrain.steps=9", "pretrain.text=b")["pretrain"] == "made"
    assert home.run("pretrain.steps=9", "pretrain.text=b", "gather.text=z")["pretrain"] == "made"


def test_redo_starts_over_and_needs_a_stage_of_the_recipe(home: Home) -> None:
    home.run()
    home.calls()
    assert home.run(scope=Scope(redo=frozenset(["gather"])))["gather"] == "made"
    assert home.calls() == ["gather 0-3"]
    with pytest.raises(RecipeError, match="no 'tokenize'"):
        home.run(scope=Scope(redo=frozenset(["tokenize"])))


def test_until_runs_what_the_stage_needs_and_no_more(home: Home) -> None:
    assert home.run(scope=Scope(until="pretrain")) == {"gather": "made", "pretrain": "made"}
    assert (
        home.run(content={"gather": {}, "pretrain": {}, "evaluate": {}}, scope=Scope(until="evaluate"))["evaluate"]
        == "made"
    )
    with pytest.raises(RecipeError, match="no 'finetune'"):
        home.run(content={"gather": {}, "pretrain": {}}, scope=Scope(until="finetune"))


def test_a_missing_stage_is_told_with_what_to_add_before_anything_runs(home: Home) -> None:
    with pytest.raises(
        RecipeError, match="'finetune' needs 'pretrain', which the recipe does not have; add a line 'pretrain:'"
    ):
        home.run(content={"gather": {}, "finetune": {}})
    with pytest.raises(RecipeError, match="no stage"):
        home.run(content={"seed": 3})
    assert home.calls() == []
    assert not home.run_folder.exists()


def test_a_path_that_leads_nowhere_is_told_before_anything_runs(home: Home) -> None:
    with pytest.raises(RecipeError) as caught:
        home.run(content={"gather": {}, "finetune": {"path": "none.txt", "files": ["no/*.txt"]}, "pretrain": {}})
    assert "'finetune.path'" in str(caught.value)
    assert "'finetune.files[0]'" in str(caught.value)
    assert home.calls() == []
    assert not home.run_folder.exists()


def test_what_happens_is_reported_in_order(home: Home) -> None:
    home.run(content={"gather": {}, "pretrain": {}})
    told = [(type(event).__name__, event.stage) for event in home.events if not isinstance(event, Progress)]
    assert told == [
        ("StageStarted", "gather"),
        ("StageResult", "gather"),
        ("StageStarted", "pretrain"),
        ("StageResult", "pretrain"),
    ]
    home.run(content={"gather": {}, "pretrain": {}})
    assert [type(event) for event in home.events] == [StageResult, StageResult]
    assert home.events[0].figures["steps"] == 3
    home.run("pretrain.steps=4", content={"gather": {}, "pretrain": {}})
    (started,) = [event for event in home.events if isinstance(event, StageStarted)]
    assert (started.stage, started.number, started.total, started.how) == ("pretrain", 2, 2, "continued")
