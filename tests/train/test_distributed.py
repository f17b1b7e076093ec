"""Several processes compute what one computes: the same gradient, the same losses, through kills and other numbers of them."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.model.shapes import random_model
from tests.processes import together
from tests.train.work import (
    CPU,
    KINDS,
    ROWS,
    STEPS,
    aligned,
    alone,
    batches_for,
    gradients,
    job,
    losses_of,
    preferred,
    scored,
)
from trivium.base.errors import Interrupted, UserError
from trivium.base.progress import Context, Progress
from trivium.base.ranks import Ranks
from trivium.train.checkpoint import Saver, load_newest
from trivium.train.distributed import Team
from trivium.train.layout import Layout, place
from trivium.train.pieces import Piece, StoredTensors, pieces_to_bytes


def work(count: int, what: str, folder: Path) -> list[tuple[int, str]]:
    """Exit code and output of `count` processes that do `what` of tests/train/work.py together."""
    return together(count, ["-m", "tests.train.work", what, str(folder)])


def same_as_one_process(folder: Path, count: int) -> None:
    for code, text in work(count, "exact", folder):
        assert code == 0, text
    expected = gradients(Layout(random_model(), alone()), ROWS)
    for kind in KINDS:
        for most in (1, 2, ROWS):
            found = StoredTensors([folder / f"{kind}-{most}.{rank}.safetensors" for rank in range(count)])
            assert found.keys() == expected.keys()
            for name, value in expected.items():
                torch.testing.assert_close(
                    found[name].view_as(value), value, rtol=1e-4, atol=1e-6, msg=f"{kind} {name}"
                )
        for optimizer in ("muon", "adamw"):
            layout = Layout(random_model(), alone())
            losses = losses_of(layout, job(layout, optimizer), Context(folder / f"alone-{kind}-{optimizer}", {}))
            assert json.loads((folder / f"{kind}-{optimizer}.json").read_text()) == pytest.approx(losses, rel=1e-4)
            weights = load_file(folder / f"{kind}-{optimizer}.safetensors")
            for name, value in layout.model.state_dict().items():
                torch.testing.assert_close(weights[name], value, rtol=1e-3, atol=1e-4)
        found = StoredTensors([folder / f"{kind}-scored.{rank}.safetensors" for rank in range(count)])
        for name, value in scored(Layout(random_model(head="score"), alone())).items():
            torch.testing.assert_close(
                found[f"g.{name}"].view_as(value), value, rtol=1e-4, atol=1e-6, msg=f"{kind} scored {name}"
            )
    for method in ("dpo", "kto"):
        for name, value in preferred(place(random_model(), alone(), whole=True), method).items():
            torch.testing.assert_close(load_file(folder / f"{method}.0.safetensors")[name], value, rtol=1e-3, atol=1e-6)
    expected = aligned(place(random_model(), alone(), whole=True))
    for rank in range(count):
        found = load_file(folder / f"aligned.{rank}.safetensors")
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5, msg=f"align {name}")


def test_two_processes_compute_what_one_does(tmp_path: Path) -> None:
    same_as_one_process(tmp_path, 2)


@pytest.mark.slow
def test_four_processes_compute_what_one_does(tmp_path: Path) -> None:
    same_as_one_process(tmp_path, 4)


def going_through(folder: Path, count: int) -> None:
    """One process begins, `count` go on until one is killed, one process ends it."""
    whole = Layout(random_model(), alone())
    expected = losses_of(whole, job(whole, "muon"), Context(folder / "whole", {}))
    begun, asked = [], iter([False, False, True])
    first = Layout(random_model(), alone())
    with pytest.raises(Interrupted):
        begun += losses_of(first, job(first, "muon"), Context(folder / "cut", {}, stopping=lambda: next(asked)))
    told = work(count, "die", folder / "cut")
    assert told[-1][0] == -signal.SIGKILL
    for code, text in told[:-1]:  # nobody waits for the one that is gone, and each says what to do
        assert code == 1 and "another process of this job has ended" in text, text
    middle = json.loads((folder / "cut" / "losses.json").read_text())
    assert middle == pytest.approx(expected[3:5], rel=1e-4)
    seen: list[Progress] = []
    last = Layout(random_model(seed=9), alone())
    rest = losses_of(last, job(last, "muon"), Context(folder / "cut", {}, report=seen.append))
    assert rest == pytest.approx(expected[-len(rest) :], rel=1e-4) and STEPS - 5 <= len(rest) <= STEPS - 3
    assert any("going on from step" in (progress.note or "") for progress in seen)


def test_a_killed_process_ends_the_job_and_another_number_of_them_goes_on(tmp_path: Path) -> None:
    going_through(tmp_path, 2)


@pytest.mark.slow
def test_the_same_with_four_processes(tmp_path: Path) -> None:
    going_through(tmp_path, 4)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_every_row_of_a_step_is_one_process_s_and_all_have_as_many_parts(size: int, most: int) -> None:
    every = [Ranks(rank, size, 0, 1).parts(ROWS, most) for rank in range(size)]
    assert [row for parts in every for part in parts for row in part] == list(range(ROWS))
    assert len({len(parts) for parts in every}) == 1
    assert max(len(part) for parts in every for part in parts) <= max(most, 2)
    together = torch.cat(
        [batch.tokens for rank in range(size) for batch in batches_for(Ranks(rank, size, 0, 1), most)(3)]
    )
    assert torch.equal(together, torch.cat([batch.tokens for batch in batches_for(Ranks(), ROWS)(3)]))


def test_more_processes_than_rows_are_refused_with_both_numbers() -> None:
    with pytest.raises(UserError, match="3 in a step, shared by 4 processes"):
        Ranks(0, 4, 0, 4).parts(3, 1)


def test_ranks_that_cannot_be_are_refused() -> None:
    with pytest.raises(UserError, match="rank 2 of 2"):
        Ranks(2, 2, 0, 1)


class Told(Team):
    """A team whose other processes have nothing to say."""

    def sum(self, *values: float) -> list[float]:
        return list(values)

    def agree(self, value: object) -> object:
        return value


def written_by(size: int, folder: Path, step: int, tensor: torch.Tensor) -> None:
    """A checkpoint as `size` processes write it, each some rows; rank 0 comes last, as it does when it waits for all."""
    cuts = [Ranks(rank, size, 0, 1).share(len(tensor)) for rank in range(size)]
    savers: list[Saver] = []

    class Together(Told):
        def collect(self, own: bytes) -> list[bytes]:
            return [bytes.fromhex(saver._writing.result()) if saver._writing else own for saver in savers]

    savers += [Saver(folder, Together(CPU, Ranks(rank, size, 0, 1))) for rank in range(size)]
    for saver, cut in reversed(list(zip(savers, cuts, strict=True))):
        saver.save(step, {"x": Piece(tensor[cut.start : cut.stop], cut.start, len(tensor))}, {"seconds": 1.0})
    savers[0].finish()


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_checkpoint_of_any_number_of_processes_is_read_at_any_cut(tmp_path: Path, size: int) -> None:
    tensor = torch.arange(12.0).view(4, 3)
    written_by(size, tmp_path, 7, tensor)
    found, notes = load_newest(tmp_path)
    assert found is not None and found.step == 7 and not notes
    assert torch.equal(found.tensors["x"], tensor)
    for start, stop in ((0, 0), (0, 1), (1, 3), (2, 4), (4, 4)):
        assert torch.equal(found.tensors.rows("x", start, stop), tensor[start:stop])


def test_one_damaged_file_of_several_sends_all_back_to_the_checkpoint_before(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        written_by(2, tmp_path, step, torch.full((4, 3), float(step)))
    (tmp_path / "step-00000003.1-of-2.safetensors").write_bytes(b"half")
    found, notes = load_newest(tmp_path)
    assert found is not None and found.step == 2 and found.tensors["x"].tolist() == [[2.0] * 3] * 4
    assert len(notes) == 1 and "step-00000003.1-of-2.safetensors: damaged" in notes[0]


def test_files_without_the_one_that_names_them_are_no_checkpoint_and_go_with_the_next(tmp_path: Path) -> None:
    data = pieces_to_bytes({"x": Piece(torch.ones(2))})
    (tmp_path / "step-00000009.0-of-2.safetensors").write_bytes(data)
    assert load_newest(tmp_path) == (None, [])
    written_by(1, tmp_path, 4, torch.ones(4, 3))
    assert sorted(path.name for path in tmp_path.glob("step-*")) == ["step-00000004.json", "step-00000004.safetensors"]
