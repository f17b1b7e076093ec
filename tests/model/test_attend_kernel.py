"""Attention in C equals attention by PyTorch's operations in float32, to the rounding of its numbers, and so do its gradients."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from tests.reference import elementwise as slow
from trivium.base.native import NUMBERS
from trivium.model import attend_kernel
from trivium.model.attend import attention
from trivium.model.attend_kernel import Heads, attend
from trivium.model.elementwise import rotation_table

pytestmark = pytest.mark.skipif(
    not attend_kernel.is_for(torch.empty(1, 1, 3, 16, dtype=torch.bfloat16)), reason="no compiler, or another processor"
)
of_both = pytest.mark.parametrize("dtype", NUMBERS)
ROWS, SIZE = 2, 16


@dataclasses.dataclass
class Given:
    """Queries, keys and values (B, T, H + 2K, E), weights of the heads' norms (E), a direction for the gradient (B, T, H, E)."""

    heads: Heads
    product: Tensor
    query_weight: Tensor
    key_weight: Tensor
    direction: Tensor

    @property
    def leaves(self) -> list[Tensor]:
        return [self.product, self.query_weight, self.key_weight]


def given(length: int, heads: Heads, size: int = SIZE) -> Given:
    """Numbers that bfloat16 has, so that only what is computed of them is rounded."""
    generator = torch.Generator().manual_seed(length)
    product = torch.randn(ROWS, length, heads.queries + 2 * heads.keys, size, generator=generator)
    weights = [1 + 0.3 * torch.randn(size, generator=generator) for _ in range(2)]
    direction = torch.randn(ROWS, length, heads.queries, size, generator=generator)
    product, direction = product.bfloat16().float(), direction.bfloat16().float()
    leaves = [leaf.requires_grad_() for leaf in (product, *weights)]
    return Given(heads, leaves[0], leaves[1], leaves[2], direction)


def rotation_of(given: Given, of_rows: bool) -> tuple[Tensor, Tensor]:
    rows, length, _, size = given.product.shape
    cosines, sines = rotation_table(2 * length, size, 100.0)
    if not of_rows:
        return cosines[:length, None], sines[:length, None]
    positions = torch.randint(0, 2 * length, (rows, length), generator=torch.Generator().manual_seed(5))
    return cosines[positions].unsqueeze(2), sines[positions].unsqueeze(2)


def expected_of(given: Given, rotation: tuple[Tensor, Tensor] | None, mask: Tensor | None, normed: bool) -> Tensor:
    """The same by plain operations in float32."""
    heads = given.heads
    query, key, value = torch.split(given.product, [heads.queries, heads.keys, heads.keys], dim=2)
    if normed:
        query = slow.rms_norm(query, given.query_weight, heads.epsilon)
        key = slow.rms_norm(key, given.key_weight, heads.epsilon)
    if rotation is not None:
        query, key = slow.rotate(query, *rotation), slow.rotate(key, *rotation)
    query, key, value = (part.transpose(1, 2) for part in (query, key, value))
    return attention(query, key, value, torch.float32, mask, causal=heads.causal).transpose(1, 2)


def compare(
    given: Given,
    dtype: torch.dtype,
    rotation: tuple[Tensor, Tensor] | None = None,
    mask: Tensor | None = None,
    *,
    normed: bool = False,
) -> None:
    """A bfloat16 number has 8 bits, one of float32 24; an error is measured against the largest number, as sums of many are
    rounded."""
    weights = (given.query_weight, given.key_weight) if normed else None
    found = attend(given.product.to(dtype), given.heads, weights, rotation, mask)
    expected = expected_of(given, rotation, mask, normed)
    assert found.dtype == dtype
    scale = 1.0 if dtype == torch.bfloat16 else 2e-4
    leaves = given.leaves if normed else given.leaves[:1]
    ours = torch.autograd.grad((found * given.direction.to(dtype)).sum(), leaves)
    theirs = torch.autograd.grad((expected * given.direction).sum(), leaves)
    for one, other in zip((found.detach().float(), *ours), (expected.detach(), *theirs), strict=True):
        error = (one - other).norm() / other.norm()
        assert error < 6e-3 * scale, (one.shape, error)
        bound = 1.5e-2 * scale * max(1.0, float(other.abs().max()))
        torch.testing.assert_close(one, other, rtol=2e-2 * scale, atol=bound)


@pytest.mark.parametrize("length", [2, 7, 31, 32, 33, 64, 100, 257])
@pytest.mark.parametrize("causal", [True, False])
@of_both
def test_values_and_gradients_at_ragged_lengths(length: int, causal: bool, dtype: torch.dtype) -> None:
    compare(given(length, Heads(4, 2, causal)), dtype)


@pytest.mark.parametrize("size", [16, 32, 48, 64, 80, 128])
@of_both
def test_sizes_of_heads(size: int, dtype: torch.dtype) -> None:
    compare(given(45, Heads(2, 2, True, 1e-6), size), dtype, normed=True)


@pytest.mark.parametrize("keys", [1, 2, 4])
@pytest.mark.parametrize("of_rows", [True, False])
@of_both
def test_norms_and_rotation_of_heads_that_share_keys(keys: int, of_rows: bool, dtype: torch.dtype) -> None:
    one = given(37, Heads(4, keys, True, 1e-5))
    compare(one, dtype, rotation_of(one, of_rows), normed=True)
    compare(one, dtype, rotation_of(one, of_rows))


@pytest.mark.parametrize("shape", [(ROWS, 1, 41, 41), (1, 1, 41, 41), (ROWS, 1, 1, 41)])
@pytest.mark.parametrize("causal", [True, False])
@of_both
def test_masks(shape: tuple[int, ...], causal: bool, dtype: torch.dtype) -> None:
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(2)) < 0.5
    mask[..., 0] = True
    compare(given(41, Heads(4, 4, causal)), dtype, mask=mask)


@of_both
def test_what_is_hidden_has_no_influence_at_all(dtype: torch.dtype) -> None:
    one, other = given(70, Heads(2, 2, False)), given(70, Heads(2, 2, False))
    with torch.no_grad():
        other.product[:, 50:] = 1e4
    mask = (torch.arange(70) < 50)[None, None, None, :]
    results = [attend(each.product.to(dtype), each.heads, None, None, mask)[:, :50] for each in (one, other)]
    assert torch.equal(*results)
    (gradient,) = torch.autograd.grad(results[0].float().sum(), one.product)
    assert not gradient[:, 50:, 2:].any()


@of_both
def test_the_number_of_threads_changes_no_bit(dtype: torch.dtype) -> None:
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            one = given(50, Heads(4, 2, True, 1e-6))
            found = attend(one.product.to(dtype), one.heads, (one.query_weight, one.key_weight), None, None)
            results.append((found, *torch.autograd.grad((found * one.direction).sum(), one.leaves)))
    finally:
        torch.set_num_threads(before)
    for first, second in zip(*results, strict=True):
        assert torch.equal(first, second)


@of_both
def test_what_is_not_a_number_is_not_hidden(dtype: torch.dtype) -> None:
    one = given(40, Heads(1, 1, True))
    with torch.no_grad():
        one.product[0, 5, 0, 3] = float("nan")
    found = attend(one.product.to(dtype), one.heads, None, None, None)
    assert found[0, 5].isnan().any() and not found[0, :5].isnan().any() and not found[1].isnan().any()
