"""The pass for decoding computes what the trunk computes, with and without the kernel, in both precisions."""

from __future__ import annotations

import pytest
import torch

from tests.model.shapes import SHAPE
from tests.model.variants import any_model, shape_of
from trivium.base.native import NUMBERS, library
from trivium.model import decode
from trivium.model.decode import FewOperations, Trunk, decoding_pass
from trivium.model.decode_kernel import kernel

NAMES = ("qwen3", "qwen3-windows", "qwen2", "llama-biases", "llama-scaled", "mistral", "gpt2")


def decoded(name: str, dtype: torch.dtype) -> tuple[torch.Tensor, torch.Tensor, decode.Pass]:
    """Logits (rows, V) by pieces and steps of three rows of different lengths, and those of the trunk, row by row."""
    model = any_model(shape_of(name), "language")
    way = decoding_pass(model, dtype)
    tokens = torch.randint(0, SHAPE.vocab_size, (3, 30), generator=torch.Generator().manual_seed(1))
    cache = way.cache(4, 40)
    lengths = torch.tensor([5, 12, 9])
    found, expected = [], []
    with torch.inference_mode():
        positions = cache.enter(torch.zeros(3, dtype=torch.long), 12, torch.arange(3))
        hidden = way.hidden(tokens[:, :12], positions, cache)
        found.append(way.logits(hidden[torch.arange(3), lengths - 1]))
        expected += [model.logits(model(tokens[row : row + 1, :length])[0, -1]) for row, length in enumerate(lengths)]
        for _ in range(15):
            positions = cache.enter(lengths, 1)
            found.append(way.logits(way.hidden(tokens.gather(1, lengths[:, None]), positions, cache)[:, 0]))
            lengths += 1
            expected += [
                model.logits(model(tokens[row : row + 1, :length])[0, -1]) for row, length in enumerate(lengths)
            ]
    return torch.cat(found), torch.stack(expected), way


def with_kernel(built: bool, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let passes be made with the kernel, or without one."""
    if built and kernel(dtype) is None:
        pytest.skip("no C compiler here")
    if not built:
        monkeypatch.setattr(decode, "kernel", lambda number: None)


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_in_float32_it_is_the_trunk_to_rounding(name: str, built: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with_kernel(built, torch.float32, monkeypatch)
    found, expected, way = decoded(name, torch.float32)
    assert isinstance(way, Trunk if name == "gpt2" else FewOperations)
    assert (getattr(way, "kernel", None) is not None) == (built and name != "gpt2")
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_in_bfloat16_it_is_as_near_as_those_numbers_are(
    name: str, built: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_kernel(built, torch.bfloat16, monkeypatch)
    found, expected, way = decoded(name, torch.bfloat16)
    assert getattr(way, "kernel", None) is None or built
    # a bfloat16 number has 8 bits: 0.4% each, and a few layers of them
    error = (found.float() - expected).norm() / expected.norm()
    assert 1e-4 < error < 0.02


def test_products_meet_few_numbers_of_rows_whatever_the_lengths_of_prompts() -> None:
    layer = torch.nn.Linear(24, 40, bias=False)
    try:
        packed = decode.Packed(layer.bfloat16())
    except (AttributeError, RuntimeError):
        pytest.skip("this build of PyTorch has not oneDNN's layout")
    met: set[int] = set()
    product, summed = packed.product, packed.summed
    packed.product = lambda values, *rest: (met.add(len(values)), product(values, *rest))[1]
    packed.summed = lambda values, added, *rest: (met.add(len(values) + 100_000), summed(values, added, *rest))[1]
    values, added = torch.randn(1100, 24).bfloat16(), torch.randn(1100, 40).bfloat16()
    expected = values.float() @ layer.weight.float().T
    with torch.inference_mode():
        for rows in (*range(1, 300), 511, 512, 700, 1099):
            torch.testing.assert_close(packed(values[:rows]).float(), expected[:rows], rtol=0.02, atol=0.02)
            found = packed(values[:rows], added[:rows]).float()
            torch.testing.assert_close(found, expected[:rows] + added[:rows].float(), rtol=0.02, atol=0.04)
    assert {number for number in met if number < 33} == set(range(1, 33))  # few rows are not made more
    assert len([number for number in met if 32 < number < 100_000]) <= 22
    assert len([number for number in met if number > 100_032]) <= 22


@pytest.mark.parametrize("size", [10, 32, 64, 128])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_the_kernel_s_attention_is_the_plain_formula_for_any_size_of_head(size: int, dtype: torch.dtype) -> None:
    built = kernel(dtype)
    if built is None:
        pytest.skip("no C compiler here")
    heads, groups, capacity, window = 4, 2, 70, 30
    generator = torch.Generator().manual_seed(2)
    qkv = torch.randn(3, (heads + 2 * groups) * size, generator=generator).to(dtype)
    store = torch.randn(2, 5, groups, capacity, size, generator=generator).to(dtype)
    angles = torch.rand(capacity, size // 2, generator=generator)
    positions = torch.tensor([0, 17, 66])
    turn = (None, angles.cos(), angles.sin())
    found = built.attend(qkv, turn, store, positions, (heads, groups, window), 1e-6).view(3, heads, size)
    for row, now in enumerate(positions.tolist()):
        first, second = qkv[row].float().view(-1, size)[:heads].chunk(2, dim=-1)
        cosine, sine = turn[1][now], turn[2][now]
        query = torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)  # (H, E)
        seen = slice(max(0, now + 1 - window), now + 1)
        for head in range(heads):
            keys, values = store[:, row, head * groups // heads, seen].float()
            shares = (keys @ query[head] / size**0.5).softmax(dim=0)
            rounding = {"rtol": 2**-8, "atol": 1e-3} if dtype == torch.bfloat16 else {"rtol": 1e-5, "atol": 1e-5}
            torch.testing.assert_close(found[row, head].float(), shares @ values, **rounding)


@pytest.mark.parametrize("dtype", NUMBERS)
def test_the_kernel_s_gate_is_silu_also_far_from_zero(dtype: torch.dtype) -> None:
    built = kernel(dtype)
    if built is None:
        pytest.skip("no C compiler here")
    gate = torch.cat([torch.linspace(-20, 20, 401), torch.tensor([-3e38, -300.0, -90.0, 90.0, 300.0, 3e38])]).to(dtype)
    up = torch.linspace(-1, 1, len(gate)).to(dtype)
    found = built.swiglu(torch.cat([gate, up])[None])[0]
    expected = torch.nn.functional.silu(gate.float()) * up.float()
    torch.testing.assert_close(found.float(), expected, rtol=2**-8 if dtype == torch.bfloat16 else 1e-6, atol=1e-37)
    assert built.swiglu(torch.full((1, 64), torch.nan, dtype=dtype)).isnan().all()


def test_a_kernel_that_cannot_be_built_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/bin/false")
    for remembered in (library, kernel):
        remembered.cache_clear()
    assert all(kernel(number) is None for number in NUMBERS)
    for remembered in (library, kernel):
        remembered.cache_clear()
