"""Written-out gradients equal autograd's."""

from __future__ import annotations

import torch

from tests.reference import elementwise as slow
from trivium.model.elementwise import rotation_table
from trivium.model.fused import geglu, norm_rotate, rms_norm, rotate, swiglu


def test_rms_norm_and_its_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(3, 5, 8, generator=generator, requires_grad=True)
    weight = torch.randn(8, generator=generator, requires_grad=True)
    direction = torch.randn(3, 5, 8, generator=generator)
    found, expected = rms_norm(hidden, weight, 1e-5), slow.rms_norm(hidden, weight, 1e-5)
    torch.testing.assert_close(found, expected)
    ours = torch.autograd.grad((found * direction).sum(), (hidden, weight))
    theirs = torch.autograd.grad((expected * direction).sum(), (hidden, weight))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_norm_and_rotation_and_their_gradients_also_with_positions_of_each_row() -> None:
    generator = torch.Generator().manual_seed(1)
    cosines, sines = rotation_table(20, 6, 100.0)
    positions = torch.randint(0, 20, (2, 7), generator=generator)
    for rotation in (
        (cosines[:7, None], sines[:7, None]),
        (cosines[positions].unsqueeze(2), sines[positions].unsqueeze(2)),
    ):
        heads = torch.randn(2, 7, 4, 6, generator=generator, requires_grad=True)
        weight = torch.randn(4, 6, generator=generator, requires_grad=True)
        direction = torch.randn(2, 7, 4, 6, generator=generator)
        found = norm_rotate(heads, weight, rotation, 1e-6)
        expected = slow.rotate(slow.rms_norm(heads, weight, 1e-6), *rotation)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        ours = torch.autograd.grad((found * direction).sum(), (heads, weight))
        theirs = torch.autograd.grad((expected * direction).sum(), (heads, weight))
        for one, other in zip(ours, theirs, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
        found, expected = rotate(heads, rotation), slow.rotate(heads, *rotation)
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
        (mine,) = torch.autograd.grad((found * direction).sum(), heads)
        (plain,) = torch.autograd.grad((expected * direction).sum(), heads)
        torch.testing.assert_close(mine, plain, rtol=1e-5, atol=1e-5)


def test_gated_activations_and_their_gradients() -> None:
    generator = torch.Generator().manual_seed(2)
    both = torch.randn(3, 5, 12, generator=generator, requires_grad=True)
    direction = torch.randn(3, 5, 6, generator=generator)
    for fast, plain in ((swiglu, slow.swiglu), (geglu, slow.geglu)):
        found, expected = fast(both), plain(both)
        torch.testing.assert_close(found, expected)
        (ours,) = torch.autograd.grad((found * direction).sum(), both)
        (theirs,) = torch.autograd.grad((expected * direction).sum(), both)
        torch.testing.assert_close(ours, theirs)


def test_norms_give_what_the_next_product_reads() -> None:
    hidden = torch.randn(4, 8, generator=torch.Generator().manual_seed(3), requires_grad=True)
    weight = torch.ones(8, requires_grad=True)
    with torch.autocast("cpu", torch.bfloat16):
        found = rms_norm(hidden, weight, 1e-6)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), slow.rms_norm(hidden, weight, 1e-6), rtol=1e-2, atol=1e-2)
    found.float().sum().backward()
    assert hidden.grad is not None and hidden.grad.dtype == torch.float32
