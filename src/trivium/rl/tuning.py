"""The policy of an alignment by the one supervised loop: with its reference, instructions beside it, and its folder.

What is learned from is the stage's affair: it gives batches of its own and their objective.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from trivium.base.errors import Interrupted
from trivium.base.progress import Context, Progress
from trivium.base.seeds import torch_random
from trivium.base.words import Batch
from trivium.data.conversations import ConversationBatches, load_conversations
from trivium.model.adapter_folder import save_adapter
from trivium.model.folder import load
from trivium.model.lora import adapt, merge
from trivium.model.transformer import Transformer
from trivium.rl.pairs import Judged
from trivium.rl.reference import Reference, kept_log_likelihoods
from trivium.rl.tuning_settings import TuningSettings
from trivium.tokenizer import Tokenizer
from trivium.train.distributed import Team
from trivium.train.fit import Job
from trivium.train.layout import Layout, place
from trivium.train.record import save_model_folder
from trivium.train.step import Objective, next_token_loss, supervised_tokens


@dataclass(frozen=True)
class Tuning:
    """Everything of such a training but what is learned from."""

    settings: TuningSettings
    reference: Reference
    layout: Layout
    tokenizer: Tokenizer
    instructions: ConversationBatches | None
    seed: int

    @property
    def policy(self) -> Transformer:
        return self.reference.policy

    @property
    def team(self) -> Team:
        return self.layout.team

    def lessons(self, step: int, counted: float) -> list[Batch]:
        """This process's instructions of a 0-based step, weighed so that their mean loss stands beside that of the step's
        `counted` other things (this process's); all processes call it."""
        if self.instructions is None:
            return []
        batches = self.instructions.batches(step)
        things, tokens = self.team.sum(counted, supervised_tokens(batches))
        weight = self.settings.instruction_weight * things / tokens
        return [replace(batch, weights=batch.weights * weight) for batch in batches]

    def job(
        self,
        steps: int,
        batches: Callable[[int], Sequence[Any]],
        objective: Objective,
        count: Callable[[Any], float],
    ) -> Job:
        """The training of `batches`; those that are instructions are learned as such and not counted."""

        def either(policy: Transformer, batch: Any) -> Tensor:
            return next_token_loss(policy, batch) if isinstance(batch, Batch) else objective(policy, batch)

        return Job(
            steps=steps,
            batches=batches,
            optimizer=self.settings.optimizer,
            schedule=self.settings.schedule,
            machine=self.team.machine,
            objective=either,
            count=lambda found: float(sum(count(batch) for batch in found if not isinstance(batch, Batch))),
            layout=self.layout,
        )

    def means(self, heard: list[Tensor]) -> list[float]:
        """Of sums (C,), the last of which says of how many things, the means of the others over all processes; `heard` is
        empty afterwards."""
        *sums, count = self.team.sum(*torch.stack(heard).sum(dim=0).tolist())
        heard.clear()
        return [value / count for value in sums]


def begin(context: Context, team: Team, settings: TuningSettings) -> Tuning:
    """The tuned model as policy and as reference, on every process.

    In float32, so that small changes of likelihood are not lost in rounding.
    """
    start = context.inputs["finetune"]
    tokenizer = Tokenizer.load(start)
    policy = load(start)
    frozen = None
    if settings.lora is None:
        frozen = load(start).to(team.machine.device).eval()
    else:
        adapt(policy, settings.lora, torch_random(context.seed, "align", "lora"))
    layout = place(policy, team, whole=True)  # beside a reference that is whole
    instructions = None
    if settings.instruction_weight:
        lessons = load_conversations(
            context.inputs["gather"] / "instructions" / "train.jsonl", tokenizer, policy.shape.max_positions
        )
        instructions = ConversationBatches(
            lessons, settings.instruction_tokens, context.seed, parts=2, ranks=team.ranks
        )
    return Tuning(settings, Reference(policy, frozen), layout, tokenizer, instructions, context.seed)


def references(
    tuning: Tuning, train: Sequence[Judged], heldout: Sequence[Judged], cached: bool, context: Context
) -> tuple[Sequence[Tensor] | None, Sequence[Tensor]]:
    """The reference's log-probabilities of the answers of each request: of those trained on, where they are `cached` and not
    computed in every step, and of those held out."""

    def look() -> None:
        if context.stopping() and tuning.team.ranks.size == 1:  # several stop together, between two steps
            raise Interrupted("stopped while the reference read the answers; the same command starts that again")

    asked = [*(train if cached else ()), *heldout]
    note = f"the reference reads the answers to {len(asked):,} requests"
    context.report(Progress(context.folder.name, 0, 0, note=note))
    state = context.folder / "trivium" / "state"
    found = kept_log_likelihoods(state, asked, tuning.reference, tuning.tokenizer.pad, tuning.team, look)
    return (found[: len(train)], found[len(train) :]) if cached else (None, found)


def finish(tuning: Tuning, context: Context) -> None:
    """Write the model folder, an adapter beside it with its changes taken in; all processes call it."""
    policy = tuning.layout.whole()
    if policy is not None and tuning.settings.lora is not None:
        adapter = context.folder / "adapter"
        save_adapter(policy, tuning.settings.lora, adapter, os.path.relpath(context.inputs["finetune"], adapter))
        merge(policy)
    save_model_folder(policy, tuning.tokenizer, context.folder)


def fallen(change: float) -> str:
    """What a note says where the chosen answers have become much less likely."""
    return (
        f"the chosen answers have become {-change:.1f} nats less likely than before, on average. Their distance from the "
        "rejected ones is what is trained, so some of that is usual; this much means that other answers, which nobody judged, "
        "become likely. Raise beta or nll_weight, or lower optimizer.adam_learning_rate"
    )


def left_aside(ties: int, loss: str) -> str:
    """What a note says where ties are not learned from."""
    return (
        f"{ties:,} ties are left aside: the loss '{loss}' has no likelihood for them; 'sigmoid' and 'normalised' have"
    )
