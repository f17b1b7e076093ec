"""A run redoes exactly what has to be redone, resumes, continues, and survives whatever ends it early."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journey.fake_stages import calls, hows, recipe_of, write_stage, write_stages
from trivium.base.errors import Interrupted, RecipeError, RunError
from trivium.base.progress import Progress
from trivium.base.words import StageResult
from trivium.journey import runner
from trivium.journey.lineage import lineage_faults, read_lineage
from trivium.journey.record import read_pending, read_record
from trivium.journey.runner import Scope, StageStarted

ALL: dict[str, Any] = {"gather": None, "pretrain": {}, "finetune": {}, "evaluate": {}}
WAYS = ["gather", "pretrain", "finetune", "evaluate"]


class Home:
    """A folder with fake stages, a recipe and a run."""

    def __init__(self, path: Path) -> None:
        self.path, self.run_folder = path, path / "runs" / "first"
        self.stages = write_stages(path)
        self.events: list[Any] = []

    def run(self, *overrides: str, content: dict[str, Any] = ALL, **more: Any) -> dict[str, str]:
        recipe = recipe_of(self.path, self.stages, content, *overrides)
        self.events.clear()
        return hows(runner.run(recipe, self.run_folder, report=self.events.append, stages=self.stages, **more))

    def notes(self) -> str:
        return "\n".join(event.note for event in self.events if isinstance(event, Progress) and event.note)

    def calls(self) -> list[str]:
        return calls(self.path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setattr(runner, "_write_report", lambda folder: (folder / "report.html").write_text("made"))
    return Home(tmp_path)


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


@pytest.mark.parametrize("override", ["device=cpu", "threads=2", "pretrain.log_every=9", "name=other"])
def test_what_does_not_change_the_result_redoes_nothing(home: Home, override: str) -> None:
    home.run()
    assert home.run(override) == dict.fromkeys(WAYS, "reused")


def test_the_seed_and_nested_settings_change_the_result(home: Home) -> None:
    home.run()
    assert home.run("seed=1") == dict.fromkeys(WAYS, "made")
    assert home.run("seed=1", "gather.part.size=4")["gather"] == "made"
    assert "part.size 3 -> 4" in home.notes()


def test_the_content_of_files_is_an_input_and_their_place_is_not(home: Home) -> None:
    text = home.path / "text.txt"
    text.write_text("one")
    content = {"gather": {"path": "text.txt"}, "pretrain": {}}
    home.run(content=content)
    elsewhere = home.path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "text.txt").write_text("one")
    assert set(home.run(content={"gather": {"path": "elsewhere/text.txt"}, "pretrain": {}}).values()) == {"reused"}
    text.write_text("two")
    assert home.run(content=content) == {"gather": "made", "pretrain": "made"}
    assert "changed: the content of its files" in home.notes()


def test_a_folder_s_files_are_an_input_each(home: Home) -> None:
    folder = home.path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    content = {"gather": {"files": ["texts"]}}
    home.run(content=content)
    (folder / ".hidden").write_text("x")
    assert home.run(content=content) == {"gather": "reused"}
    (folder / "b.txt").write_text("b")
    assert home.run(content=content) == {"gather": "made"}
    (folder / "b.txt").rename(folder / "c.txt")
    assert home.run(content=content) == {"gather": "made"}


def test_the_last_part_of_a_path_counts_because_documents_are_named_after_it(home: Home) -> None:
    for name in ("texts", "deep/texts", "other"):
        (home.path / name).mkdir(parents=True)
        (home.path / name / "a.txt").write_text("a")
    home.run(content={"gather": {"files": ["texts"]}})
    (home.path / "texts" / "deep").mkdir(exist_ok=True)
    assert home.run(content={"gather": {"files": ["deep/texts"]}}) == {"gather": "reused"}
    assert home.run(content={"gather": {"files": ["other"]}}) == {"gather": "made"}


def test_what_a_stage_says_it_depends_on_is_in_its_key(home: Home) -> None:
    home.stages["gather"].depends_on = lambda settings: {"python": "3.11"}
    home.run(content={"gather": {}})
    assert home.run(content={"gather": {}}) == {"gather": "reused"}
    home.stages["gather"].depends_on = lambda settings: {"python": "3.12"}
    assert home.run(content={"gather": {}}) == {"gather": "made"}
    assert "outside.python 3.11 -> 3.12" in home.notes()


def test_a_continued_stage_whose_state_was_deleted_says_that_it_starts_over(home: Home) -> None:
    home.run(content={"gather": {}})
    shutil.rmtree(home.run_folder / "gather/trivium/state")
    assert home.run("gather.steps=5", content={"gather": {}}) == {"gather": "made"}
    assert "steps 3 -> 5; its training state was deleted, so it starts over" in home.notes()


def test_a_damaged_memory_of_hashes_is_only_a_memory(home: Home) -> None:
    home.run()
    for content in ("{", "[]", '{"a": 1}', '{"a": ["x"]}'):
        (home.run_folder / ".hashes.json").write_text(content)
        assert home.run() == dict.fromkeys(WAYS, "reused")


def test_a_damaged_lineage_is_told_before_anything_runs(home: Home) -> None:
    home.run()
    home.calls()
    (home.run_folder / "lineage.json").write_text("[")
    with pytest.raises(RunError, match="damaged"):
        home.run("gather.text=b")
    assert home.calls() == []


def test_results_beside_the_model_files_are_results_and_states_are_not(home: Home) -> None:
    home.run()
    record = read_record(home.run_folder / "pretrain")
    assert record
    (home.run_folder / "pretrain/trivium/state/step.json").write_text("9")
    (home.run_folder / "pretrain/trivium/metrics.jsonl").write_text("{}")
    assert home.run() == dict.fromkeys(WAYS, "reused")
    with_normaliser = write_stage(
        home.path,
        "pretrain",
        ("    read = ", '    write_json(context.folder / "trivium" / "normaliser.json", 1)\n    read = '),
    )
    home.stages["pretrain"] = with_normaliser
    assert home.run()["finetune"] == "made"
    record = read_record(home.run_folder / "pretrain")
    assert record
    assert "trivium/normaliser.json" in record.outputs


def test_changed_code_redoes_its_stage_but_better_words_do_not(home: Home) -> None:
    home.run()
    home.stages["pretrain"] = write_stage(
        home.path, "pretrain", ('"""A fake stage."""', '"""A stage.\n\n    Words. """  # more')
    )
    assert home.run() == dict.fromkeys(WAYS, "reused")
    home.stages["pretrain"] = write_stage(home.path, "pretrain", ("FACTOR = 1", "FACTOR = 2"))
    assert home.run() == {"gather": "reused", "pretrain": "made", "finetune": "made", "evaluate": "made"}
    assert "the code that it runs" in home.notes()


def test_a_crashed_stage_resumes_where_it_was(home: Home) -> None:
    (home.path / "crash").write_text("pretrain 2")
    with pytest.raises(RunError, match=r"the disk is full.*nothing that was finished is lost"):
        home.run()
    assert home.calls() == ["gather 0-3", "pretrain 0-crash"]
    pending = read_pending(home.run_folder / "pretrain")
    assert pending
    assert pending.seconds > 0
    assert not (home.run_folder / "report.html").exists()
    (home.path / "crash").unlink()
    assert home.run() == {"gather": "reused", "pretrain": "resumed", "finetune": "made", "evaluate": "made"}
    assert home.calls() == ["pretrain 2-3", "finetune 0-3", "evaluate 0-3"]
    record = read_record(home.run_folder / "pretrain")
    assert record
    assert record.how == "resumed"
    assert record.started_at == pending.started_at
    assert record.seconds > pending.seconds


def test_a_crashed_stage_with_other_settings_starts_afresh_and_can_be_taken_up_again(home: Home) -> None:
    (home.path / "crash").write_text("pretrain 2")
    with pytest.raises(RunError):
        home.run()
    (home.path / "crash").unlink()
    home.calls()
    assert home.run("pretrain.text=b")["pretrain"] == "made"
    assert home.calls()[0] == "pretrain 0-3"
    assert home.run()["pretrain"] == "resumed"
    assert home.calls()[0] == "pretrain 2-3"


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


def test_a_stage_that_is_wanted_is_an_input_where_the_recipe_has_it(home: Home) -> None:
    home.run()
    record = read_record(home.run_folder / "evaluate")
    assert record
    assert set(record.inputs) == {"pretrain", "finetune"}
    home.run(content={"gather": {}, "pretrain": {}, "evaluate": {}})
    record = read_record(home.run_folder / "evaluate")
    assert record
    assert set(record.inputs) == {"pretrain"}


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


def test_stopping_ends_between_steps_and_the_next_run_goes_on(home: Home) -> None:
    asked = False

    def report(event: Any) -> None:
        nonlocal asked
        asked = asked or (isinstance(event, Progress) and event.stage == "pretrain" and event.done == 2)

    recipe = recipe_of(home.path, home.stages, ALL)
    with pytest.raises(Interrupted, match="step 2"):
        runner.run(recipe, home.run_folder, report=report, stopping=lambda: asked, stages=home.stages)
    home.calls()
    assert home.run()["pretrain"] == "resumed"
    assert home.calls()[0] == "pretrain 2-3"
    with pytest.raises(Interrupted, match="stopped before gather"):
        home.run(stopping=lambda: True)


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


def test_a_damaged_record_is_told_kept_and_the_stage_redone(home: Home) -> None:
    home.run()
    home.calls()
    path = home.run_folder / "pretrain/trivium/stage.json"
    path.write_text(path.read_text()[:100])
    assert home.run()["pretrain"] == "made"
    assert home.calls() == ["pretrain 0-3"], "its result is the same, so nothing else is redone"
    assert "damaged" in home.notes()
    assert (home.run_folder / ".old/pretrain-unreadable/result.txt").exists()
    path.write_text('{"format": 1, "stage": "pretrain"}')
    assert home.run()["pretrain"] == "made"
    assert (home.run_folder / ".old/pretrain-unreadable-2").exists()


def test_changed_and_missing_results_are_noticed(home: Home) -> None:
    home.run()
    home.calls()
    (home.run_folder / "pretrain/result.txt").write_text("edited by hand")
    assert home.run()["pretrain"] == "made"
    assert "not as the stage left it (result.txt)" in home.notes()
    (home.run_folder / "finetune/result.txt").unlink()
    assert home.run()["finetune"] == "made"


def test_a_touched_file_is_read_again_and_only_verify_sees_through_equal_size_and_time(home: Home) -> None:
    home.run()
    path = home.run_folder / "pretrain/result.txt"
    os.utime(path)
    assert home.run()["pretrain"] == "reused"
    facts = path.stat()
    path.write_text(path.read_text().swapcase())
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert home.run()["pretrain"] == "reused"
    assert home.run(scope=Scope(verify=True))["pretrain"] == "made"


def test_a_run_of_a_newer_format_is_refused_with_both_numbers(home: Home) -> None:
    home.run()
    path = home.run_folder / "pretrain/trivium/stage.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 2, "new": True}))
    with pytest.raises(RunError, match=r"written in format 2.*up to format 1"):
        home.run()
    assert (home.run_folder / "pretrain/result.txt").exists()


def test_a_run_in_use_by_another_process_is_refused(home: Home) -> None:
    home.run_folder.mkdir(parents=True)
    text = (
        "import sys, time; from pathlib import Path; from trivium.base.files import hold_lock\n"
        f"with hold_lock(Path({str(home.run_folder)!r})):\n    print('held', flush=True); sys.stdin.readline()"
    )
    source = str(Path(runner.__file__).parents[2])
    other = subprocess.Popen(
        [sys.executable, "-c", text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": source},
    )
    assert other.stdout
    assert other.stdin
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(RunError, match=rf"in use by another process .pid {other.pid}."):
            home.run()
        assert home.calls() == []
    finally:
        other.communicate("\n")
    assert home.run()["gather"] == "made"


def test_a_full_disk_while_recording_loses_nothing(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith("pretrain/trivium/stage.json"):
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(RunError, match="the disk is full"):
        home.run()
    monkeypatch.undo()
    monkeypatch.setattr(runner, "_write_report", lambda folder: None)
    home.calls()
    assert home.run() == {"gather": "reused", "pretrain": "resumed", "finetune": "made", "evaluate": "made"}
    assert home.calls()[0] == "pretrain 3-3"


def test_a_run_folder_that_cannot_be_written_is_told_in_a_sentence(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Any, *more: Any, **other: Any) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(
        RunError, match=r"first: cannot be written \(Permission denied\); make the folder writable or choose another"
    ):
        home.run()


def test_a_finished_run_on_a_read_only_disk_is_told_too(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    home.run()

    def refuse(*more: Any) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(RunError, match="Read-only file system"):
        home.run()


def test_a_crash_between_the_two_writes_that_finish_a_stage_costs_nothing(home: Home) -> None:
    home.run()
    record = read_record(home.run_folder / "pretrain")
    assert record
    note = {"format": 1, "stage": "pretrain", "key": record.key, "parts": record.parts.model_dump(), "started_at": "x"}
    (home.run_folder / "pretrain/trivium/pending.json").write_text(json.dumps(note))
    (home.run_folder / "lineage.json").write_text(json.dumps(read_lineage(home.run_folder)[:1]))
    assert home.run() == dict.fromkeys(WAYS, "reused")
    assert not (home.run_folder / "pretrain/trivium/pending.json").exists()
    assert lineage_faults(home.run_folder) == []
