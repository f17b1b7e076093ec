"""The three ways into the trunk agree: whole rows, packed rows, cached decoding."""

from __future__ import annotations

import torch

from tests.model.shapes import SHAPE, random_model
from trivium.model.cache import SlotCache
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer


def test_padding_at_the_right_changes_nothing() -> None:
    model = random_model()
    row = torch.randint(0, SHAPE.vocab_size, (1, 7), generator=torch.Generator().manual_seed(0))
    padded = torch.cat([row, torch.full((1, 5), 3)], dim=1)
    torch.testing.assert_close(model(padded)[:, :7], model(row), rtol=1e-5, atol=1e-5)


def test_documents_packed_in_a_row_do_not_see_each_other() -> None:
    model = random_model()
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.randint(0, SHAPE.vocab_size, (1, length), generator=generator) for length in (5, 8))
    packed = torch.cat([first, second], dim=1)
    segments = torch.tensor([[0] * 5 + [1] * 8])
    positions = torch.tensor([[*range(5), *range(8)]])
    hidden = model(packed, positions=positions, segments=segments)
    torch.testing.assert_close(hidden[:, :5], model(first), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(hidden[:, 5:], model(second), rtol=1e-5, atol=1e-5)
    mixed = model(packed)
    assert not torch.allclose(mixed[:, 5:], hidden[:, 5:], atol=1e-3)


def test_cached_decoding_equals_the_whole_row_for_rows_of_different_lengths() -> None:
    model = random_model()
    tokens = torch.randint(0, SHAPE.vocab_size, (2, 12), generator=torch.Generator().manual_seed(3))
    expected = model(tokens)
    cache = SlotCache(SHAPE, 4, 12, model.embedding.weight)
    slots = torch.tensor([2, 0])
    prompts = torch.tensor([6, 3])
    with torch.no_grad():
        positions = cache.enter(torch.zeros(2, dtype=torch.long), 6, slots)
        model(tokens[:, :6], positions=positions, cache=cache)  # the second row's last three are padding
        lengths = prompts.clone()
        for _ in range(5):
            positions = cache.enter(lengths, 1, slots)
            hidden = model(tokens[torch.arange(2), lengths][:, None], positions=positions, cache=cache)
            torch.testing.assert_close(hidden[:, 0], expected[torch.arange(2), lengths], rtol=1e-4, atol=1e-5)
            lengths = lengths + 1


def test_a_fresh_model_starts_as_the_identity_of_its_embedding() -> None:
    model = Transformer(SHAPE)
    initialise(model, torch.Generator().manual_seed(0))
    tokens = torch.arange(8).view(1, 8)
    embedded = torch.nn.functional.embedding(tokens, model.embedding.weight)
    expected = torch.nn.functional.rms_norm(embedded, (SHAPE.hidden_size,), eps=SHAPE.norm_epsilon)
    torch.testing.assert_close(model(tokens), expected)


def test_the_same_generator_gives_the_same_weights() -> None:
    first, second, third = Transformer(SHAPE), Transformer(SHAPE), Transformer(SHAPE)
    for model, seed in ((first, 1), (second, 1), (third, 2)):
        initialise(model, torch.Generator().manual_seed(seed))
    assert torch.equal(first.blocks[1].attention.qkv.weight, second.blocks[1].attention.qkv.weight)
    assert not torch.equal(first.blocks[1].attention.qkv.weight, third.blocks[1].attention.qkv.weight)
