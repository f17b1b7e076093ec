"""One side of rl.py: Trivium's GRPO or PPO on the task of rl_task.py; prints a line of JSON."""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import rl_task

from trivium.base.progress import Context, Progress, read_metrics
from trivium.base.words import Message
from trivium.generate.engine import Engine, Request, Row
from trivium.generate.sampling import Sampling
from trivium.model.folder import load
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.rl.course import Learner
from trivium.rl.players import Players
from trivium.rl.prompts import Prompt
from trivium.rl.rewards import LearnedReward, Normaliser, Rewards
from trivium.stages import align_grpo, align_ppo
from trivium.tokenizer import Tokenizer
from trivium.train.distributed import Team, join
from trivium.train.fit import make_optimizer
from trivium.train.layout import place


def worth(prompt: Prompt, answer: str, tokens: int) -> float:
    """The task's reward, of an answer's text."""
    return rl_task.reward(answer)


class Whole(Engine):
    """Draws answers that never end before the limit and are scored like those that do."""

    def run(self, requests: Sequence[Request], sampling: Sampling, seed: int, first: int = 0) -> list[list[Row]]:
        answers = super().run(requests, sampling, seed, first)
        for row in itertools.chain.from_iterable(answers):
            row.ended = True
        return answers


def prompts_of(path: Path, tokenizer: Tokenizer) -> list[Prompt]:
    """The requests of the task."""
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        messages = tuple(Message(**turn) for turn in json.loads(line)["messages"])
        found.append(Prompt(tuple(tokenizer.render(messages, add_generation_prompt=True).ids), messages))
    return found


def players_of(given: argparse.Namespace, team: Team) -> Players:
    """Policy, reference and reward, from the folders that both sides read."""
    folder = given.folder
    tokenizer = Tokenizer.load(folder / "model")
    policy = load(folder / "model")
    layout = place(policy, team, whole=True)
    stops = (tokenizer.end_of_turn, tokenizer.end_of_text)
    if given.method == "ppo":
        learned = {"learned": LearnedReward(load(folder / "reward", head="score").eval(), Normaliser(0.0, 1.0))}
        reward = Rewards(learned, {}, {"learned": 1.0}, tokenizer)
    else:
        reward = Rewards({}, {"task": worth}, {"task": 1.0}, tokenizer)
    nothing: Any = SimpleNamespace()
    return Players(
        policy=policy,
        reference=load(folder / "model").eval(),
        reward=reward,
        engine=Whole(policy, (), given.samples) if given.fixed else Engine(policy, stops, given.samples),
        prompts=prompts_of(folder / "prompts.jsonl", tokenizer),
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
        "unended_reward": rl_task.UNENDED,
        "look_every": 0,
        "micro_batches": 8 if given.fixed else 1,  # of about two thousand tokens, which a cache holds
        "minibatches": 1,
        "optimizer": optimizer,
        "schedule": ScheduleSettings(warmup=0, decay_share=0.0),
    }
    times: list[float] = []

    def step_done(progress: Progress) -> None:
        times.append(time.perf_counter())

    context = Context(given.work, {"reward": given.folder / "reward"}, given.seed, "cpu", given.threads, step_done)
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
    result = {
        "seconds": [0.0, *(after - before for before, after in itertools.pairwise(times))],
        "rewards": [row["reward"] for row in rows],
        "length": rows[-1]["length"],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
