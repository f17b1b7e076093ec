"""The scorer: every token once, whatever the stride; and what it says of models whose bits are known."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from score import total_nats

VOCABULARY = 5


def by_place(tokens: Tensor, targets: Tensor) -> Tensor:
    """Logits (B, T, V) that depend on the whole context and on how much of it there is."""
    context = torch.cumsum(tokens, 1) + torch.arange(tokens.shape[1])
    return torch.nn.functional.one_hot(context % VOCABULARY, VOCABULARY).double() * 2.0


def one_by_one(logits_of: Callable[[Tensor, Tensor], Tensor], stream: Tensor, window: int, stride: int) -> float:
    """The definition, token by token: the window in which each target is counted, and its place in it."""
    total, end, previous = 0.0, window, 0
    while previous < len(stream) - 1:
        for target in range(previous, end):
            inputs = stream[None, end - window : end]
            logits = logits_of(inputs, inputs)[0, target - (end - window)]
            total -= float(torch.log_softmax(logits, -1)[stream[target + 1]])
        previous, end = end, min(end + stride, len(stream) - 1)
    return total


@pytest.mark.parametrize(("length", "window", "stride"), [(31, 8, 8), (31, 8, 4), (24, 8, 8), (8, 8, 3), (200, 2, 1)])
def test_windows_are_what_they_say(length: int, window: int, stride: int) -> None:
    stream = torch.randint(VOCABULARY, (length + 1,), generator=torch.Generator().manual_seed(3))
    expected = one_by_one(by_place, stream, window, stride)
    assert total_nats(by_place, stream, window, stride) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("stride", [16, 8, 5])
def test_a_model_that_knows_nothing_pays_for_every_token_once(stride: int) -> None:
    stream = torch.randint(VOCABULARY, (1001,), generator=torch.Generator().manual_seed(4))
    nats = total_nats(lambda tokens, targets: torch.zeros(*tokens.shape, VOCABULARY), stream, 16, stride)
    assert nats == pytest.approx(1000 * math.log(VOCABULARY))


def test_a_text_shorter_than_a_window_is_refused() -> None:
    with pytest.raises(ValueError, match="7 tokens, less than one window of 8"):
        total_nats(by_place, torch.zeros(8, dtype=torch.int64), 8, 8)
