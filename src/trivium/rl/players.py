"""Who takes part in a policy gradient: the policy that learns, the reference that it is held to, the reward that it follows.

Where low-rank changes alone are trained the policy without them is the reference, and there is no second model.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.base.progress import Context, Progress, read_metrics
from trivium.base.seeds import torch_random
from trivium.data.conversations import ConversationBatches, load_conversations
from trivium.generate.engine import Engine
from trivium.model.adapter_folder import save_adapter
from trivium.model.folder import load
from trivium.model.lora import adapt, merge, without_changes
from trivium.model.transformer import Transformer
from trivium.rl.gate import pass_gate
from trivium.rl.panel import panel
from trivium.rl.prompts import Prompt, load_prompts
from trivium.rl.rewards import Rewards, load_rewards
from trivium.rl.rollouts import Sampler
from trivium.rl.settings import PolicySettings
from trivium.tokenizer import Tokenizer
from trivium.train.distributed import Team
from trivium.train.layout import Layout, place
from trivium.train.record import save_model_folder

LOOK_SHARE = 0.25  # of the requests, at most, are kept to look at


@dataclass(frozen=True)
class Players:
    """`prompts` are rendered requests; `looks` are some that are not trained on; `engine` draws from the policy, and `stops`
    end what it says. Without a `reference` it is the policy without its changes."""

    policy: Transformer
    reference: Transformer | None
    reward: Rewards
    engine: Sampler
    prompts: list[Prompt]
    looks: list[Prompt]
    instructions: ConversationBatches
    tokenizer: Tokenizer
    layout: Layout
    stops: tuple[int, ...] = ()

    @property
    def team(self) -> Team:
        """The processes that train the policy."""
        return self.layout.team

    @contextlib.contextmanager
    def as_reference(self) -> Iterator[Transformer]:
        """The reference, for as long as the block runs."""
        if self.reference is not None:
            yield self.reference
            return
        with without_changes(self.policy):
            yield self.policy


def gather_players(context: Context, team: Team, settings: PolicySettings) -> Players:
    """Load everything, on every process; a draw's updates have about `settings.instruction_tokens` tokens of
    `instructions` between them, of which each process gets its share.

    All in float32, so that sampler and trainer agree to rounding. Raises DataError where there are no requests, GateError
    where a learned reward did not pass its gate.
    """

    def tell(note: str) -> None:
        context.report(Progress(context.folder.name, 0, settings.steps, note=note))

    if settings.learned:
        pass_gate(context, settings.accept)
    machine = team.machine
    start = context.inputs["finetune"]
    tokenizer = Tokenizer.load(start)
    policy = load(start)
    reference = None
    if settings.lora is None:
        reference = load(start).to(machine.device).eval()
    else:
        adapt(policy, settings.lora, torch_random(context.seed, "align", "lora"))
    layout = place(policy, team, whole=True)  # it samples, token by token
    (own,) = context.ranks.parts(settings.prompts_per_step, settings.prompts_per_step)
    stops = (tokenizer.end_of_turn, tokenizer.end_of_text)
    requests, too_long = load_prompts(context.inputs["gather"], settings.prompts, tokenizer, policy.shape.max_positions)
    if too_long:
        tell(f"{too_long:,} requests leave no room for an answer and are left out")
    kept = min(settings.look_requests, int(LOOK_SHARE * len(requests))) if settings.look_every else 0
    kept = kept if kept >= team.ranks.size else 0  # each process looks at some, or none does
    split = len(requests) - kept
    lessons = context.inputs["gather"] / "instructions" / "train.jsonl"
    conversations = load_conversations(lessons, tokenizer, policy.shape.max_positions)
    return Players(
        policy=policy,
        reference=reference,
        reward=load_rewards(settings.reward, context.inputs, tokenizer, machine.device, tell),
        engine=Engine(policy, stops, len(own) * settings.answers_per_prompt),
        prompts=requests[:split],
        looks=requests[split:],
        instructions=ConversationBatches(
            conversations, settings.instruction_tokens // settings.updates, context.seed, parts=2, ranks=team.ranks
        ),
        tokenizer=tokenizer,
        layout=layout,
        stops=stops,
    )


def leave_model(players: Players, settings: PolicySettings, context: Context) -> None:
    """Write the policy as it is now into the stage's folder; of low-rank changes the adapter, too. All processes call it."""
    if settings.lora is not None:
        if context.ranks.first:
            base = os.path.relpath(context.inputs["finetune"], context.folder / "adapter")
            save_adapter(players.policy, settings.lora, context.folder / "adapter", base)
        merge(players.policy)
    save_model_folder(players.layout.whole(), players.tokenizer, context.folder)


def headline(folder: Path) -> dict[str, Any]:
    """First and last tenth of the rewards, and the last KL, from the metrics."""
    rows = read_metrics(folder / "trivium" / "metrics.jsonl")
    tenth = max(1, len(rows) // 10)

    def average(part: Sequence[dict[str, Any]], key: str) -> float:
        known = [row[key] for row in part if row[key] is not None]
        return float(sum(known) / len(known)) if known else float("nan")

    return {
        "steps": len(rows),
        "reward_first": average(rows[:tenth], "reward"),
        "reward_last": average(rows[-tenth:], "reward"),
        "kl": average(rows[-tenth:], "kl"),
        "ended": average(rows[-tenth:], "ended"),
        "training_seconds": rows[-1]["seconds"],
        "learning": panel(rows).state,
    }
