"""A model that begins by copying does, before any training; one that does not, does not."""

from __future__ import annotations

from dataclasses import replace

import torch

from tests.model.shapes import SHAPE
from trivium.model.architecture import Architecture
from trivium.model.initialise import begin_copying, initialise
from trivium.model.transformer import Transformer


def copied(model: Transformer) -> float:
    """Share of the second half of a repeated random row that the model foretells."""
    half = torch.randint(0, model.shape.vocab_size, (16, 20), generator=torch.Generator().manual_seed(5))
    row = torch.cat([half, half], dim=1)
    with torch.no_grad():
        guesses = model.logits(model(row[:, :-1])).argmax(dim=-1)
    return float((guesses[:, 20:] == row[:, 21:]).float().mean())


def test_the_second_half_of_a_repeated_row_is_foretold_before_any_training() -> None:
    for seed in range(3):
        plain = Transformer(Architecture(vocab_size=2000))
        initialise(plain, torch.Generator().manual_seed(seed))
        assert copied(plain) < 0.02
        wired = Transformer(Architecture(vocab_size=2000))
        generator = torch.Generator().manual_seed(seed)
        initialise(wired, generator)
        begin_copying(wired, generator)
        assert copied(wired) > 0.3


def test_a_shape_that_cannot_be_wired_is_left_as_it_is() -> None:
    for shape in (SHAPE, replace(SHAPE, num_kv_heads=6, num_layers=1)):
        model = Transformer(shape)
        initialise(model, torch.Generator().manual_seed(0))
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        begin_copying(model, torch.Generator().manual_seed(1))
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
