"""What a step is said to need is what it needs: the rehearsal against the blocks of a real step on the CPU, and refusals
that name what fits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.model.shapes import SHAPE
from trivium.base.device import Machine
from trivium.base.errors import UserError
from trivium.base.memory import free_bytes
from trivium.model.architecture import row_counts
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer, parameter_count
from trivium.optim.optimizer import Optimizer
from trivium.optim.settings import OptimizerSettings
from trivium.train import memory
from trivium.train.distributed import Team
from trivium.train.memory import bound, estimate, require_memory
from trivium.train.step import accumulate
from trivium.train.workload import Workload

CPU = Machine(torch.device("cpu"), torch.float32, 1)
WIDE = replace(SHAPE, hidden_size=96, num_layers=3, intermediate_size=200, max_positions=128)
WORK = Workload(WIDE, rows=12, length=64, optimizer=OptimizerSettings(name="muon"))


def real_peak(work: Workload, machine: Machine) -> float:
    """Bytes of all blocks at the worst moment of a real step on the CPU, AdamW's moments among them."""
    model = Transformer(work.shape)
    initialise(model, torch.Generator().manual_seed(0))
    ledger = memory._Ledger()
    for parameter in model.parameters():
        ledger.enter(parameter, "weights")
    batch = work.batch()
    with ledger:
        optimizer = Optimizer(model.named_parameters(), work.optimizer, lambda name: row_counts(name, work.shape))
        for _ in range(2):  # the second step has the moments
            accumulate(model, [batch] * work.passes, work.objective, float(work.tokens), machine)
            optimizer.step(1.0)
            optimizer.zero_gradients()
    return float(ledger.peak.total())


@pytest.mark.parametrize(
    "work",
    [
        WORK,
        replace(WORK, optimizer=OptimizerSettings(name="adamw")),
        replace(WORK, rows=5, passes=3),
        replace(WORK, apart=True),
        replace(WORK, shape=replace(WIDE, tie_embeddings=False, vocab_size=3000)),
    ],
    ids=["muon", "adamw", "passes", "apart", "large vocabulary"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_rehearsal_counts_what_a_real_step_holds(work: Workload, dtype: torch.dtype) -> None:
    machine = Machine(torch.device("cpu"), dtype, 1)
    found = estimate(work, "cpu", dtype, process=0.0)
    counted = sum(size for name, size in found.parts.items() if name not in ("framework", "checkpoint"))
    assert counted == pytest.approx(real_peak(work, machine), rel=0.03)


def test_what_is_exact_is_exact() -> None:
    found = estimate(WORK, "cpu", torch.float32)
    weights = 4 * parameter_count(Transformer(WIDE))
    averaged = replace(WORK, optimizer=OptimizerSettings(name="muon", average=0.9))
    assert found.weights == weights and found.average == 0
    assert estimate(averaged, "cpu", torch.float32).average == weights
    adam = estimate(replace(WORK, optimizer=OptimizerSettings(name="adamw")), "cpu", torch.float32)
    assert adam.optimizer == 2 * weights
    assert found.total == sum(found.parts.values())


def test_activations_grow_with_the_rows_and_nothing_else_does() -> None:
    one, two = (estimate(replace(WORK, rows=rows), "cpu", torch.float32) for rows in (24, 48))
    assert two.activations == pytest.approx(2 * one.activations, rel=0.02)
    assert (two.weights, two.optimizer) == (one.weights, one.optimizer)


@pytest.mark.parametrize("apart", [False, True])
def test_a_large_step_lies_on_the_line_through_two_smaller_ones(monkeypatch: pytest.MonkeyPatch, apart: bool) -> None:
    work = replace(WORK, rows=60, apart=apart)
    whole = estimate(work, "cpu", torch.float32)
    monkeypatch.setattr(memory, "REHEARSED", 20 * WORK.length)
    drawn = estimate(work, "cpu", torch.float32)
    assert drawn.total == pytest.approx(whole.total, rel=0.01)
    assert drawn.activations == pytest.approx(whole.activations, rel=0.01)


@pytest.mark.parametrize("rows", [1, 12, 200])
@pytest.mark.parametrize("apart", [False, True])
def test_the_quick_bound_is_never_below_the_estimate(rows: int, apart: bool) -> None:
    work = replace(WORK, rows=rows, apart=apart)
    assert bound(work) >= estimate(work, "cpu", torch.float32, process=0.0).total


def test_sharding_divides_what_is_kept_and_not_what_is_computed() -> None:
    whole = estimate(WORK, "cuda", torch.bfloat16)
    part = whole.sharded(4, WORK)
    assert (part.weights, part.optimizer, part.gradients) == (
        whole.weights / 4,
        whole.optimizer / 4,
        whole.gradients / 4,
    )
    assert part.activations == whole.activations and part.workspace > whole.workspace
    assert whole.sharded(1, WORK) == whole


def test_a_batch_that_does_not_fit_is_refused_with_the_most_that_does() -> None:
    work = replace(WORK, rows=64)
    free = estimate(replace(work, rows=21), "cpu", torch.float32, process=0.0).total + 1.0
    with pytest.raises(UserError, match=r"64 rows of 64 tokens.*the most that fit are 21 rows; take 21"):
        require_memory(work, Team(CPU), lambda rows: f"take {rows}", free)
    require_memory(replace(work, rows=21), Team(CPU), str, free)  # and that much is let pass
    with pytest.raises(UserError, match="for a single row"):
        require_memory(work, Team(CPU), str, 1e6)


def test_free_memory_is_that_of_the_machine_or_less_in_a_container(tmp_path: Path) -> None:
    assert free_bytes(tmp_path) == float("inf")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    7000 kB\n", encoding="utf-8")
    assert free_bytes(tmp_path) == 7000 * 1024
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n", encoding="utf-8")
    (group / "memory.current").write_text("100\n", encoding="utf-8")
    assert free_bytes(tmp_path) == 7000 * 1024
    (group / "memory.max").write_text("4100\n", encoding="utf-8")
    assert free_bytes(tmp_path) == 4000
