"""Everything that a model reads is moved to where the model is: on another device the same numbers come out.

The device is a stand-in that computes on the CPU and refuses to mix (tests/pretend_device.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch

from tests.data.shards_for_tests import make_shard
from tests.model.shapes import SHAPE, random_model
from tests.pretend_device import AWAY, pretend_device
from tests.train.test_fit import CPU, job, ragged_batch
from trivium.base.device import Machine
from trivium.base.errors import Interrupted
from trivium.base.progress import Context
from trivium.evaluate.text import bits_per_byte
from trivium.generate.engine import Engine, Request
from trivium.generate.sampling import Sampling
from trivium.model.transformer import Transformer
from trivium.optim.settings import OptimizerSettings
from trivium.rl.answers import refer, reward, sampler_error, sequence_kl
from trivium.rl.guards import Guards
from trivium.rl.pairs import Judged, pair_batch
from trivium.rl.players import Players
from trivium.rl.reference import Reference
from trivium.rl.rewards import LearnedReward, Normaliser, Rewards
from trivium.rl.rollouts import sample_groups
from trivium.stages.align_dpo import DpoBatch, DpoSettings, objective_of
from trivium.stages.align_rloo import AlignSettings, add_gradients, advantage
from trivium.stages.reward import RewardSettings, loss_of, scores_of
from trivium.train.distributed import Team
from trivium.train.fit import fit, make_optimizer
from trivium.train.layout import Layout
from trivium.train.step import accumulate, next_token_loss, on_device

Numbers = dict[str, Any]


def assert_same_on_both(work: Callable[[Machine], Numbers]) -> None:
    """Up to the rounding of another attention kernel, which AdamW's first steps make larger."""
    here = work(CPU)
    with pretend_device() as device:
        away = work(Machine(device, torch.float32, 1))
    assert here.keys() == away.keys()
    for name, value in here.items():
        torch.testing.assert_close(
            away[name], value, rtol=1e-3, atol=1e-4, msg=lambda text, name=name: f"{name}: {text}"
        )


def weights(model: Transformer) -> Numbers:
    return {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}


def test_the_stand_in_refuses_what_a_device_refuses() -> None:
    model, batch = random_model(), ragged_batch()
    with pretend_device() as device:
        model.to(device)
        with pytest.raises(RuntimeError, match="found two"):
            model(batch.tokens)
        moved = on_device(batch, device)
        assert (moved.tokens.device, moved.weights.device, moved.segments) == (AWAY, AWAY, None)
        assert model(moved.tokens).device == AWAY


def test_gradients() -> None:
    documents = torch.arange(3).repeat_interleave(4).repeat(8, 1)[:, :11]
    packed = replace(ragged_batch(), segments=documents, positions=torch.arange(11).remainder(4).repeat(8, 1))

    def work(machine: Machine) -> Numbers:
        model = random_model().to(machine.device)
        loss = accumulate(model, [ragged_batch(), packed], next_token_loss, 17.0, machine)
        found = {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}
        return {"loss": loss.sum().cpu(), **found}

    assert_same_on_both(work)


@pytest.mark.parametrize("name", ["muon", "adamw"])
def test_training_interrupted_and_resumed(tmp_path: Path, name: Literal["muon", "adamw"]) -> None:
    def work(machine: Machine) -> Numbers:
        asked = 0

        def stopping() -> bool:
            nonlocal asked
            asked += 1
            return asked == 3

        plan = replace(job(6), machine=machine, optimizer=OptimizerSettings(name=name))
        context = Context(tmp_path / str(machine.device), {}, stopping=stopping)
        with pytest.raises(Interrupted):
            list(fit(random_model().to(machine.device), plan, context))
        resumed = random_model(seed=9).to(machine.device)
        rows = list(fit(resumed, plan, context))
        return {"losses": torch.tensor([row.loss for row in rows]), **weights(resumed)}

    assert_same_on_both(work)


def test_bits_per_byte(tmp_path: Path) -> None:
    shard = make_shard(tmp_path, [11, 7, 20], vocab_size=SHAPE.vocab_size)

    def work(machine: Machine) -> Numbers:
        found = bits_per_byte(random_model().to(machine.device), shard, 8, Team(machine))
        return {name: torch.tensor(value) for name, value in found.items()}

    assert_same_on_both(work)


def test_decoding() -> None:
    requests = [Request((5, 6, 7), 2), Request((8,), 3)]

    def work(machine: Machine) -> Numbers:
        engine = Engine(random_model().to(machine.device), (1, 2), slots=3)
        answers = [engine.run(requests, Sampling(7, temperature), seed=1) for temperature in (0.0, 1.0)]
        rows = [row for several in answers for group in several for row in group]
        return {str(number): torch.tensor([row.tokens, row.logprobs]) for number, row in enumerate(rows)}

    assert_same_on_both(work)


def test_a_step_of_alignment() -> None:
    settings = AlignSettings(answers_per_prompt=4, temperature=0.9)
    lessons = [ragged_batch(3)]

    def work(machine: Machine) -> Numbers:
        policy, reference = (random_model(seed=seed).to(machine.device) for seed in (0, 1))
        reward_model = LearnedReward(random_model(head="score").to(machine.device), Normaliser(0.1, 2.0))
        nothing: Any = None
        players = Players(
            policy=policy,
            reference=reference,
            reward=Rewards({"learned": reward_model}, {}, {"learned": 1.0}, nothing),
            engine=nothing,
            prompts=[],
            looks=[],
            instructions=nothing,
            tokenizer=nothing,
            layout=Layout(policy, Team(machine)),
        )
        prompts = [[10], [11, 12, 13]]
        group = sample_groups(Engine(policy, (1, 2, 3)), prompts, 4, Sampling(6, settings.temperature), 7, pad=0)
        rewards, kl = reward(players, group, settings), sequence_kl(group, refer(players, group, settings))
        assert sampler_error(players, group, settings).largest < 1e-4
        optimizer = make_optimizer(policy, settings.optimizer)
        add_gradients(players, group, advantage(rewards - kl, settings.answers_per_prompt), settings, lessons)
        norm = Guards(0.0).step(1, optimizer, 1.0)
        return {"rewards": rewards.cpu(), "kl": kl.cpu(), "norm": torch.tensor(norm), **weights(policy)}

    assert_same_on_both(work)


def test_the_reward_model() -> None:
    requests = [Judged(((5, 6, 7, 8), (5, 9), (5, 8)), ((0, 1), (2, 0))), Judged(((7, 6), (7, 6, 5)), ((0, 1),))]

    def work(machine: Machine) -> Numbers:
        scorer = random_model(head="score").to(machine.device)
        loss = loss_of(scorer, on_device(pair_batch(requests, 0), machine.device), RewardSettings())
        loss.backward()
        found = torch.tensor([score for row in scores_of(scorer, requests, 0, Team(machine)) for score in row])
        return {"loss": loss.detach().cpu(), "scores": found, **gradients(scorer)}

    assert_same_on_both(work)


def gradients(model: Transformer) -> Numbers:
    return {name: p.grad.cpu() for name, p in model.named_parameters() if p.grad is not None}


def test_direct_preference() -> None:
    requests = [Judged(((5, 6, 7, 8), (5, 9), (5, 8)), ((0, 1), (2, 0)), (1, 1, 1))]

    def work(machine: Machine) -> Numbers:
        policy, frozen = (random_model(seed=seed).to(machine.device) for seed in (0, 1))
        heard: list[torch.Tensor] = []
        batch = on_device(DpoBatch(pair_batch(requests, 0), None), machine.device)
        loss = objective_of(DpoSettings(), Reference(policy, frozen), heard)(policy, batch)
        loss.backward()
        return {"loss": loss.detach().cpu(), "heard": heard[0].cpu(), **gradients(policy)}

    assert_same_on_both(work)
