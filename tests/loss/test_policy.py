"""The mathematics of policy gradients against numbers worked out by hand, and against slow twins."""

from __future__ import annotations

import math

import pytest
import torch

from tests.reference import advantages as slow
from trivium.loss.advantages import (
    generalised,
    group_centred,
    group_normalised,
    last_tokens,
    leave_one_out,
    moments,
    overlong,
    rewards_of_tokens,
    spread_out,
    whitened,
)
from trivium.loss.policy import clipped, clipped_value_error, k3, kl_to_reference, ratios, token_weights

NAN = math.nan


def test_group_advantages_by_hand() -> None:
    returns = torch.tensor([[1.0, 2.0, 6.0], [5.0, 5.0, 5.0]])
    assert leave_one_out(returns).tolist() == [[-3.0, -1.5, 4.5], [0.0, 0.0, 0.0]]
    assert group_centred(returns).tolist() == [[-2.0, -1.0, 3.0], [0.0, 0.0, 0.0]]
    spread = 7.0**0.5 + 1e-4  # (4 + 1 + 9) / 2
    assert group_normalised(returns)[0].tolist() == pytest.approx([-2.0 / spread, -1.0 / spread, 3.0 / spread])
    assert group_normalised(returns)[0].tolist() == pytest.approx(slow.normalised([1.0, 2.0, 6.0]))
    assert group_normalised(returns)[1].tolist() == [0.0, 0.0, 0.0]
    assert spread_out(returns).tolist() == [True, False]


def test_an_answer_without_a_score_is_in_no_baseline() -> None:
    returns = torch.tensor([[1.0, NAN, 3.0], [NAN, 2.0, NAN]])
    assert leave_one_out(returns).tolist() == [[-2.0, 0.0, 2.0], [0.0, 0.0, 0.0]]
    assert group_centred(returns).tolist() == [[-1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
    spread = 2.0**0.5 + 1e-4
    assert group_normalised(returns).tolist()[0] == pytest.approx([-1.0 / spread, 0.0, 1.0 / spread])
    assert spread_out(returns).tolist() == [True, False]


def test_the_last_tokens_before_the_limit_become_dear() -> None:
    lengths = torch.tensor([3, 16, 18, 20])
    assert overlong(lengths, 20, 4).tolist() == [0.0, 0.0, -0.5, -1.0]
    assert overlong(lengths, 20, 0).tolist() == [0.0] * 4


def test_generalised_advantages_by_hand_and_by_the_papers_sum() -> None:
    rewards = torch.tensor([[0.0, 0.0, 1.0, 9.0]])  # what lies outside the mask is nothing
    values = torch.tensor([[0.5, 0.25, 0.5, 9.0]])
    mask = torch.tensor([[True, True, True, False]])
    advantages, returns = generalised(rewards, values, mask, 1.0, 0.5)
    # deltas: 0 + .25 - .5 = -.25;  0 + .5 - .25 = .25;  1 - .5 = .5
    assert advantages.tolist() == [[-0.25 + 0.5 * (0.25 + 0.25), 0.25 + 0.25, 0.5, 0.0]]
    assert returns.tolist() == [[0.5, 0.75, 1.0, 0.0]]
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(3, 9, generator=generator), torch.randn(3, 9, generator=generator)
    mask = torch.zeros(3, 9, dtype=torch.bool)
    for row, (start, stop) in enumerate([(2, 9), (0, 4), (5, 6)]):
        mask[row, start:stop] = True
    advantages, returns = generalised(rewards, values, mask, 0.9, 0.8)
    for row, (start, stop) in enumerate([(2, 9), (0, 4), (5, 6)]):
        expected = slow.generalised(rewards[row, start:stop].tolist(), values[row, start:stop].tolist(), 0.9, 0.8)
        assert advantages[row, start:stop].tolist() == pytest.approx(expected[0], abs=1e-6)
        assert returns[row, start:stop].tolist() == pytest.approx(expected[1], abs=1e-6)
    assert not advantages[~mask].any() and not returns[~mask].any()


def test_the_score_is_earned_by_the_last_token_and_kl_is_paid_by_each() -> None:
    mask = torch.tensor([[False, True, True, False], [False, True, True, True]])
    kl = torch.tensor([[7.0, 1.0, 2.0, 7.0], [7.0, 0.0, -1.0, 4.0]])
    assert last_tokens(mask).tolist() == [2, 3]
    found = rewards_of_tokens(torch.tensor([10.0, -1.0]), kl, mask, 0.5)
    assert found.tolist() == [[0.0, -0.5, 9.0, 0.0], [0.0, 0.0, 0.5, -3.0]]


def test_whitening_is_over_the_mask_and_over_everybodys_tokens() -> None:
    values = torch.tensor([[1.0, 3.0, 99.0], [5.0, 99.0, 99.0]])
    mask = torch.tensor([[True, True, False], [True, False, False]])
    found = whitened(values, mask, moments(values, mask))
    unit = (8.0 / 3.0) ** -0.5
    assert found.flatten().tolist() == pytest.approx([-2 * unit, 0.0, 0.0, 2 * unit, 0.0, 0.0], abs=1e-6)
    own, other = moments(values[:1], mask[:1]), moments(values[1:], mask[1:])
    apart = whitened(values[:1], mask[:1], [a + b for a, b in zip(own, other, strict=True)])
    torch.testing.assert_close(apart, found[:1])
    assert whitened(torch.ones(1, 2), torch.ones(1, 2, dtype=torch.bool), (2.0, 2.0, 2.0)).tolist() == [[0.0, 0.0]]


def test_kl_estimators_by_hand() -> None:
    policy, reference = torch.tensor([[0.0, -1.0]]), torch.tensor([[-1.0, -0.5]])
    assert kl_to_reference(policy, reference, torch.tensor([[True, True]])).tolist() == [0.5]
    assert k3(policy, reference)[0].tolist() == pytest.approx([math.exp(-1.0), math.exp(0.5) - 1.5])
    assert bool(k3(torch.tensor([1e4]), torch.tensor([-1e4])).isfinite().all())


def test_only_k1_in_the_reward_gives_the_gradient_of_the_reverse_kl() -> None:
    """Over three tokens everything can be summed: d/dlogits of KL(policy || reference), and what each estimator gives."""
    logits = torch.tensor([0.3, -0.4, 1.1], requires_grad=True)
    reference = torch.log_softmax(torch.tensor([-0.2, 0.9, 0.1]), 0)
    log_policy = torch.log_softmax(logits, 0)
    policy = log_policy.exp()
    (exact,) = torch.autograd.grad((policy * (log_policy - reference)).sum(), logits, retain_graph=True)

    def expected(of_sample: torch.Tensor) -> torch.Tensor:
        """The mean over draws of the gradient of a draw's term."""
        (found,) = torch.autograd.grad((policy.detach() * of_sample).sum(), logits, retain_graph=True)
        return found

    in_reward = expected((log_policy - reference).detach() * log_policy)  # minus the reward -k1, times grad log policy
    torch.testing.assert_close(in_reward, exact)
    assert not torch.allclose(expected(k3(log_policy, reference)), exact, atol=1e-3)
    torch.testing.assert_close(expected(log_policy - reference), torch.zeros(3))  # k1 in the loss teaches nothing


def test_the_clip_by_hand() -> None:
    old = torch.zeros(4)
    policy = torch.tensor([1.5, 1.5, 0.5, 0.5]).log()
    advantages = torch.tensor([1.0, -1.0, 1.0, -1.0])
    losses, cut = clipped(policy, old, advantages, 0.2, 0.28)
    assert losses.tolist() == pytest.approx([-1.28, 1.5, -0.5, 0.8])
    assert cut.tolist() == [True, False, False, True]
    assert ratios(torch.tensor([900.0]), torch.tensor([0.0])).isfinite().all()


def test_a_clipped_token_has_no_gradient_and_an_unclipped_one_that_of_the_policy_gradient() -> None:
    policy = torch.tensor([0.0, 0.5], requires_grad=True)
    losses, _ = clipped(policy, torch.zeros(2), torch.tensor([2.0, 2.0]), 0.2, 0.2)
    (gradient,) = torch.autograd.grad(losses.sum(), policy)
    assert gradient.tolist() == [-2.0, 0.0]


def test_denominators_by_hand() -> None:
    mask = torch.tensor([[False, True, True, False], [False, True, True, True]])
    half, third = 1 / 2, 1 / 3
    by_sequence = token_weights(mask, "sequence", 10)
    assert by_sequence.flatten().tolist() == pytest.approx([0, half, half, 0, 0, third, third, third])
    assert token_weights(mask, "token", 10).sum() == 5
    assert token_weights(mask, "constant", 10).sum() == pytest.approx(0.5)
    # one loss a token: the mean over answers of 1, 1; the mean over tokens; and the sum over B * limit
    assert float(by_sequence.sum() / 2) == pytest.approx(1.0)


def test_a_value_that_has_moved_too_far_gains_nothing_by_moving_on() -> None:
    old, returns = torch.tensor([0.0, 0.0, 0.0]), torch.tensor([1.0, 1.0, -1.0])
    values = torch.tensor([0.1, 0.5, 0.5], requires_grad=True)
    errors = clipped_value_error(values, old, returns, 0.2)
    assert errors.tolist() == pytest.approx([0.405, 0.32, 1.125])  # .9^2 / 2; (.2 - 1)^2 / 2; (.5 + 1)^2 / 2
    (gradient,) = torch.autograd.grad(errors.sum(), values)
    assert gradient.tolist() == pytest.approx([-0.9, 0.0, 1.5])
