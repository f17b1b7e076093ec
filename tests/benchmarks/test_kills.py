"""Where a kill fell, as the run's folder shows it, and which weights count."""

from __future__ import annotations

from pathlib import Path

from kills import Bench, unfinished_stage


def stage(run: Path, name: str, *, finished: bool, weights: bytes = b"") -> None:
    (run / name / "trivium").mkdir(parents=True)
    if finished:
        (run / name / "trivium" / "stage.json").write_text("{}", encoding="utf-8")
    if weights:
        (run / name / "model.safetensors").write_bytes(weights)


def test_the_stage_that_a_kill_fell_in(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert unfinished_stage(run) == "start-up"
    stage(run, "gather", finished=True)
    assert unfinished_stage(run) == "between stages"
    stage(run, "tokenize", finished=False)
    assert unfinished_stage(run) == "tokenize"


def test_every_model_counts_and_nothing_else(tmp_path: Path) -> None:
    bench = Bench(tmp_path, 0, 1)
    for name, last in (("a", b"same"), ("b", b"same"), ("c", b"other")):
        stage(tmp_path / name, "gather", finished=True)
        stage(tmp_path / name, "pretrain", finished=True, weights=b"first")
        stage(tmp_path / name, "align", finished=True, weights=last)
    assert bench.weights("a").keys() == {"pretrain", "align"}
    assert bench.weights("a") == bench.weights("b") != bench.weights("c")
