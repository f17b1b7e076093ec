"""The three ways into the trunk agree: whole rows, packed rows, cached decoding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from tests.model.shapes import SHAPE, random_model
from tests.model.variants import VARIANTS, any_model, shape_of
from trivium.base.errors import UserError
from trivium.model import transformer
from trivium.model.cache import SlotCache
from trivium.model.heads import Dropout, pool
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


@pytest.mark.parametrize("variant", [name for name in VARIANTS if shape_of(name).causal])
def test_cached_decoding_equals_the_whole_row_for_rows_of_different_lengths(variant: str) -> None:
    shape = shape_of(variant)
    model = any_model(shape, "language")
    tokens = torch.randint(0, shape.vocab_size, (2, 12), generator=torch.Generator().manual_seed(3))
    expected = model(tokens)
    cache = SlotCache(shape, 4, 12, model.embedding.weight)
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


@pytest.mark.parametrize("variant", [name for name in VARIANTS if not shape_of(name).causal])
def test_padding_and_company_change_neither_an_encoder_s_outputs_nor_its_gradients(variant: str) -> None:
    shape = shape_of(variant)
    model = any_model(shape, "masked")
    generator = torch.Generator().manual_seed(2)
    rows = [torch.randint(0, shape.vocab_size, (1, length), generator=generator) for length in (9, 2, 5)]
    alone = [model(row) for row in rows]
    torch.cat([hidden.square().sum().reshape(1) for hidden in alone]).sum().backward()
    expected = {
        name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None
    }
    model.zero_grad()
    width = 21  # further than any window reaches, so that some padding sees nothing but itself
    tokens, real = torch.full((3, width), 7), torch.zeros(3, width, dtype=torch.bool)
    for number, row in enumerate(rows):
        tokens[number, : row.shape[1]], real[number, : row.shape[1]] = row, True
    hidden = model(tokens, real=real)
    assert bool(hidden.isfinite().all())
    for number, one in enumerate(alone):
        torch.testing.assert_close(hidden[number : number + 1, : one.shape[1]], one, rtol=1e-5, atol=1e-5)
    hidden[real].square().sum().backward()
    for name, parameter in model.named_parameters():
        if name in expected:
            torch.testing.assert_close(parameter.grad, expected[name], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variant", ["bert", "modernbert"])
def test_an_encoder_s_documents_in_one_row_do_not_see_each_other(variant: str) -> None:
    model = any_model(shape_of(variant), "masked")
    generator = torch.Generator().manual_seed(4)
    first, second = (torch.randint(0, 61, (1, length), generator=generator) for length in (5, 8))
    segments, positions = torch.tensor([[0] * 5 + [1] * 8]), torch.tensor([[*range(5), *range(8)]])
    hidden = model(torch.cat([first, second], dim=1), positions=positions, segments=segments)
    torch.testing.assert_close(hidden[:, :5], model(first), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(hidden[:, 5:], model(second), rtol=1e-5, atol=1e-5)


def test_a_prefix_is_seen_from_both_sides_and_what_follows_it_is_not() -> None:
    model = random_model()
    tokens = torch.randint(0, SHAPE.vocab_size, (1, 9), generator=torch.Generator().manual_seed(0))
    prefix = torch.arange(9)[None] < 4

    def changed(place: int) -> list[int]:
        """Which places' hidden states depend on the token at `place`."""
        other = tokens.clone()
        other[0, place] = (other[0, place] + 1) % SHAPE.vocab_size
        differ = (model(tokens, prefix=prefix) - model(other, prefix=prefix)).abs().amax(dim=2) > 1e-6
        return differ[0].nonzero().squeeze(1).tolist()

    assert changed(3) == list(range(9))
    assert changed(6) == [6, 7, 8]


def test_pooling_reads_no_padding_on_either_side() -> None:
    hidden = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))
    real = torch.tensor([[True, True, False, False, False], [False, False, True, True, True]])
    for how, expected in (
        ("cls", [hidden[0, 0], hidden[1, 2]]),
        ("last", [hidden[0, 1], hidden[1, 4]]),
        ("mean", [hidden[0, :2].mean(0), hidden[1, 2:].mean(0)]),
    ):
        torch.testing.assert_close(pool(hidden, real, how), torch.stack(expected))
    with pytest.raises(UserError, match="known: cls, mean, last"):
        pool(hidden, real, "max")


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.999999])
def test_dropout_zeroes_its_share_keeps_the_mean_and_draws_the_same_from_the_same_seed(
    kind: torch.dtype, share: float
) -> None:
    values = torch.ones(400, 300, dtype=kind, requires_grad=True)
    drop = Dropout(share, 1, values.device)
    dropped = drop(values)
    zeroed = dropped == 0
    assert abs(float(zeroed.double().mean()) - share) < 0.01
    if share < 0.9:
        assert abs(float(dropped.detach().double().mean()) - 1.0) < 0.02
        torch.testing.assert_close(
            dropped[~zeroed], torch.full_like(dropped[~zeroed], 1 / (1 - share)), rtol=4e-3, atol=0
        )
        assert not torch.equal(dropped, drop(values)), "each place in a model draws its own"
    dropped.sum().backward()  # type: ignore[no-untyped-call]
    assert torch.equal(values.grad, dropped.detach()), "what was zeroed learns nothing, the rest as much more"  # type: ignore[arg-type]
    assert torch.equal(dropped, Dropout(share, 1, values.device)(values))
    assert not torch.equal(dropped, Dropout(share, 2, values.device)(values)) or share > 0.9


def test_dropout_of_nothing_gives_the_numbers_themselves_and_an_impossible_share_is_refused() -> None:
    values = torch.ones(4)
    assert Dropout(0.0, 1, values.device)(values) is values
    with pytest.raises(UserError, match="at least 0 and below 1"):
        Dropout(1.0, 1, values.device)


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


class AttentionTypes(TorchDispatchMode):
    """Collects what the operator of attention is really given, and what the products are."""

    def __init__(self) -> None:
        super().__init__()
        self.attention: set[torch.dtype] = set()
        self.products: set[torch.dtype] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        seen = self.attention if "attention" in str(func) else self.products if "mm" in str(func) else set()
        seen |= {one.dtype for one in args if isinstance(one, Tensor)}
        return func(*args, **(kwargs or {}))


def test_the_librarys_attention_stays_in_float32_on_the_cpu_where_products_are_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(transformer, "LONGEST", 4)  # longer rows go to the library's
    with AttentionTypes() as found, torch.autocast("cpu", torch.bfloat16):
        random_model()(torch.arange(10).view(2, 5))
    assert found.attention == {torch.float32}
    assert found.products == {torch.bfloat16}
