"""The reward model: learns from what raters said of answers which one they prefer.

    pair     -log(e^(d/2) / (e^(d/2) + e^(-d/2) + v)) + c (s(better) + s(worse))^2
             with d = s(better) - s(worse) - margin (strength - 1)
    tie      -log(v / (e^(d/2) + e^(-d/2) + v))  with d = s(one) - s(other)
    list     -log softmax(s)[best]
    rating   1/2 (s - standardised rating)^2
    loss   = their sum over a step / how many they are

Bradley and Terry 1952; ties, Davidson 1970; Stiennon et al. 2020, section 3.4; Touvron et al. 2023, eq. 2; Ziegler et al. 2019,
eq. 1. v is such that two equal answers are called a tie as often as any two were; without ties it is 0, and a pair's loss
-log sigmoid(d). The trunk starts as the instruction-tuned model, the head at zero. Some requests get a degenerate answer besides,
to which those that won are preferred (`trivium.rl.probes`): raters never see one, a policy finds it. Measured on held-out
requests, beside the raters' own ceiling and a baseline that looks at length alone; `gate.json` says whether it is fit to be
learned from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError
from trivium.base.progress import Context, Progress
from trivium.optim.settings import OptimizerSettings, ScheduleSettings

if TYPE_CHECKING:
    from torch import Tensor

    from trivium.evaluate.gate import Check
    from trivium.model.transformer import Transformer
    from trivium.rl.pairs import Judged, PairBatch
    from trivium.rl.probes import Spoiler
    from trivium.train.distributed import Team

NEEDS = ("rate", "finetune")
PARALLEL = True


class RewardSettings(Settings):
    """Epochs, rates and sizes of reward modelling."""

    epochs: float = Field(default=1.0, gt=0, description="how often each training pair is seen")
    batch_size: int = Field(default=32, ge=1, description="requests in an optimizer step, each with all of its pairs")
    centring: float = Field(default=0.01, ge=0, description="weight of the term that keeps scores around zero")
    margin: float = Field(
        default=0.3, ge=0, description="by which scores must differ more for each step of a rater's strength"
    )
    degenerate_share: float = Field(
        default=0.25,
        ge=0,
        le=1,
        description="share of a step's requests that get an empty, endless or repeating answer",
    )
    evaluate_every: int = Field(default=20, ge=1, description="steps between looks at the held-out pairs")
    optimizer: OptimizerSettings = OptimizerSettings(learning_rate=0.02, adam_learning_rate=0.001)
    schedule: ScheduleSettings = ScheduleSettings(warmup=5, decay_share=0.8)
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="float32",
        description="of the matrix products; auto measures which is faster; weights are always float32",
    )


def run(settings: RewardSettings, context: Context) -> dict[str, Any]:
    """Train, and leave the reward model in `context.folder`. Returns the headline figures."""
    from trivium.base.files import read_json, write_json
    from trivium.evaluate.gate import as_dict, failures
    from trivium.model.folder import load
    from trivium.rl.gate import FILE
    from trivium.rl.judgements import load_judged
    from trivium.rl.pairs import Judged, tie_weight
    from trivium.rl.probes import Spoiler
    from trivium.rl.rewards import normaliser_of, save_normaliser
    from trivium.tokenizer import Tokenizer
    from trivium.train.distributed import Team, join
    from trivium.train.fit import Job, fit, stored_precision
    from trivium.train.layout import place
    from trivium.train.record import Recorder, save_model_folder

    start = context.inputs["finetune"]
    tokenizer = Tokenizer.load(start)
    model = load(start, head="score")
    path = context.inputs["rate"] / "preferences.jsonl"
    train, heldout = learnable(load_judged(path, tokenizer, model.shape.max_positions))
    if not train or not heldout:
        fault = f"{len(train)} requests with pairs to train on and {len(heldout)} held out; both are needed"
        raise DataError(fault, file=path)
    size = min(settings.batch_size, len(train))
    ties = tie_weight(train)
    steps = max(1, round(settings.epochs * len(train) / size))
    spoiler = Spoiler(train, tokenizer, model.shape.max_positions)
    recorder = Recorder(context, steps, unit="pairs")
    with join(context, stored_precision(context, settings.precision)) as team:
        layout, alone = place(model, team), Team(team.machine)  # a sharded model computes the same everywhere
        job = Job(
            steps=steps,
            batches=lambda step: [batch_of(train, step, spoiler, settings, context, tokenizer.pad)],
            optimizer=settings.optimizer,
            schedule=settings.schedule,
            machine=team.machine,
            objective=lambda scorer, batch: loss_of(scorer, batch, settings, ties),
            count=lambda batches: float(sum(batch.said for batch in batches)),
            layout=layout,
            ahead=True,
        )
        for row in fit(model, job, context):
            look: dict[str, float] = {}
            if row.last or row.step % settings.evaluate_every == 0:
                look["heldout_accuracy"] = accuracy_of(scores_of(model, heldout, tokenizer.pad, alone), heldout)
            recorder.write(row, **look)
        scores = scores_of(model, heldout, tokenizer.pad, alone)
        probes = {
            kind: scores_of(model, [Judged((row,)) for row in rows], tokenizer.pad, alone)
            for kind, rows in spoiler.probes(heldout).items()
        }
        save_model_folder(layout.whole(), tokenizer, context.folder)
    if not context.ranks.first:
        return {}
    save_normaliser(normaliser_of([score for row in scores for score in row]), context.folder)
    ceiling = read_json(context.inputs["rate"] / "ceiling.json")["ceiling"]
    checks = checked(
        scores, heldout, {kind: [row[0] for row in rows] for kind, rows in probes.items()}, ceiling, context
    )
    write_json(context.folder / FILE, as_dict(checks))
    for fault in failures(checks):
        context.report(Progress(context.folder.name, steps, steps, note=f"the gate: {fault}"))
    pairs = {"train_pairs": _pairs(train), "heldout_pairs": _pairs(heldout)} | {
        f"train_{kind}": count
        for kind in ("ties", "lists", "ratings")
        if (count := sum(len(getattr(one, kind)) for one in train))
    }
    return pairs | figures_of(checks, ceiling) | {"training_seconds": recorder.figures()["training_seconds"]}


def learnable(requests: dict[str, list[Judged]]) -> tuple[list[Judged], list[Judged]]:
    """The requests to train on, with what a scorer learns from, and the held-out ones, with all that follows as pairs.
    Ratings are standardised by those trained on."""
    from statistics import fmean, pstdev

    from trivium.rl.pairs import Judged

    train, heldout = requests.get("train", []), requests.get("heldout", [])
    numbers = [value for request in train for _, value in request.ratings]
    mean, spread = (fmean(numbers), pstdev(numbers) or 1.0) if numbers else (0.0, 1.0)
    scaled = [
        replace(request, ratings=tuple((place, (value - mean) / spread) for place, value in request.ratings))
        for request in train
        if request.pairs or request.ties or request.lists or request.ratings
    ]
    return scaled, [Judged(one.answers, one.compared, one.starts) for one in heldout if one.compared]


def batch_of(
    train: Sequence[Judged], step: int, spoiler: Spoiler, settings: RewardSettings, context: Context, pad: int
) -> PairBatch:
    """This process's requests of a 0-based step, some with a degenerate answer."""
    from trivium.base.seeds import python_random
    from trivium.rl.pairs import chosen_requests, pair_batch

    size = min(settings.batch_size, len(train))
    numbers = chosen_requests(len(train), size, context.seed, step)
    (own,) = context.ranks.parts(size, size)
    found = []
    for place in own:
        random = python_random(context.seed, "degenerate", step, place)
        request = train[numbers[place]]
        found.append(spoiler.spoiled(request, random) if random.random() < settings.degenerate_share else request)
    return pair_batch(found, pad)


def loss_of(scorer: Transformer, batch: PairBatch, settings: RewardSettings, ties: float = 0.0) -> Tensor:
    """The summed loss of all that a batch says; `ties` is `tie_weight` of all that is trained on, above zero where
    it has ties."""
    from trivium.loss.preference import best_of_list, bradley_terry, rated, tied
    from trivium.rl.rewards import last_token_scores

    scores = last_token_scores(scorer, batch.rows.tokens, batch.rows.lengths).float()  # (B,)
    margins = settings.margin * (batch.strengths - 1.0)
    loss = bradley_terry(scores[batch.chosen], scores[batch.rejected], settings.centring, margins, ties)
    if len(batch.ties):
        one, other = scores[batch.ties].unbind(dim=1)  # (., 2) -> two of (.,)
        loss = loss + tied(one, other, ties)
    if len(batch.lists):
        loss = loss + best_of_list(scores[batch.lists.clamp(min=0)], batch.lists >= 0)
    if len(batch.rated):
        loss = loss + rated(scores[batch.rated], batch.ratings)
    return loss


def scores_of(model: Transformer, requests: Sequence[Judged], pad: int, team: Team) -> list[list[float]]:
    """The score of every answer, by request."""
    from trivium.rl.reference import log_likelihoods_of
    from trivium.rl.rewards import last_token_scores

    model.eval()
    found = log_likelihoods_of(
        requests, lambda block: last_token_scores(model, block.tokens, block.lengths).float(), pad, team
    )
    model.train()
    return [row.tolist() for row in found]


def accuracy_of(scores: Sequence[Sequence[float]], requests: Sequence[Judged]) -> float:
    """The share of pairs whose better answer scores higher."""
    right = [
        row[better] > row[worse]
        for row, request in zip(scores, requests, strict=True)
        for better, worse in request.pairs
    ]
    return sum(right) / len(right)


def checked(
    scores: Sequence[Sequence[float]],
    heldout: Sequence[Judged],
    probes: dict[str, list[float]],
    ceiling: float | None,
    context: Context,
) -> list[Check]:
    """The gate's checks."""
    from trivium.evaluate.gate import Measured, examine

    lengths = [[len(answer) for answer in request.answers] for request in heldout]
    return examine(Measured(scores, lengths, [one.pairs for one in heldout], probes, ceiling, context.seed))


def figures_of(checks: Sequence[Check], ceiling: float | None) -> dict[str, Any]:
    """The headline figures of the gate."""
    accuracy, length, *_ = (check.figures for check in checks)
    return {
        "heldout_accuracy": accuracy["value"],
        "heldout_accuracy_low": accuracy["low"],
        "heldout_accuracy_high": accuracy["high"],
        "ceiling": ceiling,
        "prefers_longer_accuracy": length["baseline"],
        "gate_failures": sum(check.passed is False for check in checks),
    }


def _pairs(requests: Sequence[Judged]) -> int:
    return sum(len(request.pairs) for request in requests)
