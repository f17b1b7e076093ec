"""DPO and KTO against cases worked out by hand; they learn what is preferred, on requests that they never saw."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.model.shapes import random_model
from trivium.base.device import Machine
from trivium.loss.language import linear_log_likelihoods, token_log_probabilities
from trivium.loss.preference import (
    best_of_list,
    bradley_terry,
    identity_preference,
    prospect,
    rated,
    robust_preference,
    sigmoid_preference,
    tied,
)
from trivium.model.lora import adapt
from trivium.model.lora_settings import LoraSettings
from trivium.rl.pairs import Judged, pair_batch
from trivium.rl.reference import Reference, answer_log_likelihoods, kept_log_likelihoods, log_likelihoods_of
from trivium.stages.align_dpo import DpoBatch, DpoSettings, objective_of
from trivium.train.distributed import Team

CPU = Machine(torch.device("cpu"), torch.float32, 1)
REQUESTS = [
    Judged(((5, 6, 7, 8, 9), (5, 6, 9), (5, 6, 8, 8)), ((0, 1), (2, 0), (2, 1)), (2, 2, 2)),
    Judged(((7, 6), (7, 6, 5)), ((1, 0),), (1, 1)),
]


def log_sigmoid(value: float) -> float:
    return -math.log1p(math.exp(-value))


def test_losses_of_margins_by_hand() -> None:
    margins = torch.tensor([2.0, -1.0])
    plain = -log_sigmoid(0.2) - log_sigmoid(-0.1)
    assert sigmoid_preference(margins, 0.1).item() == pytest.approx(plain, rel=1e-5)
    smooth = -0.9 * (log_sigmoid(0.2) + log_sigmoid(-0.1)) - 0.1 * (log_sigmoid(-0.2) + log_sigmoid(0.1))
    assert sigmoid_preference(margins, 0.1, 0.1).item() == pytest.approx(smooth, rel=1e-5)
    rough = (-0.9 * (log_sigmoid(0.2) + log_sigmoid(-0.1)) + 0.1 * (log_sigmoid(-0.2) + log_sigmoid(0.1))) / 0.8
    assert robust_preference(margins, 0.1, 0.1).item() == pytest.approx(rough, rel=1e-5)
    assert identity_preference(margins, 0.25).item() == pytest.approx((2 - 2) ** 2 + (-1 - 2) ** 2)
    assert sigmoid_preference(torch.zeros(3), 0.1).item() == pytest.approx(3 * math.log(2))


def test_losses_of_margins_where_raters_know_ties_by_hand() -> None:
    """Win, loss and tie weigh e^(d/2), e^(-d/2) and v at d = beta m (Chen et al. 2024, DPO-D)."""
    beta, v = 0.5, 0.8
    e = math.exp(0.5 * beta * 3.0)
    whole = e + 1 / e + v
    won, lost, alike = (-math.log(part / whole) for part in (e, 1 / e, v))
    three, none = torch.tensor([3.0]), torch.zeros(1)
    assert sigmoid_preference(three, beta, 0.0, v).item() == pytest.approx(won, rel=1e-5)
    assert sigmoid_preference(three, beta, 0.2, v).item() == pytest.approx(0.8 * won + 0.2 * lost, rel=1e-5)
    assert tied(beta * three, none, v).item() == pytest.approx(alike, rel=1e-5)
    assert sum(math.exp(-part) for part in (won, lost, alike)) == pytest.approx(1.0)
    torch.testing.assert_close(sigmoid_preference(three, beta, 0.1, 0.0), sigmoid_preference(three, beta, 0.1))


def test_the_robust_loss_of_noisy_labels_is_in_expectation_that_of_right_ones() -> None:
    margin, beta, wrong = torch.tensor([1.7]), 0.3, 0.2
    expected = 0.8 * robust_preference(margin, beta, wrong) + 0.2 * robust_preference(-margin, beta, wrong)
    torch.testing.assert_close(expected, sigmoid_preference(margin, beta))


def test_losses_of_verdicts_ties_lists_and_ratings_by_hand() -> None:
    gains, good = torch.tensor([3.0, 1.0]), torch.tensor([True, False])
    worth = 2 * (1 - 1 / (1 + math.exp(-0.5 * 2.0))) + 3 * (1 - 1 / (1 + math.exp(-0.5 * 0.0)))
    assert prospect(gains, good, torch.tensor(1.0), 0.5, (2.0, 3.0)).item() == pytest.approx(worth, rel=1e-5)
    one, other = torch.tensor([1.0]), torch.tensor([0.0])
    e = math.exp(0.5)  # scores one apart; v = 2: of equal answers half the judgements are ties
    assert tied(one, other, 2.0).item() == pytest.approx(-math.log(2 / (e + 1 / e + 2)), rel=1e-5)
    assert tied(one, one, 2.0).item() == pytest.approx(math.log(2))
    assert tied(one, one, 2.0) < tied(one, other, 2.0)
    for v in (0.0, 0.3, 2.0):
        chances = [math.exp(-bradley_terry(*pair, 0.0, 0.0, v).item()) for pair in ((one, other), (other, one))]
        tie = math.exp(-tied(one, other, v).item()) if v else 0.0
        assert sum(chances) + tie == pytest.approx(1.0, rel=1e-5)  # one of the three happens
        assert chances[0] / chances[1] == pytest.approx(math.e, rel=1e-5)
    scores = torch.tensor([[1.0, 0.0, 9.0], [0.0, 0.0, 0.0]])
    real = torch.tensor([[True, True, False], [True, True, True]])
    assert best_of_list(scores, real).item() == pytest.approx(-log_sigmoid(1) + math.log(3), rel=1e-5)
    assert rated(torch.tensor([1.0, 2.0]), torch.tensor([0.0, 4.0])).item() == pytest.approx(2.5)


def test_fused_log_likelihoods_equal_those_of_the_whole_logits_with_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trivium.loss.language.CHUNK_POSITIONS", 3)  # several chunks, the last ragged
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(7, 5, generator=generator, requires_grad=True)
    weight = torch.randn(11, 5, generator=generator, requires_grad=True)
    targets = torch.randint(0, 11, (7,), generator=generator)
    factors = torch.randn(7, generator=generator)
    found = linear_log_likelihoods(hidden, weight, targets)
    expected = token_log_probabilities(hidden @ weight.t(), targets)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    ours = torch.autograd.grad((found * factors).sum(), (hidden, weight))
    theirs = torch.autograd.grad((expected * factors).sum(), (hidden, weight))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def slow_log_likelihood(model: Any, row: tuple[int, ...], start: int) -> torch.Tensor:
    """Token after token, without padding."""
    total = torch.zeros(())
    for place in range(start, len(row)):
        logits = model.logits(model(torch.tensor([row[:place]])))[0, -1]
        total = total + logits.log_softmax(dim=-1)[row[place]]
    return total


@pytest.mark.parametrize("loss", ["sigmoid", "ipo", "normalised"])
def test_the_objective_and_its_gradient_are_those_of_every_pair_by_itself(loss: Any) -> None:
    settings = DpoSettings(loss=loss, beta=0.2, nll_weight=0.5)
    together, apart, frozen = random_model(), random_model(), random_model(seed=1)
    heard: list[torch.Tensor] = []
    batch = DpoBatch(pair_batch(REQUESTS, 0), None)
    found = objective_of(settings, Reference(together, frozen), heard)(together, batch)
    found.backward()
    total, margins = torch.zeros(()), []
    for request in REQUESTS:
        for pair in request.pairs:
            changes, own = [], []
            for place in pair:
                row, start = request.answers[place], request.starts[place]
                own.append(slow_log_likelihood(apart, row, start))
                with torch.no_grad():
                    before = slow_log_likelihood(frozen, row, start)
                changes.append((own[-1] - before) / (len(row) - start if settings.by_token else 1))
            margins.append(changes[0] - changes[1])
            start = request.starts[pair[0]]
            total = total - 0.5 * own[0] / (len(request.answers[pair[0]]) - start)
    every = torch.stack(margins)
    if loss == "ipo":
        total = total + ((every - 1 / 0.4) ** 2).sum()
    else:
        total = total - torch.nn.functional.logsigmoid(0.2 * every).sum()
    total.backward()
    assert found.item() == pytest.approx(total.item(), rel=1e-4)
    for mine, other in zip(together.parameters(), apart.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-3, atol=1e-5)
    assert heard[0][0].item() == pytest.approx(every.sum().item(), rel=1e-3) and heard[0][-1] == 4


def test_ties_are_drawn_together_and_pairs_apart() -> None:
    """The objective of a request with a pair and a tie, against the formula on each answer's own gain."""
    request = Judged(REQUESTS[0].answers, ((0, 1),), (2, 2, 2), ties=((1, 2),))
    policy, frozen = random_model(), random_model(seed=1)
    settings, v, heard = DpoSettings(beta=0.2), 0.7, list[torch.Tensor]()
    batch = DpoBatch(pair_batch([request], 0), None)
    with torch.no_grad():
        found = objective_of(settings, Reference(policy, frozen), heard, v)(policy, batch).item()
        rows = list(zip(request.answers, request.starts, strict=True))
        gains = [(slow_log_likelihood(policy, *row) - slow_log_likelihood(frozen, *row)).item() for row in rows]
    ahead, between = (0.2 * (gains[one] - gains[other]) for one, other in ((0, 1), (1, 2)))
    weights = [[math.exp(d / 2), math.exp(-d / 2), v] for d in (ahead, between)]
    expected = -math.log(weights[0][0] / sum(weights[0])) - math.log(v / sum(weights[1]))
    assert found == pytest.approx(expected, rel=1e-4) and heard[0][-1] == 1  # pairs that are told of


def test_at_the_start_no_margin_is_and_the_loss_is_that_of_guessing() -> None:
    policy = random_model()
    loss = objective_of(DpoSettings(), Reference(policy, random_model()), [])(
        policy, DpoBatch(pair_batch(REQUESTS, 0), None)
    )
    assert loss.item() == pytest.approx(4 * math.log(2), rel=1e-5)


def test_the_reference_is_the_policy_without_its_changes_and_is_read_again_from_its_file(tmp_path: Path) -> None:
    policy, frozen = random_model(), random_model()
    adapt(policy, LoraSettings(rank=2), torch.Generator().manual_seed(0))
    with torch.no_grad():
        for name, parameter in policy.named_parameters():
            if name.endswith("lora_b"):
                parameter.fill_(0.3)
    by_changes, by_copy = Reference(policy, None), Reference(policy, frozen)
    asked: Any = (REQUESTS, by_changes, 0, Team(CPU), lambda: None)
    found = kept_log_likelihoods(tmp_path, *asked)
    for one, other in zip(found, log_likelihoods_of(REQUESTS, by_copy.log_likelihoods, 0, Team(CPU)), strict=True):
        torch.testing.assert_close(one, other)
    now = log_likelihoods_of(REQUESTS, lambda block: answer_log_likelihoods(policy, block), 0, Team(CPU))
    assert (torch.cat(now) - torch.cat(found)).abs().min() > 1e-3
    with torch.no_grad():
        policy.embedding.weight.add_(1.0)
    assert torch.equal(torch.cat(kept_log_likelihoods(tmp_path, *asked)), torch.cat(found))
