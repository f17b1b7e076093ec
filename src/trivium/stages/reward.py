"""The reward model: learns from pairs of answers which one people prefer.

    loss = 1/N sum over pairs of -log sigmoid(score(chosen) - score(rejected)) + c (score(chosen) + score(rejected))^2

Bradley and Terry 1952; Stiennon et al. 2020, section 3.4. The trunk starts as the instruction-tuned model, the head at
zero. Measured on held-out pairs, beside the rater's own ceiling and a baseline that prefers the longer answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError
from trivium.base.progress import Context
from trivium.optim.settings import OptimizerSettings, ScheduleSettings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from trivium.base.device import Machine
    from trivium.model.transformer import Transformer
    from trivium.rl.pairs import Pair

NEEDS = ("rate", "finetune")


class RewardSettings(Settings):
    """Epochs, rates and sizes of reward modelling."""

    epochs: float = Field(default=2.0, gt=0, description="how often each training pair is seen")
    batch_size: int = Field(default=64, ge=1, description="pairs in an optimizer step")
    centring: float = Field(default=0.01, ge=0, description="weight of the term that keeps scores around zero")
    evaluate_every: int = Field(default=20, ge=1, description="steps between looks at the held-out pairs")
    optimizer: OptimizerSettings = OptimizerSettings(learning_rate=0.005, adam_learning_rate=0.001)
    schedule: ScheduleSettings = ScheduleSettings(warmup=5, decay_share=0.8)
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="float32",
        description="of the matrix products; auto measures which is faster; weights are always float32",
    )


def run(settings: RewardSettings, context: Context) -> dict[str, Any]:
    """Train, and leave the reward model in `context.folder`. Returns the headline figures."""
    from trivium.base.device import choose_machine
    from trivium.base.files import read_json
    from trivium.evaluate.intervals import proportion
    from trivium.loss.preference import bradley_terry
    from trivium.model.folder import load
    from trivium.rl.pairs import PairBatch, load_pairs, pair_batches, summary
    from trivium.rl.rewards import last_token_scores, save_normaliser
    from trivium.tokenizer import Tokenizer
    from trivium.train.fit import Job, fit, stored_precision
    from trivium.train.record import Recorder, save_model_folder

    start = context.inputs["finetune"]
    tokenizer = Tokenizer.load(start)
    machine = choose_machine(context.device, context.threads, stored_precision(context, settings.precision))
    model = load(start, head="score").to(machine.device)
    path = context.inputs["rate"] / "preferences.jsonl"
    pairs = load_pairs(path, tokenizer, model.shape.max_positions)
    train, heldout = pairs.get("train", []), pairs.get("heldout", [])
    if not train or not heldout:
        raise DataError(f"{len(train)} pairs to train on and {len(heldout)} held out; both are needed", file=path)

    def objective(scorer: Transformer, batch: PairBatch) -> Tensor:
        scores = last_token_scores(scorer, batch.tokens, batch.lengths).float()
        return bradley_terry(scores[: batch.pairs], scores[batch.pairs :], settings.centring)

    job = Job(
        steps=max(1, round(settings.epochs * len(train) / settings.batch_size)),
        batches=lambda step: [pair_batches(train, settings.batch_size, context.seed, step, tokenizer.pad)],
        optimizer=settings.optimizer,
        schedule=settings.schedule,
        machine=machine,
        objective=objective,
        count=lambda batches: float(sum(batch.pairs for batch in batches)),
    )
    recorder = Recorder(context, job.steps, unit="pairs")
    correct: list[bool] = []
    for row in fit(model, job, context):
        if row.last or row.step % settings.evaluate_every == 0:
            correct = preferred(model, heldout, tokenizer.pad, machine)[0]
            recorder.write(row, heldout_accuracy=sum(correct) / len(correct))
        else:
            recorder.write(row)
    correct, normaliser = preferred(model, heldout, tokenizer.pad, machine)
    save_model_folder(model, tokenizer, context.folder)
    save_normaliser(normaliser, context.folder)
    accuracy = proportion(sum(correct), len(correct))
    longer = sum(len(pair.chosen) > len(pair.rejected) for pair in heldout) / len(heldout)
    ceiling = read_json(context.inputs["rate"] / "ceiling.json")["ceiling"]
    return summary(pairs) | {
        "heldout_accuracy": accuracy.value,
        "heldout_accuracy_low": accuracy.low,
        "heldout_accuracy_high": accuracy.high,
        "ceiling": ceiling,
        "prefers_longer_accuracy": max(longer, 1.0 - longer),
        "training_seconds": recorder.figures()["training_seconds"],
    }


def preferred(model: Transformer, pairs: Sequence[Pair], pad: int, machine: Machine) -> tuple[list[bool], Any]:
    """For each pair whether the chosen answer scores higher, and the normaliser of all their scores."""
    import torch

    from trivium.rl.pairs import pair_batch
    from trivium.rl.rewards import Normaliser, last_token_scores
    from trivium.train.step import on_device

    model.eval()
    correct: list[bool] = []
    scores = []
    with torch.no_grad(), machine.autocast():
        for start in range(0, len(pairs), 128):
            batch = on_device(pair_batch(pairs[start : start + 128], pad), machine.device)
            score = last_token_scores(model, batch.tokens, batch.lengths).float()
            correct += (score[: batch.pairs] > score[batch.pairs :]).tolist()
            scores.append(score)
    model.train()
    every = torch.cat(scores)
    return correct, Normaliser(float(every.mean()), max(float(every.std()), 1e-6))
