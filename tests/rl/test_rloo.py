"""The policy gradient is the one in the paper, and it learns."""

from __future__ import annotations

import contextlib
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from tests.model.shapes import SHAPE, random_model
from tests.reference import rollouts
from trivium.base.device import Machine
from trivium.base.errors import TrainingError
from trivium.base.words import Rollout
from trivium.generate.engine import Engine, Request
from trivium.generate.sampling import Sampling
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.rl.answers import sampler_error
from trivium.rl.guards import Guards
from trivium.rl.rewards import last_token_scores
from trivium.rl.rollouts import Group, Mismatch, answer_log_probabilities, mismatch, sample_groups
from trivium.stages.align_rloo import AlignSettings, add_gradients, advantage
from trivium.train.distributed import Team
from trivium.train.fit import make_optimizer
from trivium.train.layout import Layout

STOPS = (1, 2, 3, 4)
CPU = Machine(torch.device("cpu"), torch.float32, 1)


def draw(model: Transformer, temperature: float = 1.0, groups: int = 3, size: int = 4, seed: int = 0) -> Group:
    prompts = [[10 + number] * (number + 2) for number in range(groups)]
    return sample_groups(Engine(model, STOPS), prompts, size, Sampling(9, temperature), seed, pad=0)


@pytest.mark.parametrize("temperature", [1.0, 0.8])
def test_sampler_and_trainer_agree(temperature: float) -> None:
    model = random_model()
    group = draw(model, temperature)
    with torch.no_grad():
        found = answer_log_probabilities(model, group.rollout, temperature)
        other = answer_log_probabilities(model, group.rollout, temperature * 2)
    assert mismatch(group.rollout, found).largest < 1e-4
    assert mismatch(group.rollout, other).typical > 1e-2


def test_masks_cover_the_answer_and_its_end_token_alone() -> None:
    group = draw(random_model())
    for row, answer in enumerate(group.answers):
        start = int(group.prompt_lengths[row])
        expected = [start <= column < start + len(answer) for column in range(group.rollout.tokens.shape[1])]
        assert group.rollout.mask[row].tolist() == expected
        assert group.rollout.tokens[row, start : start + len(answer)].tolist() == answer
        assert bool(group.rollout.ended[row]) == (answer[-1] in STOPS)


@pytest.mark.parametrize("temperature", [1.0, 0.8])
def test_log_probabilities_are_those_of_each_answer_by_itself(temperature: float) -> None:
    model = random_model()
    group = draw(model, temperature)
    with torch.no_grad():
        found = answer_log_probabilities(model, group.rollout, temperature)
        expected = rollouts.answer_log_probabilities(model, group.rollout, temperature)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("parts", [1, 3])
def test_the_gradient_is_that_of_every_answer_by_itself(parts: int) -> None:
    model = random_model()
    group = draw(model, 0.7)
    advantages = torch.randn(len(group.lengths), generator=torch.Generator().manual_seed(1))
    logprobs = rollouts.answer_log_probabilities(model, group.rollout, 0.7)
    surrogate = -(advantages[:, None] * logprobs * group.rollout.mask).sum() / len(advantages)
    expected = torch.autograd.grad(surrogate, list(model.parameters()))
    layout = Layout(model, Team(CPU))
    players: Any = SimpleNamespace(policy=model, layout=layout, team=layout.team)
    add_gradients(players, group, advantages, AlignSettings(micro_batches=parts, temperature=0.7))
    for parameter, gradient in zip(model.parameters(), expected, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=1e-3, atol=1e-5)


def test_it_learns_to_say_what_is_rewarded() -> None:
    """A verifiable reward: the share of even tokens. Random answers get about one half."""
    model = Transformer(SHAPE)
    initialise(model, torch.Generator().manual_seed(0))
    settings = AlignSettings(steps=40, answers_per_prompt=8, micro_batches=2)
    settings = settings.model_copy(
        update={"optimizer": settings.optimizer.model_copy(update={"adam_learning_rate": 0.01})}
    )
    layout = Layout(model, Team(CPU))
    players: Any = SimpleNamespace(policy=model, layout=layout, team=layout.team)
    optimizer = make_optimizer(model, settings.optimizer)

    def reward(group: Group) -> torch.Tensor:
        return torch.tensor([sum(token % 2 == 0 for token in answer) / len(answer) for answer in group.answers])

    guards = Guards(0.0)
    first = reward(draw(model, size=32, seed=100)).mean()
    for step in range(settings.steps):
        group = draw(model, size=8, seed=step)
        assert sampler_error(players, group, settings).largest < 1e-4
        add_gradients(players, group, advantage(reward(group), 8), settings)
        guards.step(step + 1, optimizer, 1.0)
    last = reward(draw(model, size=32, seed=200)).mean()
    assert 0.3 < first < 0.7
    assert last > 0.9


def test_the_reward_is_read_at_the_last_real_token_whatever_the_padding() -> None:
    model = random_model(head="score")
    tokens = torch.randint(5, SHAPE.vocab_size, (1, 6), generator=torch.Generator().manual_seed(0))
    padded = torch.cat([tokens, torch.full((1, 9), 7)], dim=1)
    lengths = torch.tensor([6])
    torch.testing.assert_close(last_token_scores(model, tokens, lengths), last_token_scores(model, padded, lengths))


def test_guards_stop_a_run_that_cannot_learn() -> None:
    guards = Guards(kl_budget=5.0)
    assert not guards.spent(6.0) and not guards.spent(6.0) and guards.spent(6.0)
    with pytest.raises(TrainingError, match="no answer could be scored"):
        for step in range(3):
            guards.check_rewards(step, torch.tensor([float("nan")] * 4))
    with pytest.raises(TrainingError, match=r"differ by 0\.5 nats .* 0\.7 where most"):
        guards.check_mismatch(1, Mismatch(0.7, 0.5))
    with pytest.raises(TrainingError, match="differ by nan"):
        guards.check_mismatch(1, Mismatch(float("nan"), float("nan")))


def test_the_alarm_hears_one_wrong_token_and_not_the_last_bits_of_one() -> None:
    """One of a thousand tokens: rounded as float32 does at worst, or wrong by little more."""
    guards = Guards(kl_budget=5.0)
    drawn = Rollout(torch.zeros(1, 1000), torch.full((1, 1000), -2.0), torch.ones(1, 1000).bool(), torch.ones(1).bool())
    for wrong, heard in ((2e-4, False), (4e-3, True)):
        recomputed = drawn.logprobs.clone()
        recomputed[0, 500] -= wrong
        found = mismatch(drawn, recomputed)
        assert found.largest == pytest.approx(wrong, rel=1e-2)
        with pytest.raises(TrainingError) if heard else contextlib.nullcontext():
            guards.check_mismatch(1, found)


def test_another_engine_may_draw() -> None:
    """The seam: whatever has `run` and `device` is a sampler. This one has weights of its own, and recomputes everything."""

    class Other:
        def __init__(self, policy: Transformer) -> None:
            self.policy, self.own = policy, Transformer(SHAPE)

        @property
        def device(self) -> torch.device:
            return torch.device("cpu")

        def run(self, requests: list[Request], sampling: Sampling, seed: int, first: int = 0) -> list[list[Any]]:
            self.own.load_state_dict(self.policy.state_dict())
            random = torch.Generator().manual_seed(seed)
            return [
                [self.row(request.prompt, sampling, random) for _ in range(request.samples)] for request in requests
            ]

        @torch.no_grad()
        def row(self, prompt: tuple[int, ...], sampling: Sampling, random: torch.Generator) -> Any:
            said: list[int] = []
            logprobs = []
            while len(said) < sampling.max_new_tokens and not (said and said[-1] in STOPS):
                logits = self.own.logits(self.own(torch.tensor([[*prompt, *said]]))[0, -1])
                known = torch.log_softmax(logits / sampling.temperature, dim=-1)
                said.append(int(torch.multinomial(known.exp(), 1, generator=random)))
                logprobs.append(float(known[said[-1]]))
            return SimpleNamespace(prompt=prompt, tokens=said, logprobs=logprobs, ended=said[-1] in STOPS)

    model = random_model()
    group = sample_groups(Other(model), [[10, 11], [12]], 2, Sampling(5, 0.7), 0, pad=0)
    with torch.no_grad():
        found = answer_log_probabilities(model, group.rollout, 0.7)
    assert mismatch(group.rollout, found).largest < 1e-4
