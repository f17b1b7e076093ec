"""The pass for decoding computes what the trunk computes, with and without the kernel, in both precisions."""

from __future__ import annotations

import pytest
import torch

from tests.model.shapes import SHAPE
from tests.model.variants import any_model, shape_of
from trivium.base.native import library
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


@pytest.mark.parametrize("name", NAMES)
def test_in_float32_it_is_the_trunk_to_rounding(name: str) -> None:
    found, expected, way = decoded(name, torch.float32)
    assert isinstance(way, Trunk if name == "gpt2" else FewOperations)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=2e-5)


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_in_bfloat16_it_is_as_near_as_those_numbers_are(
    name: str, built: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if built and kernel() is None:
        pytest.skip("no C compiler here")
    if not built:
        monkeypatch.setattr(decode, "kernel", lambda: None)
    found, expected, way = decoded(name, torch.bfloat16)
    assert getattr(way, "kernel", None) is None or built
    # a bfloat16 number has 8 bits: 0.4% each, and a few layers of them
    error = (found.float() - expected).norm() / expected.norm()
    assert 1e-4 < error < 0.02


def test_a_kernel_that_cannot_be_built_is_done_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: "/bin/false")
    for remembered in (library, kernel):
        remembered.cache_clear()
    assert kernel() is None
    for remembered in (library, kernel):
        remembered.cache_clear()
