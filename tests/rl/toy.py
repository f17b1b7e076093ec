"""A toy world for policy gradients: answers are numbers, some of them good, and a rater who likes *different* good ones.

    utility = different good numbers - 2 * repeated numbers

Almost nobody repeats at first, so a reward model learned from the first answers knows that good numbers are paid and hardly
that repeating them costs: the trap that a policy without a leash walks into.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from tests.model.shapes import SHAPE
from trivium.base.device import Machine
from trivium.base.progress import Context
from trivium.base.words import Message
from trivium.generate.engine import Engine, Request, Row
from trivium.generate.sampling import Sampling
from trivium.loss.preference import bradley_terry
from trivium.model.families import FAMILIES
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.rl.players import Players
from trivium.rl.prompts import Prompt
from trivium.rl.rewards import last_token_scores
from trivium.rl.rollouts import Group, sample_groups
from trivium.train.distributed import Team
from trivium.train.layout import Layout

STOPS = (1, 2)
GOOD = range(40, 61)
LENGTH = 8
TEMPERATURE = 1.0
CPU = Machine(torch.device("cpu"), torch.float32, 1)
PROMPTS = [[first, second] for first in range(5, 15) for second in range(15, 20)]
LOOKS = [(f"{first} 30", [first, 30]) for first in range(5, 35)]  # of other tokens than those trained on


def utility(numbers: list[int]) -> float:
    said = [number for number in numbers if number not in STOPS]
    return len(set(said) & set(GOOD)) - 2.0 * (len(said) - len(set(said)))


def judge(prompt: str, first: str, second: str, random: Random, ended: tuple[bool, bool] = (True, True)) -> int:
    """As the world's rater judges: which text is preferred, with noise."""
    one, other = (utility([int(word) for word in text.split()]) for text in (first, second))
    return 0 if random.random() < 1 / (1 + math.exp((other - one) / TEMPERATURE)) else 1


class Whole(Engine):
    """Calls every answer a whole one, also where it met the length limit: what it says is scored, not how it ends."""

    def run(self, requests: Sequence[Request], sampling: Sampling, seed: int, first: int = 0) -> list[list[Row]]:
        return [[replace(row, ended=True) for row in rows] for rows in super().run(requests, sampling, seed, first)]


class Numbers:
    """What a tokenizer is asked for, with numbers for words."""

    pad = 0

    def decode(self, ids: list[int]) -> str:
        return " ".join(str(number) for number in ids if number not in STOPS)


def policy(seed: int = 0) -> Transformer:
    model = Transformer(SHAPE)
    initialise(model, torch.Generator().manual_seed(seed))
    return model


def players(reward: Callable[[Tensor, Tensor], Tensor], seed: int = 0, *, whole: bool = False) -> Players:
    """The policy of that seed, the same again as the reference, and a reward of (tokens, totals)."""
    model = policy(seed)
    layout = Layout(model, Team(CPU))

    def told(group: Group) -> Any:
        return SimpleNamespace(total=reward(group.rollout.tokens, group.totals))

    nothing: Any = SimpleNamespace()
    tokenizer: Any = Numbers()
    return Players(
        policy=model,
        reference=policy(seed).eval(),
        reward=told,  # type: ignore[arg-type]
        engine=Whole(model, STOPS) if whole else Engine(model, STOPS),
        prompts=[Prompt(tuple(ids), ()) for ids in PROMPTS],
        looks=[Prompt(tuple(ids), (Message("user", text),)) for text, ids in LOOKS],
        instructions=nothing,
        tokenizer=tokenizer,
        layout=layout,
        stops=STOPS,
    )


def answers(model: Transformer, seed: int, size: int = 4, prompts: list[list[int]] | None = None) -> Group:
    """Some answers to requests that nobody trains on, or to `prompts`."""
    asked = prompts or [ids for _, ids in LOOKS]
    model.eval()
    return sample_groups(Engine(model, STOPS), asked, size, Sampling(LENGTH), seed, pad=0)


def mean_utility(model: Transformer, seed: int = 5) -> float:
    return sum(map(utility, answers(model, seed).answers)) / (4 * len(LOOKS))


def learned_reward(seed: int = 0, steps: int = 60) -> Callable[[Tensor, Tensor], Tensor]:
    """A reward model of pairs of the first answers of that seed's policy, as a noisy rater prefers them."""
    model = Transformer(SHAPE, FAMILIES[SHAPE.family].head_shape("score"))
    initialise(model, torch.Generator().manual_seed(1 + seed))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    start, random = policy(seed), Random(seed)
    groups = [answers(start, 100 * seed + number, 2, PROMPTS) for number in range(6)]
    for step in range(steps):
        group = groups[step % len(groups)]
        scores = last_token_scores(model, group.rollout.tokens, group.totals).view(-1, 2)
        texts = [Numbers().decode(answer) for answer in group.answers]
        first = torch.tensor(
            [judge("", *pair, random) for pair in zip(texts[::2], texts[1::2], strict=True)], dtype=torch.long
        )
        rows = torch.arange(len(first))
        loss = bradley_terry(scores[rows, first], scores[rows, 1 - first], 0.01) / len(first)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    model.eval()
    group = answers(start, 77)
    with torch.no_grad():
        seen = last_token_scores(model, group.rollout.tokens, group.totals)

    def reward(tokens: Tensor, totals: Tensor) -> Tensor:
        with torch.inference_mode():
            return (last_token_scores(model, tokens, totals) - seen.mean()) / seen.std()

    return reward


def context(folder: Path, **more: Any) -> Context:
    return Context(folder, {}, seed=3, threads=1, **more)
