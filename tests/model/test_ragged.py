"""Rows as a list of tokens: the same hidden states and the same gradient as each row by itself, computed once where shared."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.model.variants import any_model, shape_of
from trivium.base.product import SIZES
from trivium.model.ragged import ragged, read

ROWS = [
    (5, 6, 7, 8, 9),
    (11,),
    (5, 6, 7, 20, 21, 22, 23, 24, 25, 26),
    (5, 6),  # the beginning of others, and nothing else
    (12, 13, 14),
    (5, 6, 7, 8, 9),  # one of them again
    (5, 6, 7, 20, 30, 31),
]


def padded() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Tokens, lengths, and some places: each row's last one, and every other one of the long rows."""
    lengths = torch.tensor([len(row) for row in ROWS])
    tokens = torch.full((len(ROWS), int(lengths.max())), 3)
    asked = torch.zeros(tokens.shape, dtype=torch.bool)
    for number, row in enumerate(ROWS):
        tokens[number, : len(row)] = torch.tensor(row)
        asked[number, len(row) - 1] = True
        asked[number, : len(row) : 2] |= len(row) > 4
    return tokens, lengths, asked


SHAPES = {variant: shape_of(variant) for variant in ("qwen3", "qwen3-windows", "llama-biases", "gpt2")}
SHAPES |= {
    f"{name}, heads of 16": replace(SHAPES[name], head_dim=16) for name in ("qwen3", "qwen3-windows", "llama-biases")
}


@pytest.mark.parametrize("name", SHAPES)  # attention of heads of 16 is computed in C, where it can be
@pytest.mark.parametrize("blocks", [1, 3])
def test_hidden_states_and_gradients_are_those_of_each_row_by_itself(name: str, blocks: int) -> None:
    tokens, lengths, asked = padded()
    together, apart = (any_model(SHAPES[name], "language") for _ in range(2))
    factors = torch.randn(int(asked.sum()), together.shape.hidden_size, generator=torch.Generator().manual_seed(1))
    found = read(together, ragged(tokens, lengths, asked, blocks))
    expected = torch.cat([apart(torch.tensor([row]))[0][asked[number, : len(row)]] for number, row in enumerate(ROWS)])
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    for one, other in zip(
        torch.autograd.grad((found * factors).sum(), [*together.parameters()], allow_unused=True),
        torch.autograd.grad((expected * factors).sum(), [*apart.parameters()], allow_unused=True),
        strict=True,
    ):
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            largest = float(other.abs().max())  # rounding is that of the sums that an entry is made of
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5 * max(1.0, largest))


def test_a_common_beginning_is_computed_once_and_padding_never() -> None:
    tokens, lengths, asked = padded()
    rows = ragged(tokens, lengths, asked)
    beginnings = {row[:end] for row in ROWS for end in range(1, len(row) + 1)}
    assert len(beginnings) < sum(map(len, ROWS)) < tokens.numel()
    assert rows.tokens.numel() == len(beginnings) + -len(beginnings) % SIZES
    listed = sorted(zip(rows.tokens[0].tolist(), rows.positions[0].tolist(), strict=True))[-len(beginnings) :]
    assert listed == sorted((row[-1], len(row) - 1) for row in beginnings)
    assert rows.kept is not None and len(rows.kept) % SIZES == 0
