"""Who takes part in a policy gradient: the policy that learns, the reference that it is held to, the reward that it follows.

Loading them, and saving and resuming the state that an algorithm's loop needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.base.files import read_jsonl
from trivium.base.progress import Context, Progress, read_metrics
from trivium.base.words import Message
from trivium.data.conversations import ConversationBatches, load_conversations
from trivium.generate.engine import Engine
from trivium.model.folder import load
from trivium.model.transformer import Transformer
from trivium.optim.optimizer import Optimizer
from trivium.rl.guards import Guards
from trivium.rl.rewards import LearnedReward, load_reward
from trivium.tokenizer import Tokenizer
from trivium.train.checkpoint import Saver, load_newest
from trivium.train.distributed import Team
from trivium.train.fit import pieces_of, take_over
from trivium.train.layout import Layout, place


@dataclass(frozen=True)
class Players:
    """`prompts` are token ids of rendered requests, up to where the assistant speaks; `engine` decodes the policy."""

    policy: Transformer
    reference: Transformer
    reward: LearnedReward
    engine: Engine
    prompts: list[list[int]]
    instructions: ConversationBatches
    tokenizer: Tokenizer
    layout: Layout

    @property
    def team(self) -> Team:
        """The processes that train the policy."""
        return self.layout.team


def gather_players(context: Context, team: Team, slots: int, instruction_tokens: int) -> Players:
    """Load everything, on every process; a step of `instructions` has about `instruction_tokens` tokens, of which each
    process gets its share.

    All in float32, so that sampler and trainer agree to rounding.
    """
    machine = team.machine
    start = context.inputs["finetune"]
    tokenizer = Tokenizer.load(start)
    policy, reference = load(start), load(start).to(machine.device).eval()
    layout = place(policy, team, whole=True)  # it samples, token by token
    path = context.inputs["gather"] / "prompts" / "train.jsonl"
    requests = [
        [Message(**message) for message in row["messages"]] for row in (read_jsonl(path) if path.exists() else ())
    ]
    if not requests:
        raise DataError("no open requests to answer; ask a source of kind world for prompts", file=path)
    prompts = [list(tokenizer.render(messages, add_generation_prompt=True).ids) for messages in requests]
    engine = Engine(policy, (tokenizer.end_of_turn, tokenizer.end_of_text), slots)
    reward = load_reward(context.inputs["reward"], machine.device)
    lessons = context.inputs["gather"] / "instructions" / "train.jsonl"
    conversations = load_conversations(lessons, tokenizer, policy.shape.max_positions)
    instructions = ConversationBatches(conversations, instruction_tokens, context.seed, parts=2, ranks=team.ranks)
    return Players(policy, reference, reward, engine, prompts, instructions, tokenizer, layout)


def save_state(
    players: Players, optimizer: Optimizer, guards: Guards, context: Context, done: int, seconds: float
) -> None:
    """Write a checkpoint of everything that the next step depends on; all processes call it at the same step."""
    saver = Saver(context.folder / "trivium" / "state", players.team)
    saver.save(done, pieces_of(players.layout, optimizer), {"seconds": seconds, "guards": guards.state()})
    saver.finish()


def resume(players: Players, optimizer: Optimizer, guards: Guards, context: Context, steps: int) -> tuple[int, float]:
    """Load the newest sound checkpoint. Returns (steps done, seconds)."""
    found, notes = load_newest(context.folder / "trivium" / "state", team=players.team)
    for note in notes:
        context.report(Progress(context.folder.name, 0, steps, note=note))
    if found is None:
        return 0, 0.0
    take_over(players.layout, optimizer, found.tensors)
    guards.load_state(found.facts["guards"])
    note = f"going on from step {found.step} of {steps}"
    context.report(Progress(context.folder.name, found.step, steps, note=note))
    return found.step, float(found.facts["seconds"])


def headline(folder: Path) -> dict[str, Any]:
    """First and last tenth of the rewards, and the last KL, from the metrics."""
    rows = read_metrics(folder / "trivium" / "metrics.jsonl")
    tenth = max(1, len(rows) // 10)

    def average(part: Sequence[dict[str, Any]], key: str) -> float:
        return float(sum(row[key] for row in part) / len(part))

    return {
        "steps": len(rows),
        "reward_first": average(rows[:tenth], "reward"),
        "reward_last": average(rows[-tenth:], "reward"),
        "kl": average(rows[-tenth:], "kl"),
        "ended": average(rows[-tenth:], "ended"),
        "training_seconds": rows[-1]["seconds"],
    }
