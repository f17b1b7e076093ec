"""Norms with their addition and activations in C equal the same by PyTorch in float32, values and gradients."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.reference import elementwise as slow
from trivium.base.native import NUMBERS
from trivium.model import fused_kernel
from trivium.model.fused_kernel import activation, add_norm

pytestmark = pytest.mark.skipif(
    not fused_kernel.is_for_product(torch.empty(1, dtype=torch.bfloat16)), reason="no compiler here"
)
of_both = pytest.mark.parametrize("dtype", NUMBERS)
ROUNDING = 2.0**-8  # of a bfloat16 number: half a unit of its last place, with room for what float32 itself rounds


def numbers(*shape: int, seed: int = 0) -> Tensor:
    """Numbers that bfloat16 has, so that only what is computed of them is rounded."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).bfloat16().float()


def same_rounded(found: Tensor, exact: Tensor, dtype: torch.dtype) -> None:
    """`found` is `exact` rounded once to `dtype`; what is nearly 0 has only to be as near."""
    assert found.dtype == dtype
    rounding, near = (ROUNDING, 1e-6) if dtype == torch.bfloat16 else (1e-5, 1e-5)
    torch.testing.assert_close(found.float(), exact, rtol=rounding, atol=near)


def autocast(dtype: torch.dtype) -> AbstractContextManager[Any]:
    """What makes products read `dtype`."""
    return torch.autocast("cpu", dtype) if dtype == torch.bfloat16 else contextlib.nullcontext()


@pytest.mark.parametrize("rows", [1, 31, 32, 77])  # sums of weights' gradients are taken over 32 first
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("adds", [True, False])
@of_both
def test_norms_and_the_addition_before_them(rows: int, centred: bool, adds: bool, dtype: torch.dtype) -> None:
    stream, added = (2 * numbers(rows, 24) + 0.5).requires_grad_(), numbers(rows, 24, seed=1).requires_grad_()
    weight = (1 + 0.3 * numbers(24, seed=2)).requires_grad_()
    bias = numbers(24, seed=3).requires_grad_() if centred else None
    total = stream + added if adds else stream
    plain = slow.rms_norm(total, weight, 1e-5) if bias is None else F.layer_norm(total, (24,), weight, bias, 1e-5)
    low = added.detach().to(dtype).requires_grad_()
    with autocast(dtype):
        found, normal = add_norm(stream, low if adds else None, weight, bias, 1e-5, centred=centred)
    torch.testing.assert_close(found, total, rtol=1e-6, atol=0)
    same_rounded(normal, plain, dtype)
    onward, arrived = numbers(rows, 24, seed=4), numbers(rows, 24, seed=5)
    wide = [leaf for leaf in (stream, weight, bias) if leaf is not None]
    ours = torch.autograd.grad((found * onward).sum() + (normal * arrived.to(dtype)).sum(), wide + [low] * adds)
    theirs = torch.autograd.grad((total * onward).sum() + (plain * arrived).sum(), wide + [added] * adds)
    for one, other in zip(ours[: len(wide)], theirs, strict=False):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)
    if adds:
        same_rounded(ours[-1], ours[0], dtype)


@of_both
def test_a_norm_whose_stream_nobody_reads_and_one_that_nobody_reads(dtype: torch.dtype) -> None:
    weight = torch.ones(24, requires_grad=True)
    stream, added = numbers(5, 24).requires_grad_(), numbers(5, 24, seed=1).to(dtype).requires_grad_()
    with autocast(dtype):
        total, normal = add_norm(stream, added, weight, None, 1e-5, centred=False)
    (found,) = torch.autograd.grad(normal.float().sum(), stream, retain_graph=True)
    (expected,) = torch.autograd.grad(slow.rms_norm(stream + added.float(), weight, 1e-5).sum(), stream)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for gradient in torch.autograd.grad(total.sum(), (stream, added)):
        assert (gradient == 1).all()


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("swiglu", slow.swiglu),
        ("geglu", slow.geglu),
        ("gelu", F.gelu),
        ("gelu_tanh", lambda x: F.gelu(x, approximate="tanh")),
    ],
)
@of_both
def test_activations(name: str, plain: Callable[[Tensor], Tensor], dtype: torch.dtype) -> None:
    product = torch.cat([6 * numbers(690), torch.linspace(-30, 30, 690)]).view(6, 5, 46).bfloat16().float()
    exact = product.double().requires_grad_()
    low = product.to(dtype).requires_grad_()
    found, expected = activation(name, low), plain(exact)
    same_rounded(found, expected.float(), dtype)
    direction = numbers(*expected.shape, seed=1)
    (ours,) = torch.autograd.grad((found * direction.to(dtype)).sum(), low)
    (theirs,) = torch.autograd.grad((expected * direction).sum(), exact)
    same_rounded(ours, theirs.float(), dtype)


def test_the_number_of_threads_changes_no_bit() -> None:
    results, before = [], torch.get_num_threads()
    weight = (1 + numbers(24)).requires_grad_()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            stream = numbers(200, 24).requires_grad_()
            _, normal = add_norm(stream, None, weight, None, 1e-5, centred=True)
            results.append((normal, *torch.autograd.grad(normal.float().square().sum(), (stream, weight))))
    finally:
        torch.set_num_threads(before)
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


def test_what_is_not_a_number_stays_so() -> None:
    product = torch.tensor([1.0, float("nan"), float("inf")], dtype=torch.bfloat16)
    for name in ("gelu", "gelu_tanh"):
        assert activation(name, product).isnan().tolist()[:2] == [False, True]
    stream = torch.ones(2, 8)
    stream[1, 3] = float("nan")
    normal = add_norm(stream, None, torch.ones(8), None, 1e-5, centred=False)[1]
    assert normal[1].isnan().all() and not normal[0].isnan().any()
