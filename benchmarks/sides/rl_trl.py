"""One side of rl.py: TRL's GRPOTrainer (1.16) or PPOTrainer (1.9.2) on the task of rl_task.py; prints a line of JSON.

As TRL comes, but for what must be the same on both sides: samples, rates, temperature 1 without top-p or top-k, no KL in
GRPO (its default), the clip, two epochs of PPO.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from pathlib import Path
from typing import Any

import rl_task
import torch
from datasets import Dataset
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer, TrainerCallback


class Clock(TrainerCallback):
    """Notes when each step ends, and what is logged."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.logged: list[dict[str, float]] = []

    def on_step_end(self, *arguments: Any, **named: Any) -> None:
        self.times.append(time.perf_counter())

    def on_log(self, *arguments: Any, logs: dict[str, float] | None = None, **named: Any) -> None:
        self.logged.append(dict(logs or {}))


def grpo(given: argparse.Namespace, clock: Clock) -> None:
    """TRL's GRPO."""
    from trl import GRPOConfig, GRPOTrainer

    model = AutoModelForCausalLM.from_pretrained(given.folder / "model", dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(given.folder / "model", padding_side="left")
    rows = [json.loads(line)["messages"] for line in (given.folder / "prompts.jsonl").read_text("utf-8").splitlines()]
    length = {"min_new_tokens": given.limit} if given.fixed else {}
    ends = set(model.generation_config.eos_token_id)

    def scored(completions: list[Any], completion_ids: list[list[int]], **more: Any) -> list[float]:
        """The task's reward, of answers' texts."""
        found = []
        for answer, ids in zip(completions, completion_ids, strict=True):
            ended = given.fixed or ids[-1] in ends
            found.append(rl_task.reward(answer[0]["content"]) if ended else rl_task.UNENDED)
        return found

    arguments = GRPOConfig(
        output_dir=str(given.work),
        use_cpu=True,
        bf16=given.bf16,
        per_device_train_batch_size=given.samples,
        num_generations=given.group,
        max_completion_length=given.limit,
        max_steps=given.steps,
        learning_rate=given.rate,
        lr_scheduler_type="constant",
        adam_beta2=0.999,
        max_grad_norm=1.0,
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        beta=0.0,
        epsilon=0.2,
        epsilon_high=0.28,
        gradient_checkpointing=False,
        generation_kwargs=length,
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        seed=given.seed,
    )
    trainer = GRPOTrainer(
        model=model,
        args=arguments,
        reward_funcs=scored,
        train_dataset=Dataset.from_list([{"prompt": row} for row in rows]),
        processing_class=tokenizer,
        callbacks=[clock],
    )
    trainer.train()


def ppo(given: argparse.Namespace, clock: Clock) -> None:
    """TRL's PPO, which was taken out of it after 1.9."""
    from trl.experimental.ppo import PPOConfig, PPOTrainer

    tokenizer = AutoTokenizer.from_pretrained(given.folder / "model", padding_side="left")
    policy, reference = (
        AutoModelForCausalLM.from_pretrained(given.folder / "model", dtype=torch.float32) for _ in range(2)
    )
    reward, value = (
        AutoModelForSequenceClassification.from_pretrained(given.folder / "reward", num_labels=1, dtype=torch.float32)
        for _ in range(2)
    )
    asked = [json.loads(line)["messages"] for line in (given.folder / "prompts.jsonl").read_text("utf-8").splitlines()]
    shape: dict[str, Any] = {"add_generation_prompt": True, "tokenize": True, "return_dict": True}
    rendered: list[Any] = [tokenizer.apply_chat_template(messages, **shape) for messages in asked]
    ids = [found["input_ids"] for found in rendered]
    rows = Dataset.from_list([{"input_ids": row} for row in ids] * (1 + given.samples * given.steps // len(ids)))
    arguments = PPOConfig(
        output_dir=str(given.work),
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=given.samples,
        gradient_accumulation_steps=1,
        num_mini_batches=1,
        num_ppo_epochs=2,
        total_episodes=given.samples * given.steps,
        response_length=given.limit,
        stop_token_id=policy.generation_config.eos_token_id[0],  # the end of turn
        local_rollout_forward_batch_size=given.samples,
        num_sample_generations=0,
        temperature=1.0,
        kl_coef=0.05,
        learning_rate=given.rate,
        lr_scheduler_type="constant",
        report_to="none",
        save_strategy="no",
        logging_steps=1,
        disable_tqdm=True,
        seed=given.seed,
    )
    trainer = PPOTrainer(
        args=arguments,
        processing_class=tokenizer,
        model=policy,
        ref_model=reference,
        reward_model=reward,
        value_model=value,
        train_dataset=rows,
        eval_dataset=rows.select(range(given.samples)),
        callbacks=[clock],
    )
    trainer.train()


def main() -> None:
    """Train, and print the seconds and the reward of every step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--method", choices=["grpo", "ppo"], required=True)
    parser.add_argument("--fixed", action="store_true")
    parser.add_argument("--bf16", action="store_true", help="GRPO in TRL's default precision, not in float32")
    for name in ("steps", "samples", "group", "limit", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--rate", type=float, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    clock = Clock()
    (grpo if given.method == "grpo" else ppo)(given, clock)
    seconds = [late - early for early, late in itertools.pairwise(clock.times)]
    if not seconds:  # a trainer with a loop of its own, which tells its logs alone
        raise SystemExit("no step was told of")
    keys = ("reward", "objective/scores")
    rewards = [row[key] for row in clock.logged for key in keys if key in row]
    lengths = [row["completions/mean_length"] for row in clock.logged if "completions/mean_length" in row]
    print(json.dumps({"seconds": [0.0, *seconds], "rewards": rewards, "length": lengths[-1] if lengths else 0.0}))


if __name__ == "__main__":
    main()
