"""What is asked: any beginning of the order is a good choice, and what is worth asking is what the reward is unsure of."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.shapes import SHAPE, random_model
from tests.rl import toy
from tests.tokenizer.tiny import tiny_tokenizer
from trivium.base.errors import DataError
from trivium.base.files import write_jsonl
from trivium.base.progress import Progress
from trivium.generate.generator import Generator
from trivium.rl.asking import Draw, asking_order, before_and_after, drawn, every_pair
from trivium.rl.prompts import load_prompts
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


def requests_of(*texts: str) -> list[dict[str, Any]]:
    return [{"id": f"p{place}", "messages": [{"role": "user", "content": text}]} for place, text in enumerate(texts)]


def test_a_request_that_leaves_no_room_for_an_answer_is_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = tiny_tokenizer()
    shape = replace(SHAPE, vocab_size=tokenizer.vocab_size)
    monkeypatch.setattr("trivium.generate.load_generator", lambda *given: Generator(random_model(shape), tokenizer))
    told: list[Progress] = []
    context = toy.context(tmp_path, report=told.append)
    asked = requests_of("hi", "fox " * 60, "cat")
    answers = drawn(tmp_path / "drawn.jsonl", tmp_path, asked, Draw(2, 4, 1.0, 0), context)
    assert [bool(found) for found in answers] == [True, False, True]
    assert [one.note for one in told if one.note] == ["1 requests leave no room for an answer and are left out"]
    assert {one.request["id"] for one in every_pair(asked, answers, ["train"] * 3, "model")} <= {"p0", "p2"}
    measured = before_and_after(asked, answers, answers, ("old", "new"))
    assert [one.request["id"] for one in measured] == ["p0", "p2"]


def test_a_policy_gradient_leaves_long_requests_out_and_says_where_all_are(tmp_path: Path) -> None:
    (tmp_path / "prompts").mkdir()
    write_jsonl(tmp_path / "prompts" / "train.jsonl", requests_of("hi", "fox " * 60))
    found, dropped = load_prompts(tmp_path, "open", tiny_tokenizer(), 40)
    assert [one.text for one in found] == ["hi"] and dropped == 1
    with pytest.raises(DataError, match="all 2 requests are as long as all that the model reads"):
        load_prompts(tmp_path, "open", tiny_tokenizer(), 3)
