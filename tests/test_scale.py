"""A recipe taken through its stages by several processes: the same losses, one voice, and a fault ends the job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, environment, together
from tests.tiny import TINY, write_tiny
from trivium.base.progress import read_metrics
from trivium.journey.recipe import read_recipe
from trivium.journey.runner import Scope, run

UNTIL = Scope(until="finetune")


def losses(run_folder: Path, stage: str) -> list[float]:
    return [row["train_loss"] for row in read_metrics(run_folder / stage / "trivium" / "metrics.jsonl")]


def test_two_processes_take_a_recipe_through_its_stages_after_one_of_them_failed(tmp_path: Path) -> None:
    path, folder = write_tiny(tmp_path, text=TINY.replace("name: tiny", "name: tiny\ndevice: cpu")), tmp_path / "runs"
    asked = ["run", str(path), "--until", "finetune", "--runs", str(folder), "--parallel", "shard"]
    state = folder / "tiny" / "pretrain" / "trivium" / "state"
    (first, told), (last, cause) = together(2, ["-m", "tests.failing_rank", str(state), *asked])
    assert last == 1 and "Traceback" in cause and "ZeroDivisionError: a fault of this rank alone" in cause
    assert first == 1 and "another process of this job has ended" in told

    (first, told), (last, nothing) = together(2, ["-m", "trivium", *asked])
    assert (first, last) == (0, 0), told + nothing
    assert "pretrain: going on from step 6 of 12" in told and "finetune: stage 4 of 4 starts" in told
    assert nothing == ""  # one of them talks

    run(read_recipe(path), tmp_path / "alone", scope=UNTIL)
    for stage in ("pretrain", "finetune"):
        expected = losses(tmp_path / "alone", stage)
        assert losses(folder / "tiny", stage) == pytest.approx(expected, rel=1e-3)
    bits = [rows[-1]["valid_bits_per_byte"] for rows in (metrics(tmp_path / "alone"), metrics(folder / "tiny"))]
    assert bits[1] == pytest.approx(bits[0], rel=1e-3)
    assert {result.how for result in run(read_recipe(path), folder / "tiny", scope=UNTIL)} == {"reused"}


def metrics(run_folder: Path) -> list[dict[str, float]]:
    return read_metrics(run_folder / "pretrain" / "trivium" / "metrics.jsonl")


@pytest.mark.slow
def test_torchrun_takes_a_recipe_through_all_its_stages(tmp_path: Path) -> None:
    path = write_tiny(tmp_path, text=TINY.replace("name: tiny", "name: tiny\ndevice: cpu"))
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "trivium"]
    shared = {name: value for name, value in environment(2).items() if not name.startswith(("MASTER", "WORLD"))}
    done = subprocess.run(
        [*launch, "run", str(path), "--runs", str(tmp_path)], env=shared, cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert {result.how for result in run(read_recipe(path), tmp_path / "tiny")} == {"reused"}


def test_ranks_that_nobody_numbered_are_a_sentence(tmp_path: Path) -> None:
    from trivium.apps.ranks import ranks_here
    from trivium.base.errors import UserError
    from trivium.base.ranks import ALONE

    assert ranks_here({}) == ALONE
    whole = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "2"}
    assert (ranks_here(whole).rank, ranks_here(whole).local_size) == (3, 2)
    with pytest.raises(UserError, match="start all processes with torchrun"):
        ranks_here({"RANK": "0", "WORLD_SIZE": "2"})
