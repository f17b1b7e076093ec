"""Linear layers by oneDNN are those of PyTorch to rounding, values and gradients, and are left alone where they do not belong."""

from __future__ import annotations

from itertools import starmap

import pytest
import torch
import torch.nn.functional as F

from trivium.base import product
from trivium.base.product import Linear, across, linear

ZEN5 = "vendor_id\t: AuthenticAMD\ncpu family\t: 26\nmodel name\t: AMD EPYC\nflags\t\t: fpu avx2 avx512f avx512vl\n\n"
OTHERS = {
    "an older one": ZEN5.replace(": 26", ": 25"),
    "without": ZEN5.replace("avx512f ", ""),
    "Intel's": ZEN5.replace("AuthenticAMD", "GenuineIntel"),
    "nothing known": "",
}


def test_which_processors_it_is_for() -> None:
    assert product._wide(ZEN5) and product._wide(ZEN5 + ZEN5)
    assert not any(map(product._wide, OTHERS.values()))


def test_numbers_of_rows_it_is_for_are_few() -> None:
    suited = [rows for rows in range(1025) if product._suits(rows)]
    assert suited[0] == product.FEWEST and 64 in suited and 1024 in suited and 1023 not in suited
    assert len(suited) < 30


@pytest.fixture
def everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if this were a processor that it is for; any of PyTorch's builds with oneDNN computes the same by it."""
    try:
        product._product(torch.zeros(16, 2), torch.zeros(3, 2), None)
    except (AttributeError, RuntimeError):
        pytest.skip("a PyTorch without oneDNN")
    monkeypatch.setattr(product, "_ready", lambda: True)


def apply(shape: tuple[int, ...], biased: bool, through: bool) -> list[torch.Tensor]:
    """The result and all gradients of a layer, in float64 or `through` what is tested."""
    generator = torch.Generator().manual_seed(1)
    drawn = [torch.randn(size, generator=generator) for size in (shape, (7, shape[-1]), (7,))]
    values, weight, bias = (one if through else one.double() for one in drawn)
    leaves = [one.requires_grad_() for one in (values, weight, *([bias] if biased else []))]
    found = (linear if through else F.linear)(values, weight, bias if biased else None)
    direction = torch.randn(found.shape, generator=generator)
    return [found, *torch.autograd.grad((found * direction.to(found)).sum(), leaves)]


@pytest.mark.parametrize("shape", [(16, 5), (2, 64, 33), (3, 5, 4), (1, 40, 1), (0, 5)])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.usefixtures("everywhere")
def test_values_and_gradients_are_those_of_pytorch(shape: tuple[int, ...], biased: bool) -> None:
    for one, other in zip(apply(shape, biased, True), apply(shape, biased, False), strict=True):
        torch.testing.assert_close(one.double(), other, rtol=1e-5, atol=1e-5)


@pytest.mark.usefixtures("everywhere")
def test_it_is_taken_and_without_gradients_too(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[torch.Tensor, ...]] = []

    def noted(*given: torch.Tensor) -> torch.Tensor:
        calls.append(given)
        return F.linear(*given)

    monkeypatch.setattr(product, "_product", noted)
    layer = Linear(5, 7)
    layer(torch.ones(16, 5)).sum().backward()  # the values need no gradient: one product there, one back
    assert len(calls) == 2
    with torch.no_grad():
        layer(torch.ones(16, 5))
    assert len(calls) == 3
    for values in (torch.ones(15, 5), torch.ones(16, 5, device="meta")):
        with torch.no_grad():
            Linear(5, 7, device=values.device)(values)
    with torch.autocast("cpu", torch.bfloat16):
        assert layer(torch.ones(16, 5)).dtype == torch.bfloat16
    assert linear(torch.ones(16, 5).double(), torch.ones(7, 5).double()).dtype == torch.float64
    assert len(calls) == 3


@pytest.mark.usefixtures("everywhere")
def test_a_weight_s_gradient_is_a_product_across() -> None:
    pairs = [(torch.randn(rows, 6), torch.randn(rows, 3)) for rows in (15, 16, 64)]
    for found, (left, right) in zip(starmap(across, pairs), pairs, strict=True):
        torch.testing.assert_close(found, left.t() @ right, rtol=1e-5, atol=1e-5)
