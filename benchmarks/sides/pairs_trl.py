"""One side of rl_pairs.py: TRL's DPOTrainer or RewardTrainer on the same pairs and weights; prints a line of JSON.

Both run in float32 without gradient checkpointing (on a CPU bfloat16 autocast slows a model this small down) and log every
step, as ours does; DPO's reference is a second model, TRL's default. Tokenising is left out on both sides."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import (
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    TrainerCallback,
)
from trl import DPOConfig, DPOTrainer, RewardConfig, RewardTrainer


class Clock(TrainerCallback):
    """Notes when each step ends, and each loss."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.losses: list[float] = []

    def on_train_begin(self, *arguments: Any, **named: Any) -> None:
        self.times.append(time.perf_counter())

    def on_step_end(self, *arguments: Any, **named: Any) -> None:
        self.times.append(time.perf_counter())

    def on_log(self, *arguments: Any, **named: Any) -> None:
        if "loss" in named["logs"]:
            self.losses.append(named["logs"]["loss"])


def main() -> None:
    """Train one epoch, and print the seconds of every step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("dpo", "reward"))
    for name in ("rows", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    rows = [json.loads(line) for line in given.pairs.read_text(encoding="utf-8").splitlines()]
    told = [
        {name: _turns(row, name) for name in ("prompt", "chosen", "rejected")}
        for row in rows
        if row["split"] == "train"
    ]
    tokenizer = AutoTokenizer.from_pretrained(given.model)
    clock = Clock()
    common = {
        "output_dir": str(given.work),
        "use_cpu": True,
        "bf16": False,
        "gradient_checkpointing": False,
        "per_device_train_batch_size": given.rows,
        "num_train_epochs": 1,
        "dataloader_drop_last": True,
        "learning_rate": 1e-5,
        "max_grad_norm": 1.0,
        "lr_scheduler_type": "constant",
        "max_length": 512,
        "report_to": "none",
        "save_strategy": "no",
        "logging_steps": 1,
        "disable_tqdm": True,
        "seed": given.seed,
    }
    data = Dataset.from_list(told)
    trainer: Any
    if given.task == "dpo":
        model = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32)
        reference = AutoModelForCausalLM.from_pretrained(given.model, dtype=torch.float32)
        trainer = DPOTrainer(
            model,
            reference,
            args=DPOConfig(**common, beta=0.1),
            train_dataset=data,
            processing_class=tokenizer,
            callbacks=[clock],
        )
    else:
        model = AutoModelForSequenceClassification.from_pretrained(given.model, num_labels=1, dtype=torch.float32)
        arguments = RewardConfig(**common, center_rewards_coefficient=0.01)
        trainer = RewardTrainer(
            model, args=arguments, train_dataset=data, processing_class=tokenizer, callbacks=[clock]
        )
    trainer.train()
    seconds = [late - early for early, late in zip(clock.times, clock.times[1:], strict=False)]
    print(json.dumps({"seconds": seconds, "first_loss": clock.losses[0], "last_loss": clock.losses[-1]}))


def _turns(row: dict[str, Any], name: str) -> list[dict[str, str]]:
    return row[name] if name == "prompt" else [{"role": "assistant", "content": row[name]}]


if __name__ == "__main__":
    main()
