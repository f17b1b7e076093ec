"""Alignment by verdicts on single answers: whether each is good, whatever it was compared with.

For an answer y to x, policy p and reference q (the instruction-tuned model), with g = log p(y|x)/q(y|x),

    loss = 1/N sum of  w_good (1 - sigmoid(beta (g - z)))  over good answers,  w_bad (1 - sigmoid(beta (z - g)))  over bad ones
    z    = max(0, mean over the step of log p(y'|x)/q(y'|x)),  y' the answer to the next request of the step

Ethayarajh et al. 2024, eq. 8: z says how far the policy has moved in general, and has no gradient. Departures: it is measured
once a step over all of its requests, so that neither micro-batches nor processes change the update; a pair's better answer is
a good one and its worse a bad one, beside verdicts that were given as such; answers without a token are left out and counted;
the loss of instruction tuning is added as in the other algorithms.

Legend: N verdicts, B answers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.errors import DataError
from trivium.base.progress import Context
from trivium.rl.tuning_settings import TuningSettings

if TYPE_CHECKING:
    from torch import Tensor

    from trivium.base.words import Batch
    from trivium.model.transformer import Transformer
    from trivium.rl.pairs import Block, Judged
    from trivium.rl.tuning import Tuning

NEEDS = ("gather", "finetune", "rate")
PARALLEL = True
HEARD = ("good_change", "bad_change", "drift")


class KtoSettings(TuningSettings):
    """How verdicts are weighed, and what holds the policy."""

    method: Literal["kto"] = Field(default="kto", description="learns from answers that were called good or bad")
    beta: float = Field(default=0.1, gt=0, description="how strongly the policy is held to the reference")
    good_weight: float = Field(default=1.0, gt=0, description="of a good answer")
    bad_weight: float = Field(
        default=1.0, gt=0, description="of a bad one; weights times numbers should be within 1 to 1.33 of each other"
    )
    batch_size: int = Field(
        default=32, ge=2, description="requests in an optimizer step, each with all of its verdicts"
    )
    evaluate_every: int = Field(default=20, ge=1, description="steps between looks at the held-out pairs")


@dataclass(frozen=True)
class KtoBatch:
    """Answers as rows (B,), which of them each verdict is about and whether it is good (N,), the reference's log-probabilities
    of them (B,), and how far the policy has moved in general."""

    rows: Block
    judged: Tensor
    good: Tensor
    reference: Tensor
    drift: Tensor


def run(settings: KtoSettings, context: Context) -> dict[str, Any]:
    """Train the policy, and leave it in `context.folder`. Returns the headline figures."""
    from trivium.rl.judgements import load_judged
    from trivium.rl.reference import kept_log_likelihoods
    from trivium.rl.tuning import begin, finish
    from trivium.train.distributed import join
    from trivium.train.fit import fit
    from trivium.train.record import Recorder

    with join(context, "float32") as team:
        tuning = begin(context, team, settings)
        path = context.inputs["rate"] / "preferences.jsonl"
        requests, dropped = with_verdicts(load_judged(path, tuning.tokenizer, tuning.policy.shape.max_positions))
        train, heldout = requests.get("train", []), requests.get("heldout", [])
        if len(train) < 2 or not heldout:
            fault = f"{len(train)} requests with verdicts to train on (2 are needed) and {len(heldout)} held out (1 is needed)"
            raise DataError(fault, file=path)
        state = context.folder / "trivium" / "state"
        known = kept_log_likelihoods(
            state, [*train, *heldout], tuning.reference, tuning.tokenizer.pad, team, lambda: None
        )
        size = min(settings.batch_size, len(train))
        steps = max(1, round(settings.epochs * len(train) / size))
        heard: list[Tensor] = []
        job = tuning.job(
            steps,
            lambda step: batches_of(train, known, size, step, tuning),
            objective_of(settings, heard),
            lambda batch: len(batch.judged),
        )
        recorder = Recorder(context, steps, unit="verdicts")
        for row in fit(tuning.policy, job, context):
            figures = means_of(tuning.team.sum(*sum_of(heard)))
            if row.last or row.step % settings.evaluate_every == 0:
                figures["heldout_accuracy"] = accuracy(heldout, known[len(train) :], tuning)
            recorder.write(row, **figures)
        figures = {"heldout_accuracy": accuracy(heldout, known[len(train) :], tuning)}
        finish(tuning, context)
    return (
        recorder.figures() | counts_of(train) | {"dropped_answers": dropped, **figures} if context.ranks.first else {}
    )


def with_verdicts(requests: dict[str, list[Judged]]) -> tuple[dict[str, list[Judged]], int]:
    """Every request whose answers were called good or bad, by pairs too, and how many judgements were left out because the
    answer has no token. Of ratings only where nothing was called good or bad: the lower of two high ones is not bad."""
    kept: dict[str, list[Judged]] = {}
    dropped = 0
    for split, rows in requests.items():
        for request in rows:
            pairs = request.preferred if request.verdicts else request.compared
            said = [(place, good) for pair in pairs for place, good in zip(pair, (True, False), strict=True)]
            said += request.verdicts
            real = tuple(one for one in said if len(request.answers[one[0]]) > request.starts[one[0]])
            dropped += len(said) - len(real)
            if real:
                kept.setdefault(split, []).append(replace(request, pairs=request.compared, verdicts=real))
    return kept, dropped


def mismatched(requests: Sequence[Judged], limit: int) -> list[tuple[tuple[int, ...], int]]:
    """Each request with an answer to the next one, and where that begins; the last gets one of the first's."""
    found = []
    for one, other in zip(requests, [*requests[1:], requests[0]], strict=True):
        place = other.verdicts[0][0]
        prompt, answer = one.answers[0][: one.starts[0]], other.answers[place][other.starts[place] :]
        found.append(((*prompt, *answer)[:limit], len(prompt)))
    return found


def drift_of(requests: Sequence[Judged], tuning: Tuning) -> Tensor:
    """z of a step's requests, measured by all processes together; a number without a gradient."""
    import torch

    from trivium.rl.pairs import block_of
    from trivium.rl.reference import answer_log_likelihoods
    from trivium.train.step import on_device

    rows = mismatched(requests, tuning.policy.shape.max_positions)
    own = [rows[place] for place in tuning.team.ranks.share(len(rows))]
    moved = 0.0
    if own:
        block = block_of([row for row, _ in own], [start for _, start in own], tuning.tokenizer.pad)
        block = on_device(block, tuning.team.machine.device)
        with torch.no_grad():
            now = answer_log_likelihoods(tuning.policy, block)
        moved = float((now - tuning.reference.log_likelihoods(block)).sum())
    (total,) = tuning.team.sum(moved)
    return torch.tensor(max(0.0, total / len(rows)))


def batches_of(
    train: Sequence[Judged], known: Sequence[Tensor], size: int, step: int, tuning: Tuning
) -> list[KtoBatch | Batch]:
    """This process's verdicts of a 0-based step, with the policy's drift just now, then instructions."""
    import torch

    from trivium.rl.pairs import block_of, chosen_requests

    numbers = chosen_requests(len(train), size, tuning.seed, step)
    drift = drift_of([train[number] for number in numbers], tuning)
    (mine,) = tuning.team.ranks.parts(size, size)
    own = [train[numbers[place]] for place in mine]
    answers = [answer for request in own for answer in request.answers]
    starts = [start for request in own for start in request.starts]
    firsts = [sum(len(request.answers) for request in own[:number]) for number in range(len(own))]
    said = [
        (first + place, good) for first, request in zip(firsts, own, strict=True) for place, good in request.verdicts
    ]
    judged, good = torch.tensor([place for place, _ in said]), torch.tensor([verdict for _, verdict in said])
    reference = torch.cat([known[numbers[place]] for place in mine])
    batch = KtoBatch(block_of(answers, starts, tuning.tokenizer.pad), judged, good, reference, drift)
    return [batch, *tuning.lessons(step, len(said))]


def objective_of(settings: KtoSettings, heard: list[Tensor]) -> Callable[[Transformer, KtoBatch], Tensor]:
    """The summed loss of a batch of verdicts. Sums and counts of what `HEARD` names go to `heard`."""
    import torch

    from trivium.loss.preference import prospect
    from trivium.rl.reference import answer_log_likelihoods

    def objective(policy: Transformer, batch: KtoBatch) -> Tensor:
        change = answer_log_likelihoods(policy, batch.rows) - batch.reference  # (B,)
        gains = change[batch.judged]  # (N,)
        told, good = gains.detach(), batch.good
        drift = batch.drift.to(told)
        parts = [told[good].sum(), good.sum(), told[~good].sum(), (~good).sum(), drift, torch.ones_like(drift)]
        heard.append(torch.stack([part.float() for part in parts]))
        return prospect(gains, good, drift, settings.beta, (settings.good_weight, settings.bad_weight))

    return objective


def sum_of(heard: list[Tensor]) -> list[float]:
    """The sums of what was heard, which is empty afterwards."""
    import torch

    found: list[float] = torch.stack(heard).sum(dim=0).tolist()
    heard.clear()
    return found


def means_of(sums: Sequence[float]) -> dict[str, float]:
    """What `HEARD` names, from sums and counts in turn; what has no count is left out."""
    pairs = zip(HEARD, sums[::2], sums[1::2], strict=True)
    return {name: total / count for name, total, count in pairs if count}


def accuracy(heldout: Sequence[Judged], known: Sequence[Tensor], tuning: Tuning) -> float:
    """The share of held-out pairs whose better answer has gained more; without pairs, of verdicts whose sign it has."""
    from trivium.rl.reference import answer_log_likelihoods, log_likelihoods_of

    tuning.policy.eval()
    found = log_likelihoods_of(
        heldout, lambda block: answer_log_likelihoods(tuning.policy, block), tuning.tokenizer.pad, tuning.team
    )
    tuning.policy.train()
    gains = [(now - before).tolist() for now, before in zip(found, known, strict=True)]
    right: list[bool] = [
        row[one] > row[two] for row, request in zip(gains, heldout, strict=True) for one, two in request.pairs
    ]
    right = right or [
        (row[place] > 0) == good
        for row, request in zip(gains, heldout, strict=True)
        for place, good in request.verdicts
    ]
    return sum(right) / len(right)


def counts_of(train: Sequence[Judged]) -> dict[str, int]:
    """How many answers were called what."""
    said = [good for request in train for _, good in request.verdicts]
    return {"good": sum(said), "bad": len(said) - sum(said)}
