"""Attention with its gradient written out equals PyTorch's, whatever the length leaves of the last block."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trivium.model.attend import BLOCK, attention


def random_heads(length: int, key_heads: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(length)
    shapes = [(2, 4, length, 8), (2, key_heads, length, 8), (2, key_heads, length, 8)]
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


@pytest.mark.parametrize("length", [1, 7, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 5, 4 * BLOCK])
@pytest.mark.parametrize("key_heads", [1, 2, 4])
@pytest.mark.parametrize(("low", "allowed"), [(torch.float32, 1e-5), (torch.bfloat16, 3e-2)])
def test_values_and_gradients(length: int, key_heads: int, low: torch.dtype, allowed: float) -> None:
    mine, theirs = random_heads(length, key_heads), random_heads(length, key_heads)
    found = attention(mine[0], mine[1], mine[2], low, causal=True)
    expected = F.scaled_dot_product_attention(theirs[0], theirs[1], theirs[2], is_causal=True, enable_gqa=True)
    assert found.dtype == low
    torch.testing.assert_close(found.float(), expected, rtol=allowed, atol=allowed)
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    (found * direction).sum().backward()
    (expected * direction).sum().backward()
    for one, other in zip(mine, theirs, strict=True):
        assert one.grad is not None and other.grad is not None and one.grad.dtype == torch.float32
        scale = max(1.0, float(other.grad.abs().max()))
        torch.testing.assert_close(one.grad, other.grad, rtol=allowed, atol=allowed * scale)


@pytest.mark.parametrize("shape", [(2, 1, 9, 9), (1, 1, 9, 9), (2, 1, 1, 9)])
def test_masks(shape: tuple[int, ...]) -> None:
    mine, theirs = random_heads(9, 2), random_heads(9, 2)
    mask = torch.rand(shape, generator=torch.Generator().manual_seed(2)) < 0.5
    mask[..., 0] = True
    found = attention(mine[0], mine[1], mine[2], torch.float32, mask, causal=True)
    expected = F.scaled_dot_product_attention(theirs[0], theirs[1], theirs[2], attn_mask=mask, enable_gqa=True)
    torch.testing.assert_close(found, expected)
    direction = torch.randn(expected.shape, generator=torch.Generator().manual_seed(1))
    (found * direction).sum().backward()
    (expected * direction).sum().backward()
    for one, other in zip(mine, theirs, strict=True):
        torch.testing.assert_close(one.grad, other.grad)


def test_both_ways_without_a_mask() -> None:
    heads = random_heads(2 * BLOCK + 5, 4)
    found = attention(heads[0], heads[1], heads[2], torch.float32, causal=False)
    torch.testing.assert_close(found, F.scaled_dot_product_attention(heads[0], heads[1], heads[2]))


def test_the_products_keep_their_precision_under_autocast() -> None:
    heads = random_heads(20, 4)
    plain = attention(heads[0], heads[1], heads[2], torch.float32, causal=True)
    with torch.autocast("cpu", torch.bfloat16):
        wrapped = attention(heads[0], heads[1], heads[2], torch.float32, causal=True)
    assert torch.equal(plain, wrapped)
