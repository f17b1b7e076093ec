"""What is asked: any beginning of the order is a good choice, and what is worth asking is what the reward is unsure of."""

from __future__ import annotations

import torch

from trivium.rl.asking import asking_order
from trivium.rl.worth import PRIOR, covariance, worth_of

COUNT = 1200


def order(uniform: float, seed: int = 0) -> tuple[list[int], list[str], list[bool], list[float]]:
    """Pairs of 200 requests, the first 40 held out; the worth of a pair is its place's, scattered."""
    requests = [f"p{number // 6}" for number in range(COUNT)]
    heldout = [number // 6 < 40 for number in range(COUNT)]
    worths = [((number * 7919) % COUNT) / COUNT for number in range(COUNT)]
    return asking_order(requests, heldout, worths, uniform, seed), requests, heldout, worths


def test_every_pair_is_asked_once_and_held_out_ones_keep_their_share_in_any_beginning() -> None:
    found, _, heldout, _ = order(0.3)
    assert sorted(found) == list(range(COUNT))
    for size in (200, 400, 800):
        share = sum(heldout[place] for place in found[:size]) / size
        assert abs(share - 0.2) < 0.06, (size, share)


def test_held_out_pairs_are_drawn_evenly_whatever_they_are_worth() -> None:
    means = []
    for seed in range(10):
        found, _, heldout, worths = order(0.0, seed)
        kept = [worths[place] for place in found[:300] if heldout[place]]
        means.append(sum(kept) / len(kept))
    assert abs(sum(means) / len(means) - 0.5) < 0.05


def test_the_rest_is_worth_the_most_and_an_even_share_is_not() -> None:
    def mean_worth(uniform: float) -> float:
        found, _, heldout, worths = order(uniform)
        learned = [worths[place] for place in found[:200] if not heldout[place]]
        return sum(learned) / len(learned)

    assert mean_worth(0.0) > 0.85 and abs(mean_worth(1.0) - 0.5) < 0.06
    assert mean_worth(1.0) < mean_worth(0.3) < mean_worth(0.0)


def test_one_pair_of_a_request_comes_before_a_second_one() -> None:
    found, requests, heldout, _ = order(0.0)
    learned = [requests[place] for place in found if not heldout[place]]
    assert len(set(learned[:160])) == 160


def test_spread_is_large_where_little_was_seen_and_agrees_with_the_definition() -> None:
    generator = torch.Generator().manual_seed(0)
    seen = torch.randn(50, 4, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 1.0, 1.0, 0.01])
    chances = torch.sigmoid(torch.randn(50, generator=generator, dtype=torch.float64))
    found = covariance(seen.clone(), chances)
    slow = PRIOR * torch.eye(4, dtype=torch.float64)
    for difference, chance in zip(seen, chances, strict=True):
        slow += chance * (1 - chance) * torch.outer(difference, difference)
    torch.testing.assert_close(found, torch.linalg.inv(slow))
    axes = torch.eye(4, dtype=torch.float64)
    undecided = worth_of(axes, torch.full((4,), 0.5, dtype=torch.float64), found)
    assert undecided.argmax() == 3  # the direction in which hardly anything was judged
    sure = worth_of(axes, torch.full((4,), 0.99, dtype=torch.float64), found)
    assert (sure < undecided / 10).all()


def test_the_worth_is_how_far_the_chance_moves_within_the_uncertainty() -> None:
    """Against draws from the posterior: the standard deviation of the modelled chance, to first order."""
    generator = torch.Generator().manual_seed(1)
    seen = torch.randn(400, 3, generator=generator, dtype=torch.float64)
    head = torch.tensor([0.8, -0.5, 0.2], dtype=torch.float64)
    posterior = covariance(seen.clone(), torch.sigmoid(seen @ head))
    heads = torch.distributions.MultivariateNormal(head, posterior)
    torch.manual_seed(2)
    draws = heads.sample((20_000,))
    pairs = torch.randn(10, 3, generator=generator, dtype=torch.float64)
    moved = torch.sigmoid(pairs @ draws.T).std(dim=1)
    torch.testing.assert_close(worth_of(pairs, torch.sigmoid(pairs @ head), posterior), moved, rtol=0.08, atol=2e-3)
