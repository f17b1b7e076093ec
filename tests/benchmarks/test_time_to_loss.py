"""What is read from nanoGPT's log and files, and when the loss counts as reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from time_to_loss import RATE, SEED_LINE, Outcome, copy_nanogpt, figures_of, training_seconds

LOG = """\
step 0: train loss 4.2, val loss 4.3
iter 0: loss 4.2649, time 900.00ms, mfu -100.00%
iter 1: loss 4.1, time 40.00ms, mfu -100.00%
iter 2: loss 4.0, time 50.00ms, mfu 0.02%
step 3: train loss 3.9, val loss 3.9
saving checkpoint to out
iter 3: loss 3.9, time 800.00ms, mfu 0.02%
"""


def test_iterations_with_an_evaluation_are_left_out() -> None:
    assert training_seconds(LOG, 3) == pytest.approx(0.09)


def test_a_log_that_ends_early_is_refused() -> None:
    with pytest.raises(SystemExit, match="4 iterations, 9 were asked for"):
        training_seconds(LOG, 9)


def nanogpt_files(folder: Path, script: str) -> Path:
    (folder / "config").mkdir(parents=True)
    for name in ("model.py", "configurator.py", "config/train_shakespeare_char.py"):
        (folder / name).write_text(f"# {name}", encoding="utf-8")
    (folder / "train.py").write_text(script, encoding="utf-8")
    return folder


def test_only_the_seed_differs(tmp_path: Path) -> None:
    source = nanogpt_files(tmp_path / "source", f"import torch\n{SEED_LINE}\n")
    copy_nanogpt(source, tmp_path / "copy", 2)
    assert (tmp_path / "copy" / "train.py").read_text(
        "utf-8"
    ) == "import torch\ntorch.manual_seed(1339 + seed_offset)\n"
    assert (tmp_path / "copy" / "model.py").read_text("utf-8") == "# model.py"


def test_another_nanogpt_is_refused(tmp_path: Path) -> None:
    source = nanogpt_files(tmp_path / "source", "import torch\n")
    with pytest.raises(SystemExit, match="not there once"):
        copy_nanogpt(source, tmp_path / "copy", 2)


def outcome(seconds: float, consecutive: float, overlapping: float) -> Outcome:
    return Outcome(seconds, 0.0, {"consecutive": consecutive, "overlapping": overlapping})


@pytest.mark.parametrize(
    ("ours", "value"),
    [
        ([outcome(20, 2.7, 2.6), outcome(25, 2.7, 2.6)], 3.5),
        ([outcome(20, 2.7, 2.6), outcome(25, 2.73, 2.6)], None),  # one seed is above the peer's mean
        ([outcome(20, 2.7, 2.66), outcome(25, 2.7, 2.6)], None),  # in one reading
    ],
)
def test_every_seed_must_reach_the_peers_mean_in_both_readings(
    tmp_path: Path, ours: list[Outcome], value: float | None
) -> None:
    peer = [outcome(80, 2.71, 2.64), outcome(75, 2.73, 2.66)]
    source = nanogpt_files(tmp_path / "source", SEED_LINE)
    found = figures_of({"nanogpt": peer, "trivium": ours}, [0, 1], source, RATE)
    assert (found[0].key, found[0].value) == ("time_to_loss_vs_nanogpt", value)
    more = {"nanogpt_tuned": peer, "trivium_tuned": ours}
    both = {one.key: one for one in figures_of({"nanogpt": peer, "trivium": ours, **more}, [0, 1], source, 0.004)}
    assert both["time_to_loss_vs_nanogpt_tuned"].value == value and len(both) == 2 * len(found) - 1
