"""Compiled training computes what plain training does, and a compiler that fails stops nobody."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from tests.model.shapes import SHAPE, random_model
from tests.train.test_fit import CPU, job, ragged_batch
from trivium.base.device import Machine
from trivium.base.progress import Context, Progress
from trivium.base.words import Batch
from trivium.loss.language import chunk_by, chunk_positions, linear_cross_entropy, nats_and_gradient
from trivium.model import elementwise
from trivium.model.transformer import Transformer, undropped
from trivium.train import speedup
from trivium.train.distributed import Team
from trivium.train.fit import fit
from trivium.train.speedup import COMPILING, SAVED, WARM, Speedup
from trivium.train.step import accumulate, next_token_loss

ON = replace(CPU, compile="on")


def gradients(model: Transformer, batches: list[Batch], applied: Any) -> dict[str, Tensor]:
    model.zero_grad()
    with applied:
        loss = accumulate(model, batches, next_token_loss, 17.0, CPU)
    return {"loss": loss.sum()} | {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def assert_alike(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=2e-5, msg=lambda text, n=name: f"{n}: {text}")


def documents(batch: Batch) -> Batch:
    rows, length = batch.tokens.shape
    segments = torch.arange(length).div(4, rounding_mode="floor").expand(rows, -1)
    return replace(batch, segments=segments, positions=torch.arange(length).remainder(4).expand(rows, -1))


@pytest.mark.parametrize(
    ("part", "given"),
    [
        ("rms_norm", ((5, 7, 12), (12,), 1e-5)),
        ("norm_rotate", ((5, 7, 3, 12), (3, 12), ((7, 1, 6), (7, 1, 6)), 1e-5)),
        ("rotate", ((5, 7, 3, 12), ((7, 1, 6), (7, 1, 6)))),
        ("swiglu", ((5, 7, 12),)),
        ("geglu", ((5, 7, 12),)),
    ],
)
def test_the_formulas_for_a_compiler_are_those_with_gradients_of_their_own(
    part: str, given: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    generator = torch.Generator().manual_seed(0)

    def made(size: Any) -> Any:
        if isinstance(size, float):
            return size
        if isinstance(size[0], tuple):
            return tuple(torch.randn(one, generator=generator) for one in size)
        return torch.randn(size, generator=generator, requires_grad=True)

    values = [made(size) for size in given]
    learned = [value for value in values if isinstance(value, Tensor)]
    found = []
    for compiling in (False, True):
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda compiling=compiling: compiling)
        result = getattr(elementwise, part)(*values)
        found.append([result.detach(), *torch.autograd.grad(result.square().sum(), learned)])
    for plain, own in zip(*found, strict=True):
        torch.testing.assert_close(plain, own, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("low", [torch.float32, torch.bfloat16])
def test_a_chunk_as_one_formula_gives_the_loss_of_its_operations(low: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(700, 6, generator=generator).to(low).requires_grad_()
    weight = torch.randn(13, 6, generator=generator, requires_grad=True)
    targets, weights = torch.randint(0, 13, (700,), generator=generator), torch.rand(700, generator=generator)
    calls = []

    def kernel(*given: Tensor) -> tuple[Tensor, Tensor]:
        calls.append(len(given[0]))
        return nats_and_gradient(*given)

    found = []
    for one in (None, kernel):
        with chunk_by(one):
            loss = linear_cross_entropy(hidden, weight, targets, weights)
        found.append([loss.detach(), *torch.autograd.grad(loss, (hidden, weight))])
    assert calls == [512, 188]
    for expected, own in zip(*found, strict=True):
        torch.testing.assert_close(own, expected, rtol=1e-5 if low == torch.float32 else 2e-2, atol=1e-3)


def test_a_chunk_fills_a_gpu_and_stays_within_its_memory() -> None:
    assert chunk_positions("cpu", 50304) == 512
    assert [chunk_positions("cuda", size) for size in (50304, 32000, 256_000)] == [2048, 4096, 512]


@pytest.fixture
def tracing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Torch's compiler but for the making of kernels, which takes it most of its time."""
    torch.compiler.reset()
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))


SHAPES: list[dict[str, Any]] = [
    {},
    {"windows": (0, 4, 4)},
    {"mlp": "geglu", "norm": "layer", "query_key_norm": False, "norm_place": "post", "num_kv_heads": 6},
]


def assert_compiled_alike(changed: dict[str, Any], sizes: list[tuple[int, int]]) -> None:
    """Rows of one document and of several, of several sizes."""
    model, notes = random_model(replace(SHAPE, **changed)), []
    fast = Speedup(model, Team(ON), ON, notes.append, True)
    for rows, length in sizes:
        batches = [ragged_batch(rows, length), documents(ragged_batch(rows, length, seed=1))]
        assert_alike(gradients(model, batches, fast.applied(batches)), gradients(model, batches, Plain()))
    assert not notes and fast.told == "compiled"
    assert not any("forward" in block.__dict__ for block in model.blocks), "nothing stays on the model"


@pytest.mark.usefixtures("tracing")
@pytest.mark.parametrize("changed", SHAPES)
def test_traced_blocks_compute_what_plain_ones_do(changed: dict[str, Any]) -> None:
    assert_compiled_alike(changed, [(8, 11), (6, 9)])


@pytest.mark.slow
def test_compiled_blocks_compute_what_plain_ones_do() -> None:
    """With the kernels of torch's compiler for the CPU."""
    torch.compiler.reset()
    assert_compiled_alike({}, [(8, 11), (6, 9), (5, 13)])


class Plain:
    def __enter__(self) -> None: ...
    def __exit__(self, *anything: object) -> None: ...


@pytest.mark.usefixtures("tracing")
def test_ragged_rows_are_not_compiled_without_end() -> None:
    """Blocks share their compilations, and after two sizes the third and all others need none."""
    model, notes = random_model(), []
    fast = Speedup(model, Team(ON), ON, notes.append, True)
    made = []
    for rows, length in [(8, 11), (7, 12), (6, 9), (5, 13), (4, 10), (9, 14), (3, 8), (2, 17)]:
        batch = [replace(ragged_batch(rows, length), weights=torch.ones(rows, length))]
        gradients(model, batch, fast.applied(batch))
        made.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert made[2] == made[-1] <= made[0] + 3, made  # of the first block, of those behind it, of the loss
    assert not notes


def run(model: Transformer, folder: Path, machine: Machine) -> tuple[dict[str, Tensor], list[str]]:
    notes: list[str] = []

    def hear(progress: Progress) -> None:
        if progress.note:
            notes.append(progress.note)

    list(fit(model, replace(job(3), machine=machine), Context(folder, {}, report=hear)))
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}, notes


def broken_at(place: Literal["forward", "backward"]) -> Callable[..., Callable[..., Any]]:
    """A compiler that fails, as some do: when it is called, or only when the gradient is."""

    class Late(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, value: Tensor) -> Tensor:
            return value.clone()

        @staticmethod
        def backward(ctx: Any, *outputs: Tensor) -> Tensor:
            raise RuntimeError("no C compiler was found\nand a long trace follows")

    def compiler(plain: Callable[..., Any]) -> Callable[..., Any]:
        def made(*given: Any) -> Any:
            if place == "forward":
                raise RuntimeError("no C compiler was found\nand a long trace follows")
            if not isinstance(given[0], nn.Module):
                return plain(*given)
            hidden, added = plain(*given)
            return Late.apply(hidden), added  # type: ignore[no-untyped-call]

        return made

    return compiler


@pytest.mark.parametrize("place", ["forward", "backward"])
def test_a_failing_compiler_costs_a_line(
    place: Literal["forward", "backward"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, quiet = run(random_model(), tmp_path / "plain", CPU)
    monkeypatch.setattr(torch, "compile", broken_at(place))
    found, notes = run(random_model(), tmp_path / "broken", ON)
    line = "a block cannot be compiled here (no C compiler was found); training goes on without"
    assert not quiet and notes[0] == line and len(notes) == (2 if place == "forward" else 1)  # of the loss too
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5)


def test_what_is_not_the_compilers_fault_is_raised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda plain: plain)
    model = random_model()

    monkeypatch.setattr(model.blocks[1], "feed_forward", Failing())
    with pytest.raises(ZeroDivisionError):
        run(model, tmp_path, ON)


class Failing(nn.Module):
    def forward(self, hidden: Tensor) -> Tensor:
        raise ZeroDivisionError


@pytest.mark.parametrize(("left", "decided"), [(10_000, True), (100, False)])
def test_auto_compiles_where_enough_steps_are_left(left: int, decided: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "compile", lambda plain: plain)
    machine = replace(CPU, device=torch.device("cuda"))
    notes: list[str] = []
    fast = Speedup(random_model(), Team(machine), machine, notes.append, True)
    for step in range(WARM):
        assert fast.blocks is None and not notes, step
        fast.consider(left - step, 0.1)
    assert (fast.blocks is not None) == decided
    assert len(notes) == 1 and ("compiled now" in notes[0]) == decided
    assert (left * 0.1 * SAVED > COMPILING) == decided
    on_cpu = Speedup(random_model(), Team(CPU), CPU, notes.append, True)
    for _ in range(WARM + 1):
        on_cpu.consider(left, 0.1)
    assert on_cpu.blocks is None and len(notes) == 1, "auto is off on the CPU"


def test_the_quickest_kernel_is_chosen_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    asked: list[Any] = []

    def times(*given: Any) -> dict[str, float]:
        asked.append(given)
        return {"cudnn": 0.5, "flash": 0.75, "efficient": 1.5}

    monkeypatch.setattr(speedup, "measured", times)
    machine = replace(CPU, device=torch.device("cuda"), dtype=torch.bfloat16)
    for fixed, name in ((True, "cudnn"), (False, "flash")):
        fast = Speedup(random_model(), Team(machine), machine, heard.append, fixed)
        with fast.applied([ragged_batch(32, 11)]):
            pass
        assert fast.told == name and heard.pop().startswith(f"attention by {name}; measured")
    assert asked[0] == ((8, 11, 6, 2, 10), machine.device, torch.bfloat16)


def test_a_dropping_model_is_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A compiler would begin anew for the random numbers of each batch."""

    def never(plain: Callable[..., Any]) -> Callable[..., Any]:
        def made(*given: Any) -> Any:
            raise AssertionError("compiled")

        return made

    monkeypatch.setattr(torch, "compile", never)
    model, notes = random_model(), []
    fast = Speedup(model, Team(ON), ON, notes.append, True)
    tokens = ragged_batch().tokens
    expected = model(tokens)
    model.drop = lambda values: values
    with fast.applied([]):
        assert torch.equal(model(tokens), expected) and not notes
    model.drop = undropped
    with fast.applied([]):
        model(tokens)
    assert len(notes) == 1
