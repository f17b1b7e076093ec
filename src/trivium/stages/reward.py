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
    from trivium.rl.pairs import Judged
    from trivium.rl.rewards import Normaliser

NEEDS = ("rate", "finetune")
PARALLEL = True
AT_ONCE = 64  # requests scored together


class RewardSettings(Settings):
    """Epochs, rates and sizes of reward modelling."""

    epochs: float = Field(default=1.0, gt=0, description="how often each training pair is seen")
    batch_size: int = Field(default=32, ge=1, description="requests in an optimizer step, each with all of its pairs")
    centring: float = Field(default=0.01, ge=0, description="weight of the term that keeps scores around zero")
    evaluate_every: int = Field(default=20, ge=1, description="steps between looks at the held-out pairs")
    optimizer: OptimizerSettings = OptimizerSettings(learning_rate=0.02, adam_learning_rate=0.001)
    schedule: ScheduleSettings = ScheduleSettings(warmup=5, decay_share=0.8)
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="float32",
        description="of the matrix products; auto measures which is faster; weights are always float32",
    )


def run(settings: RewardSettings, context: Context) -> dict[str, Any]:
    """Train, and leave the reward model in `context.folder`. Returns the headline figures."""
    from trivium.base.files import read_json
    from trivium.evaluate.intervals import ratio
    from trivium.loss.preference import bradley_terry
    from trivium.model.folder import load
    from trivium.rl.pairs import PairBatch, load_judged, pair_batches, summary
    from trivium.rl.rewards import last_token_scores, save_normaliser
    from trivium.tokenizer import Tokenizer
    from trivium.train.distributed import join
    from trivium.train.fit import Job, fit, stored_precision
    from trivium.train.layout import place
    from trivium.train.record import Recorder, save_model_folder

    start = context.inputs["finetune"]
    tokenizer = Tokenizer.load(start)
    model = load(start, head="score")
    path = context.inputs["rate"] / "preferences.jsonl"
    requests = load_judged(path, tokenizer, model.shape.max_positions)
    train, heldout = requests.get("train", []), requests.get("heldout", [])
    if not train or not heldout:
        fault = f"{len(train)} requests with pairs to train on and {len(heldout)} held out; both are needed"
        raise DataError(fault, file=path)

    def objective(scorer: Transformer, batch: PairBatch) -> Tensor:
        scores = last_token_scores(scorer, batch.tokens, batch.lengths).float()
        return bradley_terry(scores[batch.chosen], scores[batch.rejected], settings.centring)

    steps = max(1, round(settings.epochs * len(train) / settings.batch_size))
    (own,) = context.ranks.parts(settings.batch_size, settings.batch_size)
    recorder = Recorder(context, steps, unit="pairs")
    with join(context, stored_precision(context, settings.precision)) as team:
        layout = place(model, team)
        job = Job(
            steps=steps,
            batches=lambda step: [pair_batches(train, settings.batch_size, context.seed, step, tokenizer.pad, own)],
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            machine=team.machine,
            objective=objective,
            count=lambda batches: float(sum(batch.pairs for batch in batches)),
            layout=layout,
        )
        for row in fit(model, job, context):
            if row.last or row.step % settings.evaluate_every == 0:
                right = preferred(model, heldout, tokenizer.pad, team.machine)[0]
                recorder.write(row, heldout_accuracy=sum(right) / sum(len(request.pairs) for request in heldout))
            else:
                recorder.write(row)
        right, normaliser = preferred(model, heldout, tokenizer.pad, team.machine)
        save_model_folder(layout.whole(), tokenizer, context.folder)
    if context.ranks.first:
        save_normaliser(normaliser, context.folder)
    # pairs of one request share answers, so the interval resamples requests
    accuracy = ratio(right, [len(request.pairs) for request in heldout], context.seed)
    longer = sum(longer_preferred(request) for request in heldout) / sum(len(request.pairs) for request in heldout)
    ceiling = read_json(context.inputs["rate"] / "ceiling.json")["ceiling"]
    return summary(requests) | {
        "heldout_accuracy": accuracy.value,
        "heldout_accuracy_low": accuracy.low,
        "heldout_accuracy_high": accuracy.high,
        "ceiling": ceiling,
        "prefers_longer_accuracy": max(longer, 1.0 - longer),
        "training_seconds": recorder.figures()["training_seconds"],
    }


def longer_preferred(request: Judged) -> int:
    """In how many pairs of a request the longer answer is the preferred one."""
    return sum(len(request.answers[better]) > len(request.answers[worse]) for better, worse in request.pairs)


def preferred(
    model: Transformer, requests: Sequence[Judged], pad: int, machine: Machine
) -> tuple[list[int], Normaliser]:
    """For each request in how many pairs the chosen answer scores higher, and the normaliser of all answers' scores."""
    import torch

    from trivium.rl.pairs import pair_batch
    from trivium.rl.rewards import Normaliser, last_token_scores
    from trivium.train.step import on_device

    model.eval()
    right: list[int] = []
    scores = []
    with torch.no_grad(), machine.autocast():
        for start in range(0, len(requests), AT_ONCE):
            part = requests[start : start + AT_ONCE]
            batch = on_device(pair_batch(part, pad), machine.device)
            score = last_token_scores(model, batch.tokens, batch.lengths).float()
            higher = score[batch.chosen] > score[batch.rejected]  # (N,)
            right += [int(one.sum()) for one in torch.split(higher, [len(request.pairs) for request in part])]
            scores.append(score)
    model.train()
    every = torch.cat(scores)
    return right, Normaliser(float(every.mean()), max(float(every.std()), 1e-6))
