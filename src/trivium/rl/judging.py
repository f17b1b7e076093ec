"""A trained reward model as a judge of answers that were drawn elsewhere, and the best of several by its word."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from trivium.base.device import choose_machine
from trivium.base.seeds import derive
from trivium.base.words import Message
from trivium.generate import Answer, Generator
from trivium.generate.sampling import Sampling
from trivium.rl.judgements import conversation_ids
from trivium.rl.rewards import load_reward
from trivium.rl.rollouts import sample_groups
from trivium.tokenizer import Tokenizer

AT_ONCE = 64  # conversations that are scored, or requests of which several answers are drawn, together
Judge = Callable[[Sequence[tuple[Sequence[Message], Answer]]], list[float | None]]


def reward_of(folder: Path, device: str = "auto") -> Judge:
    """The reward model in `folder` as a function of (prompt, answer) pairs: their normalised rewards, None for what is longer
    than it reads."""
    machine = choose_machine(device, 0, "float32")
    reward, tokenizer = load_reward(folder, machine.device), Tokenizer.load(folder)
    limit = reward.model.shape.max_positions

    def judge(pairs: Sequence[tuple[Sequence[Message], Answer]]) -> list[float | None]:
        rows = [conversation_ids(tokenizer, prompt, answer.text, answer.ended) for prompt, answer in pairs]
        found: list[float | None] = [None] * len(rows)
        short = [number for number, ids in enumerate(rows) if len(ids) <= limit]
        for first in range(0, len(short), AT_ONCE):
            numbers = short[first : first + AT_ONCE]
            lengths = torch.tensor([len(rows[number]) for number in numbers])
            tokens = torch.full((len(numbers), int(lengths.max())), tokenizer.pad)
            for place, number in enumerate(numbers):
                tokens[place, : len(rows[number])] = torch.tensor(rows[number])
            told = reward(tokens.to(machine.device), lengths.to(machine.device)).tolist()
            for number, value in zip(numbers, told, strict=True):
                found[number] = value
        return found

    return judge


def best_answers(
    generator: Generator,
    prompts: Sequence[list[int]],
    reward_folder: Path,
    best_of: int,
    sampling: Sampling,
    seed: int,
) -> list[Answer]:
    """Of `best_of` answers to each prompt, given in ids, the one that the reward model scores highest; those that ended before
    all others."""
    tokenizer, engine = generator.tokenizer, generator.engine
    reward = load_reward(reward_folder, generator.model.embedding.weight.device)
    seed = derive(seed, "evaluate", "best of")
    found = []
    for first in range(0, len(prompts), AT_ONCE):
        group = sample_groups(engine, prompts[first : first + AT_ONCE], best_of, sampling, seed, tokenizer.pad, first)
        worth = reward(group.rollout.tokens, group.totals)
        worth = torch.where(group.rollout.ended, worth, worth - 1e6).view(-1, best_of)  # (P, N)
        for number, place in enumerate(worth.argmax(dim=1).tolist()):
            row = number * best_of + place
            ids = tuple(group.answers[row])
            found.append(Answer(ids, tokenizer.decode(ids).strip(), bool(group.rollout.ended[row])))
    return found
