"""A run survives whatever ends it early, and notices whatever was damaged meanwhile."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.journey.fake_stages import ALL, WAYS, Home, recipe_of
from trivium.base.errors import Interrupted, RunError
from trivium.base.progress import Progress
from trivium.journey import runner
from trivium.journey.lineage import lineage_faults, read_lineage
from trivium.journey.record import read_pending, read_record
from trivium.journey.runner import Scope


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
