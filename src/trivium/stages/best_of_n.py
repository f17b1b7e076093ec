"""Alignment by rejection sampling: of N answers to each request the best one is learned from, the others are thrown away.

    for each request x draw y_1 ... y_N from the instruction-tuned model;  y* = the one with the highest reward
    loss = -1/T sum over the tokens of all y* of log p(token | what stands before it)

Nakano et al. 2021; Touvron et al. 2023, section 3.2.3; RAFT (Dong et al. 2023) with one round. Nothing holds it to the
reference but that all it learns from is the reference's own. A request whose answers are all worth the same teaches nothing
and is left out; so are answers that met the length limit or cannot be scored. The loss of instruction tuning is added as in
the other algorithms. The draws are kept in `best.jsonl`: what an interrupted training goes on with, and what people can read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.errors import Interrupted, TrainingError
from trivium.base.progress import Context, Progress
from trivium.rl.reward_settings import RewardedSettings, faults_of, outside
from trivium.rl.tuning_settings import TuningSettings

if TYPE_CHECKING:
    from trivium.base.words import Batch
    from trivium.data.conversations import Conversations
    from trivium.rl.prompts import Prompt
    from trivium.rl.rewards import Rewards
    from trivium.rl.tuning import Tuning

NEEDS = ("gather", "finetune")
WANTS = ("reward",)
PARALLEL = True
NOT_IN_KEY = ("accept",)
check, depends_on = faults_of, outside
AT_ONCE = 32  # requests answered between two looks at whether the user wants to stop
FILE = "best.jsonl"


class BestOfNSettings(TuningSettings, RewardedSettings):
    """How many answers are drawn, and how the best are learned from."""

    method: Literal["rejection"] = Field(default="rejection", description="learns from the best of some answers")
    requests: int = Field(default=0, ge=0, description="that are answered; 0 for all")
    answers_per_prompt: int = Field(default=8, ge=2, description="N: answers to each request")
    max_new_tokens: int = Field(default=48, ge=1, description="length limit of an answer, in tokens")
    temperature: float = Field(default=1.0, gt=0, description="of the draws")
    tokens_per_step: int = Field(default=4096, ge=64, description="tokens of best answers in a step, about")


@dataclass(frozen=True)
class Chosen:
    """Best answers to learn from, beside instructions."""

    batch: Batch


def run(settings: BestOfNSettings, context: Context) -> dict[str, Any]:
    """Draw, choose, train, and leave the model in `context.folder`. Returns the headline figures."""
    from trivium.data.conversations import ConversationBatches
    from trivium.rl.gate import pass_gate
    from trivium.rl.prompts import load_prompts
    from trivium.rl.rewards import load_rewards
    from trivium.rl.tuning import begin, finish
    from trivium.train.distributed import join
    from trivium.train.fit import fit
    from trivium.train.record import Recorder
    from trivium.train.step import next_token_loss, supervised_tokens

    def note(text: str) -> None:
        context.report(Progress(context.folder.name, 0, 0, note=text))

    if settings.learned:
        pass_gate(context, settings.accept)
    with join(context, "float32") as team:
        tuning = begin(context, team, settings)
        rewards = load_rewards(settings.reward, context.inputs, tuning.tokenizer, team.machine.device, note)
        room = tuning.policy.shape.max_positions
        prompts, too_long = load_prompts(context.inputs["gather"], settings.prompts, tuning.tokenizer, room)
        prompts = prompts[: settings.requests or None]
        chosen = kept_or_drawn(prompts, rewards, tuning, settings, context)
        if not chosen:
            raise TrainingError(
                f"of {len(prompts)} requests none had an answer worth more than its others; look at the reward, or raise "
                "answers_per_prompt or temperature"
            )
        lessons = conversations_of(chosen, prompts, tuning)
        source = ConversationBatches(lessons, settings.tokens_per_step, context.seed, ranks=team.ranks)
        steps = max(1, round(settings.epochs * len(lessons) / source.rows_per_step))

        def batches(step: int) -> list[Chosen | Batch]:
            best = source.batches(step)
            return [*map(Chosen, best), *tuning.lessons(step, supervised_tokens(best))]

        job = tuning.job(
            steps,
            batches,
            lambda policy, best: next_token_loss(policy, best.batch),
            lambda best: supervised_tokens([best.batch]),
        )
        recorder = Recorder(context, steps)
        for row in fit(tuning.policy, job, context):
            recorder.write(row)
        finish(tuning, context)
    drawn = {"requests": len(prompts), "chosen": len(chosen), "too_long_dropped": too_long}
    told = {"reward_first": _mean(chosen, "mean"), "reward_last": _mean(chosen, "reward")}
    return recorder.figures() | drawn | told if context.ranks.first else {}


def kept_or_drawn(
    prompts: Sequence[Prompt], rewards: Rewards, tuning: Tuning, settings: BestOfNSettings, context: Context
) -> list[dict[str, Any]]:
    """The best answers, from the file where they were drawn before; all processes draw a share, and get all."""
    from trivium.base.files import read_jsonl, write_jsonl

    path = context.folder / FILE
    if not tuning.team.agree(path.exists()):
        own = draw(prompts, tuning.team.ranks.share(len(prompts)), rewards, tuning, settings, context)
        rows = everybodys(list(own), settings.max_new_tokens, tuning)
        if tuning.team.ranks.first:
            decode = tuning.tokenizer.decode
            told = (
                {"request": prompts[row["number"]].text, "answer": decode(row["tokens"]).strip(), **row} for row in rows
            )
            write_jsonl(path, told)
        return rows
    return list(read_jsonl(path))


def draw(
    prompts: Sequence[Prompt],
    own: range,
    rewards: Rewards,
    tuning: Tuning,
    settings: BestOfNSettings,
    context: Context,
) -> Iterator[dict[str, Any]]:
    """The best answer to each of `own` requests that has one, with its reward and the mean over its group."""
    import torch

    from trivium.base.seeds import derive
    from trivium.generate.engine import Engine
    from trivium.generate.sampling import Sampling
    from trivium.rl.rollouts import sample_groups

    tokenizer, size = tuning.tokenizer, settings.answers_per_prompt
    engine = Engine(tuning.policy.eval(), (tokenizer.end_of_turn, tokenizer.end_of_text))
    sampling, seed = Sampling(settings.max_new_tokens, settings.temperature), derive(tuning.seed, "align", "best of n")
    for first in range(own.start, own.stop, AT_ONCE):
        if context.stopping() and tuning.team.ranks.size == 1:  # several stop together, between two steps
            raise Interrupted(f"stopped after {first} of {len(prompts)} requests; the same command draws them again")
        part = prompts[first : min(first + AT_ONCE, own.stop)]
        group = sample_groups(engine, [prompt.ids for prompt in part], size, sampling, seed, tokenizer.pad, first)
        worth = rewards(replace(group, asked=[prompt for prompt in part for _ in range(size)])).total
        worth = torch.where(group.rollout.ended, worth, torch.nan).view(-1, size)  # (P, N)
        for number, row in enumerate(worth.tolist()):
            scored = [value for value in row if value == value]
            if scored and max(scored) > min(scored):
                place = row.index(max(scored))
                yield {
                    "number": first + number,
                    "tokens": group.answers[number * size + place],
                    "reward": row[place],
                    "mean": sum(scored) / len(scored),
                }
        context.report(Progress(context.folder.name, first + len(part) - own.start, len(own), unit="requests"))


def everybodys(own: Sequence[Mapping[str, Any]], longest: int, tuning: Tuning) -> list[dict[str, Any]]:
    """The rows of all processes, in the order of the requests."""
    import torch

    if tuning.team.ranks.size == 1:
        return [dict(row) for row in own]
    table = torch.zeros(len(own), 4 + longest, dtype=torch.float64, device=tuning.team.machine.device)
    for place, row in enumerate(own):
        facts = [row["number"], len(row["tokens"]), row["reward"], row["mean"], *row["tokens"]]
        table[place, : len(facts)] = torch.tensor(facts, dtype=torch.float64)
    return [
        {"number": int(number), "tokens": [int(token) for token in tokens[: int(size)]], "reward": reward, "mean": mean}
        for number, size, reward, mean, *tokens in tuning.team.rows(table).tolist()
    ]


def conversations_of(chosen: Sequence[Mapping[str, Any]], prompts: Sequence[Prompt], tuning: Tuning) -> Conversations:
    """The best answers behind their prompts, to be learned from."""
    import numpy

    from trivium.data.conversations import Conversations

    asked = [prompts[row["number"]].ids for row in chosen]
    rows = [[*ids, *row["tokens"]] for ids, row in zip(asked, chosen, strict=True)]
    learned = [[False] * len(ids) + [True] * len(row["tokens"]) for ids, row in zip(asked, chosen, strict=True)]
    starts = numpy.cumsum([0, *map(len, rows)])
    tokens = numpy.concatenate([numpy.array(row, numpy.int32) for row in rows])
    return Conversations(
        tokens, numpy.concatenate([numpy.array(row, bool) for row in learned]), starts, tuning.tokenizer.pad, 0
    )


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float:
    return float(sum(row[name] for row in rows) / len(rows))
