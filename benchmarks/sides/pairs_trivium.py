"""One side of rl_pairs.py: Trivium's DPO or reward model on a file of pairs; prints a line of JSON.

The reference's pass over all answers, which comes before the first step of DPO, is shared out among the steps."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from trivium.base.progress import Context
from trivium.model.folder import load
from trivium.rl.judgements import load_judged
from trivium.rl.pairs import Judged
from trivium.rl.probes import Spoiler
from trivium.rl.reference import kept_log_likelihoods
from trivium.rl.tuning import begin
from trivium.stages import align_dpo, reward
from trivium.tokenizer import Tokenizer
from trivium.train.distributed import join
from trivium.train.fit import Job, fit
from trivium.train.layout import place
from trivium.train.record import Recorder

NEVER = {"optimizer": {"name": "adamw", "adam_learning_rate": 1e-5}, "schedule": {"warmup": 0, "decay_share": 0.0}}


def main() -> None:
    """Train one epoch, and print the seconds of every step."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=("dpo", "reward"))
    for name in ("rows", "threads", "seed"):
        parser.add_argument(f"--{name}", type=int, required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--pairs", type=Path, required=True, help="a preferences.jsonl")
    parser.add_argument("--work", type=Path, required=True, help="an empty folder")
    given = parser.parse_args()
    context = Context(given.work, {"finetune": given.model}, given.seed, "cpu", given.threads)
    tokenizer = Tokenizer.load(given.model)
    train = load_judged(given.pairs, tokenizer, 512)["train"]
    seconds, losses = (dpo if given.task == "dpo" else rewards)(train, given.rows, tokenizer, context)
    print(json.dumps({"seconds": seconds, "first_loss": losses[0], "last_loss": losses[-1]}))


def timed(run: Callable[[Recorder], Any], context: Context, steps: int, more: float) -> tuple[list[float], list[float]]:
    """Seconds of every step, its row of metrics included, each with its share of `more`; losses."""
    recorder = Recorder(context, steps, unit="pairs")
    seconds, losses, last = [], [], time.perf_counter()
    for row in run(recorder):
        now = time.perf_counter()
        seconds.append(now - last + more / steps)
        losses.append(row.loss)
        last = now
    return seconds, losses


def dpo(train: list[Judged], size: int, tokenizer: Tokenizer, context: Context) -> tuple[list[float], list[float]]:
    """One epoch of DPO."""
    settings = align_dpo.DpoSettings.model_validate({"batch_size": size, "instruction_weight": 0.0, **NEVER})
    with join(context, "float32") as team:
        tuning = begin(context, team, settings)
        started = time.perf_counter()
        state = context.folder / "state"
        known = kept_log_likelihoods(state, train, tuning.reference, tokenizer.pad, team, lambda: None)
        before = time.perf_counter() - started
        heard: list[torch.Tensor] = []
        steps = len(train) // size
        job = tuning.job(
            steps,
            lambda step: align_dpo.batches_of(train, known, step, settings, tuning),
            align_dpo.objective_of(settings, tuning.reference, heard),
            lambda batch: batch.pairs.pairs,
        )

        def run(recorder: Recorder) -> Any:
            for row in fit(tuning.policy, job, context):
                recorder.write(row, **dict(zip(align_dpo.HEARD, tuning.means(heard), strict=True)))
                yield row

        return timed(run, context, steps, before)


def rewards(train: list[Judged], size: int, tokenizer: Tokenizer, context: Context) -> tuple[list[float], list[float]]:
    """One epoch of the reward model."""
    settings = reward.RewardSettings.model_validate({"batch_size": size, "degenerate_share": 0.0, **NEVER})
    model = load(context.inputs["finetune"], head="score")
    spoiler = Spoiler(train, tokenizer, 512)
    steps = len(train) // size
    with join(context, "float32") as team:
        job = Job(
            steps=steps,
            batches=lambda step: [reward.batch_of(train, step, spoiler, settings, context, tokenizer.pad)],
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            machine=team.machine,
            objective=lambda scorer, batch: reward.loss_of(scorer, batch, settings),
            count=lambda batches: float(sum(batch.said for batch in batches)),
            layout=place(model, team),
        )

        def run(recorder: Recorder) -> Any:
            for row in fit(model, job, context):
                recorder.write(row)
                yield row

        return timed(run, context, steps, 0.0)


if __name__ == "__main__":
    main()
