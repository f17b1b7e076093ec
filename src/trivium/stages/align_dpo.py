"""Alignment by direct preference: the pairs themselves, without a reward model and without drawing answers.

For a request x with chosen answer y and rejected answer z, policy p and reference q (the instruction-tuned model),

    m = log p(y|x)/q(y|x) - log p(z|x)/q(z|x)           loss = -1/N sum over pairs of log sigmoid(beta m)

Rafailov et al. 2023, eq. 7; the other losses of m are in `trivium.loss.preference`. `ipo` and `normalised` take an answer's
mean log-ratio a token, not the sum, so that long answers do not count more. Where raters call answers a tie, `sigmoid` and
`normalised` learn from that too, with e^(d/2), e^(-d/2) and v as the weights of win, loss and tie at d = beta m (Chen et al.
2024, DPO-D); the other two have no likelihood of ties and leave them out. Departures: all pairs of a request are in one
step and share their answers' rows; `nll_weight` adds -log p(y|x) a token of the chosen answer (Pang et al. 2024, eq. 2); the
loss of instruction tuning is added with weight `instruction_weight`, so that what was learned there is not forgotten.

That both answers become less likely is usual, since only m is trained; where the chosen one falls far a note says so, for what
rises instead is something that nobody judged. Legend: N pairs, B answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from trivium.base.errors import DataError
from trivium.base.progress import Context, Progress
from trivium.rl.tuning_settings import TuningSettings

if TYPE_CHECKING:
    from torch import Tensor

    from trivium.base.words import Batch
    from trivium.model.transformer import Transformer
    from trivium.rl.pairs import Judged, PairBatch
    from trivium.rl.reference import Reference
    from trivium.rl.tuning import Tuning

NEEDS = ("gather", "finetune", "rate")
PARALLEL = True
HEARD = ("margin", "accuracy", "chosen_change", "rejected_change")


class DpoSettings(TuningSettings):
    """Which loss of the pairs, and what holds the policy."""

    method: Literal["dpo"] = Field(default="dpo", description="learns from the pairs themselves")
    loss: Literal["sigmoid", "robust", "ipo", "normalised"] = Field(
        default="sigmoid", description="of the margin; normalised: sigmoid, of means over tokens"
    )
    beta: float = Field(default=0.1, gt=0, description="how strongly the policy is held to the reference")
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=0.5, description="share of pairs that raters get wrong; makes sigmoid conservative"
    )
    nll_weight: float = Field(default=0.0, ge=0, description="weight of the chosen answer's own likelihood, a token")
    batch_size: int = Field(default=32, ge=1, description="requests in an optimizer step, each with all of its pairs")
    micro_batches: int = Field(default=1, ge=1, description="parts in which a step's requests are learned from")
    reference: Literal["cached", "recomputed"] = Field(
        default="cached", description="its log-probabilities: computed once beforehand, or in every step"
    )
    evaluate_every: int = Field(default=20, ge=1, description="steps between looks at the held-out pairs")
    fall_warning: float = Field(
        default=10.0, gt=0, description="nats by which chosen answers may become less likely before a note says so"
    )

    @model_validator(mode="after")
    def _fits(self) -> DpoSettings:
        if self.label_smoothing and self.loss == "ipo":
            raise ValueError("label_smoothing is not for ipo, whose margin is bounded anyway; leave it out")
        return self

    @property
    def by_token(self) -> bool:
        """Whether an answer counts by its mean over tokens."""
        return self.loss in ("ipo", "normalised")

    @property
    def knows_ties(self) -> bool:
        """Whether ties have a likelihood."""
        return self.loss in ("sigmoid", "normalised")


@dataclass(frozen=True)
class DpoBatch:
    """Pairs, and the reference's log-probabilities of their answers (B,) where they are known beforehand."""

    pairs: PairBatch
    reference: Tensor | None


def run(settings: DpoSettings, context: Context) -> dict[str, Any]:
    """Train the policy, and leave it in `context.folder`. Returns the headline figures."""
    from trivium.rl.judgements import load_judged, with_pairs
    from trivium.rl.pairs import tie_weight
    from trivium.rl.tuning import begin, fallen, finish, left_aside, references
    from trivium.train.distributed import join
    from trivium.train.fit import fit
    from trivium.train.record import Recorder

    with join(context, "float32") as team:
        tuning = begin(context, team, settings)
        path = context.inputs["rate"] / "preferences.jsonl"
        judged = load_judged(path, tuning.tokenizer, tuning.policy.shape.max_positions)
        requests, dropped = with_pairs(judged, ties=settings.knows_ties)
        ties = sum(len(request.ties) for request in judged.get("train", []))
        if ties and not settings.knows_ties:
            context.report(Progress(context.folder.name, 0, 0, note=left_aside(ties, settings.loss)))
        train, heldout = requests.get("train", []), requests.get("heldout", [])
        if not train or not heldout:
            fault = f"{len(train)} requests with pairs to train on and {len(heldout)} held out; both are needed"
            raise DataError(fault, file=path)
        steps = max(1, round(settings.epochs * len(train) / min(settings.batch_size, len(train))))
        known, known_heldout = references(tuning, train, heldout, settings.reference == "cached", context)
        heard: list[Tensor] = []
        job = tuning.job(
            steps,
            lambda step: batches_of(train, known, step, settings, tuning),
            objective_of(settings, tuning.reference, heard, tie_weight(train)),
            lambda batch: batch.pairs.pairs + len(batch.pairs.ties),
        )
        recorder = Recorder(context, steps, unit="pairs")
        lowest = 0.0
        for row in fit(tuning.policy, job, context):
            figures = dict(zip(HEARD, tuning.means(heard), strict=True))
            if figures["chosen_change"] < -settings.fall_warning <= lowest:
                context.report(Progress(context.folder.name, row.step, steps, note=fallen(figures["chosen_change"])))
            lowest = min(lowest, figures["chosen_change"])
            if row.last or row.step % settings.evaluate_every == 0:
                right = preferred(heldout, known_heldout, tuning, settings)
                figures["heldout_accuracy"] = sum(right) / sum(len(request.pairs) for request in heldout)
            recorder.write(row, **figures)
        right = preferred(heldout, known_heldout, tuning, settings)
        finish(tuning, context)
    if not context.ranks.first:
        return {}
    told = {"dropped_pairs": dropped, "train_ties": ties if settings.knows_ties else 0}
    return recorder.figures() | told | summary_of(requests, right, context)


def batches_of(
    train: Sequence[Judged], known: Sequence[Tensor] | None, step: int, settings: DpoSettings, tuning: Tuning
) -> list[DpoBatch | Batch]:
    """This process's micro-batches of a 0-based step: pairs, then instructions."""
    import torch

    from trivium.rl.pairs import chosen_requests, pair_batch

    size = min(settings.batch_size, len(train))
    numbers = chosen_requests(len(train), size, tuning.seed, step)
    (mine,) = tuning.team.ranks.parts(size, size)
    own = [numbers[place] for place in mine]
    parts = min(settings.micro_batches, len(own))
    batches: list[DpoBatch | Batch] = []
    for part in range(parts):
        some = own[len(own) * part // parts : len(own) * (part + 1) // parts]
        reference = None if known is None else torch.cat([known[number] for number in some])
        batches.append(DpoBatch(pair_batch([train[number] for number in some], tuning.tokenizer.pad), reference))
    return batches + tuning.lessons(step, sum(len(train[number].pairs + train[number].ties) for number in own))


def objective_of(
    settings: DpoSettings, reference: Reference, heard: list[Tensor], ties: float = 0.0
) -> Callable[[Transformer, DpoBatch], Tensor]:
    """The summed loss of a batch of pairs and of ties, which weigh `ties` (v). The sums of what `HEARD` names, and the number of
    pairs, go to `heard`."""
    import torch

    from trivium.loss.preference import tied
    from trivium.rl.reference import answer_log_likelihoods

    def objective(policy: Transformer, batch: DpoBatch) -> Tensor:
        pairs = batch.pairs
        found = answer_log_likelihoods(policy, pairs.rows)  # (B,)
        known = reference.log_likelihoods(pairs.rows) if batch.reference is None else batch.reference  # (B,)
        lengths = pairs.rows.lengths - pairs.rows.starts  # (B,)
        change = found - known
        gains = change / lengths if settings.by_token else change
        margins = gains[pairs.chosen] - gains[pairs.rejected]  # (N,)
        loss = loss_of(margins, settings, ties)
        if len(pairs.ties):
            one, other = (settings.beta * gains[pairs.ties]).unbind(dim=1)  # (., 2) -> two of (.,)
            loss = loss + tied(one, other, ties)
        if settings.nll_weight:
            loss = loss - settings.nll_weight * (found[pairs.chosen] / lengths[pairs.chosen]).sum()
        told = [margins, (margins > 0).float(), change[pairs.chosen], change[pairs.rejected], torch.ones_like(margins)]
        heard.append(torch.stack([part.detach().sum() for part in told]))
        return loss

    return objective


def loss_of(margins: Tensor, settings: DpoSettings, ties: float = 0.0) -> Tensor:
    """The summed loss of margins (N,) that the settings ask for, where ties weigh `ties`."""
    from trivium.loss.preference import identity_preference, robust_preference, sigmoid_preference

    if settings.loss == "ipo":
        return identity_preference(margins, settings.beta)
    if settings.loss == "robust":
        return robust_preference(margins, settings.beta, settings.label_smoothing)
    return sigmoid_preference(margins, settings.beta, settings.label_smoothing, ties)


def preferred(requests: Sequence[Judged], known: Sequence[Tensor], tuning: Tuning, settings: DpoSettings) -> list[int]:
    """For each request in how many pairs the chosen answer has gained more than the rejected one."""
    from trivium.rl.reference import answer_log_likelihoods, log_likelihoods_of

    policy, pad = tuning.policy.eval(), tuning.tokenizer.pad
    found = log_likelihoods_of(requests, lambda block: answer_log_likelihoods(policy, block), pad, tuning.team)
    policy.train()
    right = []
    for request, now, before in zip(requests, found, known, strict=True):
        gains = (now - before).tolist()
        if settings.by_token:
            lengths = [len(answer) - start for answer, start in zip(request.answers, request.starts, strict=True)]
            gains = [gain / length for gain, length in zip(gains, lengths, strict=True)]
        right.append(sum(gains[better] > gains[worse] for better, worse in request.pairs))
    return right


def summary_of(requests: dict[str, list[Judged]], right: Sequence[int], context: Context) -> dict[str, Any]:
    """How many pairs there were, and how often held-out chosen answers gained more, with its interval."""
    from trivium.base.files import read_json
    from trivium.base.progress import read_metrics
    from trivium.evaluate.intervals import ratio
    from trivium.rl.pairs import summary

    # pairs of one request share answers, so the interval resamples requests
    accuracy = ratio(right, [len(request.pairs) for request in requests["heldout"]], context.seed)
    rows = read_metrics(context.folder / "trivium" / "metrics.jsonl")
    last = rows[-max(1, len(rows) // 10) :]
    return summary(requests) | {
        "heldout_accuracy": accuracy.value,
        "heldout_accuracy_low": accuracy.low,
        "heldout_accuracy_high": accuracy.high,
        "ceiling": read_json(context.inputs["rate"] / "ceiling.json")["ceiling"],
        "chosen_change": sum(row["chosen_change"] for row in last) / len(last),
        "rejected_change": sum(row["rejected_change"] for row in last) / len(last),
    }
