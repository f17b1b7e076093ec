"""What is hidden: the right share, in the right way, never what is added, and the same whoever asks."""

from __future__ import annotations

import numpy
import pytest

from trivium.base.errors import UserError
from trivium.data.masking import Masker
from trivium.data.masking_settings import MaskSettings

VOCABULARY, SPECIAL, MASK = 300, range(290, 300), 295


def masker(**settings: object) -> Masker:
    return Masker(MaskSettings.model_validate(settings), VOCABULARY, SPECIAL, MASK, seed=7)


def rows(count: int, width: int = 60) -> tuple[numpy.ndarray, numpy.ndarray]:
    """Rows of one added token, words of one to three tokens, another added token, and padding."""
    draw = numpy.random.default_rng(1)
    tokens = draw.integers(0, 290, (count, width))
    words = numpy.cumsum(draw.random((count, width)) < 0.6, axis=1)
    lengths = draw.integers(3, width, count)
    places = numpy.arange(width)
    outside = (places == 0) | (places >= lengths[:, None] - 1)
    tokens[outside] = 290
    return tokens, numpy.where(outside, -1, words)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("rate", [0.15, 0.3])
def test_shares_and_fates(whole: bool, rate: float) -> None:
    tokens, words = rows(600)
    hidden, chosen = masker(rate=rate, whole_words=whole).hide(tokens, words, numpy.arange(600), numpy.zeros(600, int))
    possible = words >= 0
    assert not (chosen & ~possible).any()
    assert (chosen.sum(axis=1) >= 1)[possible.any(axis=1)].all()
    if not whole:
        expected = numpy.maximum(numpy.rint(rate * possible.sum(axis=1)), 1)
        assert (chosen.sum(axis=1) == expected)[possible.any(axis=1)].all()
    total = chosen.sum()
    assert abs(total / possible.sum() - rate) < 0.02
    masked, kept = (hidden == MASK) & chosen, (hidden == tokens) & chosen
    for share, wanted in ((masked.sum() / total, 0.8), (kept.sum() / total, 0.1 + 0.1 / 290)):
        assert abs(share - wanted) < 3 * (wanted * (1 - wanted) / total) ** 0.5 + 0.002
    others = hidden[chosen & (hidden != MASK) & (hidden != tokens)]
    assert others.max() < 290 and len(numpy.unique(others)) > 150
    assert (hidden == tokens)[~chosen].all()


def test_the_tokens_of_a_word_are_hidden_together() -> None:
    tokens, words = rows(300)
    _, chosen = masker(whole_words=True).hide(tokens, words, numpy.arange(300), numpy.zeros(300, int))
    partly = 0
    for row in range(300):
        for word in set(words[row][words[row] >= 0].tolist()):
            states = chosen[row][words[row] == word]
            partly += len(set(states.tolist())) > 1
    assert partly == 0


def test_a_sample_is_hidden_the_same_in_any_batch_and_otherwise_in_another_epoch_or_with_another_seed() -> None:
    tokens, words = rows(50)
    one = masker()
    epochs = numpy.full(50, 3)
    hidden, _ = one.hide(tokens, words, numpy.arange(50), epochs)
    order = numpy.array([9, 4, 30])
    wider = numpy.pad(tokens[order], ((0, 0), (0, 8)), constant_values=291)
    again, _ = one.hide(wider, numpy.pad(words[order], ((0, 0), (0, 8)), constant_values=-1), order, epochs[order])
    assert (again[:, :60] == hidden[order]).all()
    for other in (
        one.hide(tokens, words, numpy.arange(50), epochs + 1)[0],
        one.hide(tokens, words, numpy.arange(50) + 50, epochs)[0],
        Masker(MaskSettings(), VOCABULARY, SPECIAL, MASK, seed=8).hide(tokens, words, numpy.arange(50), epochs)[0],
    ):
        assert (other != hidden).any(axis=1).mean() > 0.9


def test_shares_that_do_not_add_up_and_a_tokenizer_without_a_mask_are_refused() -> None:
    with pytest.raises(ValueError, match=r"split is \[0\.8, 0\.1, 0\.2\]; three shares that add up to 1"):
        MaskSettings.model_validate({"split": [0.8, 0.1, 0.2]})
    with pytest.raises(UserError, match=r"tokenize\.masked_tokens: true"):
        Masker(MaskSettings(), VOCABULARY, SPECIAL, None, 0)
