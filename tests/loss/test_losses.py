"""Losses equal their slow twins, values and gradients."""

from __future__ import annotations

import math

import pytest
import torch

from tests.reference import losses as slow
from trivium.base.native import NUMBERS
from trivium.loss import language, language_kernel
from trivium.loss.advantages import leave_one_out
from trivium.loss.language import linear_cross_entropy, token_log_probabilities
from trivium.loss.policy import kl_to_reference
from trivium.loss.preference import bradley_terry


def test_chunked_cross_entropy_equals_its_twin_with_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "CHUNK_POSITIONS", 4)  # three chunks, the last ragged
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 5, 7, generator=generator, requires_grad=True)
    weight = torch.randn(11, 7, generator=generator, requires_grad=True)
    targets = torch.randint(0, 11, (2, 5), generator=generator)
    weights = torch.tensor([[1.0, 0.0, 2.0, -0.5, 1.0], [0.0, 0.0, 1.0, 1.0, 0.25]])
    found = linear_cross_entropy(hidden, weight, targets, weights)
    found_gradients = torch.autograd.grad(found * 0.3, (hidden, weight))
    expected = slow.cross_entropy_sum(hidden, weight, targets, weights)
    expected_gradients = torch.autograd.grad(expected * 0.3, (hidden, weight))
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    for one, other in zip(found_gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_cross_entropy_with_a_bias_equals_that_of_the_whole_logits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(language, "CHUNK_POSITIONS", 4)
    generator = torch.Generator().manual_seed(3)
    parts = [torch.randn(shape, generator=generator, requires_grad=True) for shape in ((9, 7), (11, 7), (11,))]
    targets = torch.randint(0, 11, (9,), generator=generator)
    found = linear_cross_entropy(parts[0], parts[1], targets, torch.ones(9), parts[2])
    expected = torch.nn.functional.cross_entropy(parts[0] @ parts[1].t() + parts[2], targets, reduction="sum")
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    ours, theirs = torch.autograd.grad(found, parts), torch.autograd.grad(expected, parts)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.skipif(
    not language_kernel.is_for(torch.empty(1, dtype=torch.bfloat16), 1), reason="no compiler here: there is no kernel"
)
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("sizes", [(1, 3), (33, 65), (70, 300)])
@pytest.mark.parametrize("dtype", NUMBERS)
def test_cross_entropy_in_c_equals_that_by_operations(sizes: tuple[int, int], biased: bool, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(4)
    logits = (3 * torch.randn(sizes, generator=generator)).to(dtype)
    bias = torch.randn(sizes[1], generator=generator) if biased else None
    targets = torch.randint(0, sizes[1], sizes[:1], generator=generator)
    weights = torch.randn(sizes[0], generator=generator)
    expected = language._cross_entropy(logits.clone(), bias, targets, weights, True)
    untouched = logits.clone()
    without = language_kernel.cross_entropy(untouched, bias, targets, weights, False)
    assert torch.equal(untouched, logits) and without[1:] == (None, None)
    found = language_kernel.cross_entropy(logits, bias, targets, weights, True)
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(without[0], found[0], rtol=0, atol=0)
    assert found[1] is not None and expected[1] is not None
    rounding = 2.0**-7 if dtype == torch.bfloat16 else 1e-5  # of bfloat16 one unit in the last place
    torch.testing.assert_close(found[1].float(), expected[1].float(), rtol=rounding, atol=1e-6)
    if biased:
        torch.testing.assert_close(found[2], expected[2], rtol=1e-5, atol=1e-5)
    with pytest.raises(IndexError, match="outside the vocabulary of"):
        language_kernel.cross_entropy(logits, bias, targets + sizes[1], weights, True)


def test_positions_without_weight_get_no_gradient() -> None:
    hidden = torch.randn(3, 4, requires_grad=True)
    linear_cross_entropy(hidden, torch.randn(5, 4), torch.tensor([0, 1, 2]), torch.tensor([1.0, 0.0, 1.0])).backward()
    assert hidden.grad is not None and hidden.grad[1].abs().sum() == 0 and hidden.grad[0].abs().sum() > 0


def test_log_probabilities_at_a_temperature_are_those_of_the_scaled_softmax() -> None:
    logits = torch.tensor([[0.0, math.log(4.0)]])
    found = token_log_probabilities(logits, torch.tensor([1]), temperature=2.0)
    assert found.item() == pytest.approx(math.log(2 / 3))


def test_bradley_terry_by_hand() -> None:
    chosen, rejected = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    expected = math.log(1 + math.exp(-1)) + math.log(1 + math.exp(2)) + 0.1 * (1 + 4)
    assert bradley_terry(chosen, rejected, 0.1).item() == pytest.approx(expected, rel=1e-6)


def test_leave_one_out_equals_its_twin_and_sums_to_zero() -> None:
    rewards = [1.0, 2.0, 6.0]
    found = leave_one_out(torch.tensor([rewards]))[0]
    assert found.tolist() == pytest.approx(slow.leave_one_out(rewards))
    assert found.sum().item() == pytest.approx(0.0, abs=1e-6)


def test_an_unscorable_answer_is_left_out_of_the_baseline() -> None:
    found = leave_one_out(torch.tensor([[1.0, math.nan, 3.0]]))[0]
    assert found.tolist() == pytest.approx([-2.0, 0.0, 2.0])


def test_kl_counts_only_what_the_model_chose() -> None:
    policy, reference = torch.tensor([[-1.0, -2.0, -9.0]]), torch.tensor([[-1.5, -1.0, -1.0]])
    mask = torch.tensor([[True, True, False]])
    assert kl_to_reference(policy, reference, mask).tolist() == pytest.approx([-0.5])


def test_kl_penalty_in_the_reward_gives_the_gradient_of_the_reverse_kl() -> None:
    """Enumerated over a vocabulary of three: E[-(log p - log q) grad log p] = -grad KL(p || q)."""
    logits = torch.tensor([0.3, -0.2, 0.9], requires_grad=True)
    reference = torch.tensor([0.1, 0.5, -0.4]).log_softmax(0)
    exact = torch.autograd.grad((logits.softmax(0) * (logits.log_softmax(0) - reference)).sum(), logits)[0]
    policy = logits.log_softmax(0)
    estimate = torch.zeros(3)
    for token in range(3):
        penalty = (policy[token] - reference[token]).detach()
        gradient = torch.autograd.grad(policy[token], logits, retain_graph=True)[0]
        estimate += policy[token].exp().detach() * penalty * gradient
    torch.testing.assert_close(estimate, exact, rtol=1e-5, atol=1e-6)
