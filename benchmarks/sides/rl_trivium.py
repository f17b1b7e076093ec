"""One side of rl.py: Trivium's GRPO or PPO on the task of rl_task.py; prints a line of JSON."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import rl_task
import torch

from trivium.base.progress import Context, read_metrics
from trivium.generate.engine import Engine
from trivium.model.folder import load
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.rl.course import Learner
from trivium.rl.players import Players, read_requests
from trivium.rl.rewards import LearnedReward, Normaliser
from trivium.stages import align_grpo, align_ppo
from trivium.tokenizer import Tokenizer
from trivium.train.distributed import Team, join
from trivium.train.fit import make_optimizer
from trivium.train.layout import place


class Verifiable:
    """The task's reward, of answers' texts."""

    def __init__(self, tokenizer: Tokenizer, prompts: list[list[int]]) -> None:
        self.tokenizer = tokenizer
        self.starts = {tuple(prompt): len(prompt) for prompt in prompts}
        self.longest = max(self.starts.values())

    def __call__(self, tokens: torch.Tensor, totals: torch.Tensor) -> torch.Tensor:
        rows = [row[:total] for row, total in zip(tokens.tolist(), totals.tolist(), strict=True)]
        return torch.tensor([rl_task.reward(self.tokenizer.decode(row[self.start(row) :])) for row in rows])

    def start(self, row: list[int]) -> int:
        """Where the answer begins: behind the request that the row begins with."""
        return next(size for size in range(self.longest, 0, -1) if tuple(row[:size]) in self.starts)


def players_of(given: argparse.Namespace, team: Team) -> Players:
    """Policy, reference and reward, from the folders that both sides read."""
    folder = given.folder
    tokenizer = Tokenizer.load(folder / "model")
    policy = load(folder / "model")
    layout = place(policy, team, whole=True)
    prompts = [ids for _, ids in read_requests(folder / "prompts.jsonl", tokenizer)]
    stops = () if given.fixed else (tokenizer.end_of_turn, tokenizer.end_of_text)
    learned = LearnedReward(load(folder / "reward", head="score").eval(), Normaliser(0.0, 1.0))
    reward: Any = learned if given.method == "ppo" else Verifiable(tokenizer, prompts)
    nothing: Any = SimpleNamespace()
    return Players(
        policy=policy,
        reference=load(folder / "model").eval(),
        reward=reward,
        engine=Engine(policy, stops, given.samples),
        prompts=prompts,
        looks=[],
        instructions=nothing,
        tokenizer=tokenizer,
        layout=layout,
    )


def main() -> None:
    """Align, and print the seconds and the reward of every step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--method", choices=["grpo", "ppo"], required=True)
    parser.add_argument("--fixed", action="store_true", help="answers never end before the limit")
    for name in ("steps", "samples", "group", "limit", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    given = parser.parse_args()
    optimizer = OptimizerSettings(name="adamw", adam_learning_rate=given.rate, beta2=0.999)
    common: dict[str, Any] = {
        "steps": given.steps,
        "prompts_per_step": given.samples // given.group,
        "answers_per_prompt": given.group,
        "max_new_tokens": given.limit,
        "instruction_weight": 0.0,
        "kl_budget": 0.0,
        "unended_reward": -2.0,
        "look_every": 0,
        "micro_batches": 4,
        "minibatches": 1,
        "optimizer": optimizer,
        "schedule": ScheduleSettings(warmup=0, decay_share=0.0),
    }
    context = Context(given.work, {"reward": given.folder / "reward"}, given.seed, "cpu", given.threads)
    with join(context, "float32") as team:
        players = players_of(given, team)
        if given.method == "grpo":
            align_grpo.learn(players, align_grpo.GrpoSettings(**common, kl_weight=0.0, clip_high=0.28), context)
        else:
            settings = align_ppo.PpoSettings(**common, kl_weight=0.05, epochs=2, critic_warmup=0, critic=optimizer)
            layout = place(load(given.folder / "reward", head="score"), team, whole=True)
            critic = Learner(layout, make_optimizer(layout.model, settings.critic, layout))
            align_ppo.learn(players, critic, settings, context)
    rows = read_metrics(given.work / "trivium" / "metrics.jsonl")
    ends = [0.0, *(row["seconds"] for row in rows)]
    result = {
        "seconds": [after - before for before, after in itertools.pairwise(ends)],
        "rewards": [row["reward"] for row in rows],
        "length": rows[-1]["length"],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
