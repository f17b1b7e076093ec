"""Packed rows give what padded ones give; further inputs begin as nothing and reach the tokens that they are of."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.model.variants import any_model, shape_of
from trivium.base.words import Rows
from trivium.model.further import Matching, add_input, states
from trivium.tokenizer.rows import Row, padded

LENGTHS = (23, 3, 9, 2, 11, 5)


def rows_of(lengths: tuple[int, ...]) -> Rows:
    generator = torch.Generator().manual_seed(0)
    ids = [torch.randint(1, 61, (length,), generator=generator).tolist() for length in lengths]
    return padded(
        [
            Row(tuple(row), tuple(int(n > 1) for n in range(len(row))), asked=tuple(range(0, len(row), 3)))
            for row in ids
        ],
        0,
    )


@pytest.mark.parametrize("variant", ["bert", "modernbert", "qwen3"])
@pytest.mark.parametrize("matching", [False, True])
def test_packed_rows_give_the_states_and_gradients_of_padded_ones(variant: str, matching: bool) -> None:
    rows = rows_of(LENGTHS)
    assert rows.packed is not None and rows.packed.shape[0] < len(LENGTHS)
    model = any_model(shape_of(variant), "masked" if variant != "qwen3" else "language")
    if matching:
        add_input(model, "matching", 1, torch.Generator())
        assert model.extra is not None
        torch.nn.init.normal_(next(model.extra.parameters()), generator=torch.Generator().manual_seed(1))
    found = []
    for one in (rows, replace(rows, packed=None)):
        model.zero_grad()
        hidden = states(model, one)[one.real]
        hidden.square().sum().backward()
        gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        found.append((hidden.detach(), gradients))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-5, atol=1e-5)
    for name, gradient in found[1][1].items():
        torch.testing.assert_close(found[0][1][name], gradient, rtol=1e-4, atol=1e-4)


def test_packing_holds_every_token_once_and_is_left_out_where_it_spares_little() -> None:
    rows = rows_of(LENGTHS)
    assert rows.packed is not None
    held = rows.packed[rows.packed >= 0]
    assert sorted(held.tolist()) == rows.real.flatten().nonzero().flatten().tolist()
    assert rows_of((8, 8, 7)).packed is None


def test_what_the_question_names_begins_as_nothing() -> None:
    model = any_model(shape_of("bert"), "masked")
    rows = rows_of(LENGTHS)
    before = states(model, rows)
    add_input(model, "matching", 1, torch.Generator())
    assert isinstance(model.extra, Matching) and torch.equal(states(model, rows), before)
