"""What the CPU computes, a GPU computes too: losses, gradients, documents, compiled blocks, a training. Skipped without one."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor

from tests.model.shapes import SHAPE, random_model
from tests.train.test_fit import job, ragged_batch
from trivium.base.device import Machine, choose_machine
from trivium.base.progress import Context
from trivium.base.words import Batch
from trivium.model.architecture import Architecture
from trivium.model.kernels import documents_of, measured, reads_documents
from trivium.model.transformer import Transformer
from trivium.optim.settings import OptimizerSettings
from trivium.train.distributed import Team
from trivium.train.fit import fit
from trivium.train.loading import learned_places
from trivium.train.speedup import Speedup
from trivium.train.step import accumulate, next_token_loss, supervised_tokens

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

WIDE = replace(
    SHAPE, hidden_size=128, num_heads=4, num_kv_heads=2, head_dim=32, intermediate_size=352, max_positions=128
)
CPU = Machine(torch.device("cpu"), torch.float32, 1)


def on_gpu(precision: Literal["float32", "bfloat16"], compiling: Literal["on", "off"] = "off") -> Machine:
    return choose_machine("cuda", 1, precision, compiling=compiling)


def small_model(shape: Architecture = WIDE) -> Transformer:
    """Small weights, so that bfloat16's rounding is not made larger by sharp attention."""
    model = random_model(shape)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                parameter.mul_(0.25 if name.startswith("blocks.") else 1.0)
    return model


def packed_batch() -> Batch:
    """Three rows of 96 tokens in ragged documents."""
    generator = torch.Generator().manual_seed(0)
    tokens = torch.randint(0, WIDE.vocab_size, (3, 97), generator=generator)
    begins = torch.rand(3, 96, generator=generator) < 0.08
    begins[:, 0] = True
    segments = begins.long().cumsum(dim=1) - 1
    places = torch.arange(96).expand(3, -1)
    positions = places - torch.where(begins, places, 0).cummax(dim=1).values
    return Batch(tokens[:, :-1], tokens[:, 1:], torch.ones(3, 96), segments, positions)


def gradients(model: Transformer, batches: list[Batch], machine: Machine, applied: Any = None) -> dict[str, Tensor]:
    model = model.to(machine.device)
    model.zero_grad()
    with applied or contextlib.nullcontext():
        parts = accumulate(model, batches, next_token_loss, supervised_tokens(batches), machine)
    found = {name: p.grad.detach().cpu().clone() for name, p in model.named_parameters() if p.grad is not None}
    return {"loss": parts.sum().cpu(), **found}


def assert_near(found: dict[str, Tensor], expected: dict[str, Tensor], share: float) -> None:
    """Every gradient within this share of its norm."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        apart = float((found[name] - value).norm() / value.norm())
        assert apart < share, f"{name}: {apart:.4f} of its norm away"


@pytest.mark.parametrize(("precision", "share"), [("float32", 1e-3), ("bfloat16", 0.05)])
@pytest.mark.parametrize(
    "changed", [{}, {"windows": (0, 16, 16)}, {"mlp": "gelu", "norm": "layer", "query_key_norm": False}]
)
def test_losses_and_gradients_are_the_cpus(
    precision: Literal["float32", "bfloat16"], share: float, changed: dict[str, Any]
) -> None:
    batches = [ragged_batch(8, 40), packed_batch()]
    shape = replace(WIDE, **changed)
    expected = gradients(small_model(shape), batches, CPU)
    assert_near(gradients(small_model(shape), batches, on_gpu(precision)), expected, share)


@pytest.mark.parametrize("changed", [{}, {"windows": (0, 16, 16)}, {"num_kv_heads": 4}])
def test_documents_by_their_kernel_are_those_by_masks(changed: dict[str, Any]) -> None:
    machine, shape = on_gpu("bfloat16"), replace(WIDE, **changed)
    with machine.autocast():
        if not reads_documents(machine.device, shape):
            pytest.skip("this PyTorch or this GPU has no kernel over documents")
    batch = packed_batch()
    assert isinstance(batch.segments, Tensor)
    told = replace(batch, segments=documents_of(batch.segments), places=learned_places(batch.weights))
    assert_near(gradients(small_model(shape), [told], machine), gradients(small_model(shape), [batch], machine), 0.03)


def test_a_kernel_for_attention_is_right_and_timed() -> None:
    for precision in ("bfloat16", "float32"):
        machine = on_gpu(precision)  # type: ignore[arg-type]
        times = measured((4, 256, 8, 8, 64), machine.device, machine.dtype)
        assert times and list(times.values()) == sorted(times.values()) and min(times.values()) > 0


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
def test_compiled_blocks_compute_what_plain_ones_do(packed: bool) -> None:
    machine = on_gpu("bfloat16", "on")
    batch = packed_batch() if packed else ragged_batch(8, 40)
    if packed:
        assert isinstance(batch.segments, Tensor)
        batch = replace(batch, documents=documents_of(batch.segments))
    expected = gradients(small_model(), [batch], machine)
    model, notes = small_model().to(machine.device), []
    fast = Speedup(model, Team(machine), machine, notes.append, True)
    found = gradients(model, [batch], machine, fast.applied([batch]))
    assert fast.blocks is not None and not fast.blocks.failed, notes
    assert_near(found, expected, 0.03)


@contextlib.contextmanager
def waits() -> Iterator[list[str]]:
    """What torch itself warns of as waiting for the GPU, while the block runs."""
    found: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
            found += [str(one.message) for one in caught if "synchroniz" in str(one.message)]


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_a_training_takes_the_cpus_course_and_waits_once_a_step(name: Literal["muon", "adamw"], tmp_path: Path) -> None:
    plan = replace(job(6), optimizer=OptimizerSettings(name=name, adam_learning_rate=1e-3), ahead=True)
    expected = [row.loss for row in fit(small_model(), plan, Context(tmp_path / "cpu", {}))]
    there = replace(plan, machine=on_gpu("float32"))
    found, counted = [], []
    steps = fit(small_model().to(there.machine.device), there, Context(tmp_path / "gpu", {}))
    for _ in range(6):
        with waits() as told:
            found.append(next(steps).loss)
        counted.append(len(told))
    torch.testing.assert_close(found, expected, rtol=5e-3, atol=5e-3)  # Muon's products are bfloat16 there
    assert counted[1] == counted[4] == 1, counted


def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    from trivium.base.errors import Interrupted

    plan = replace(job(6), machine=on_gpu("bfloat16"), ahead=True)
    whole = [row.loss for row in fit(small_model().to("cuda"), plan, Context(tmp_path / "whole", {}))]
    asked = 0

    def stopping() -> bool:
        nonlocal asked
        asked += 1
        return asked == 3

    context = Context(tmp_path / "cut", {}, stopping=stopping)
    with pytest.raises(Interrupted):
        list(fit(small_model().to("cuda"), plan, context))
    rest = [row.loss for row in fit(small_model().to("cuda"), plan, context)]
    torch.testing.assert_close(rest, whole[3:], rtol=1e-2, atol=1e-2)
