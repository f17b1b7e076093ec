"""Rating: a few answers to each open request, and which of every two is preferred.

The answers are sampled from the instruction-tuned model. `rater: human` offers them to people (`trivium rate RUN`) and
stops; run again once they have rated, the stage goes on. The simulated rater is always labelled so; its utility is
documented in `trivium.world.rater` and is not written to any file that a trainer reads. Pairs are split by request, so a
held-out pair's request is never trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError, Interrupted, Waiting
from trivium.base.progress import Context, Progress
from trivium.feedback.plan import Plan

if TYPE_CHECKING:
    from trivium.feedback.database import Database
    from trivium.feedback.items import Status
    from trivium.feedback.words import Item

NEEDS = ("gather", "finetune")
LEAST = 10  # requests
ROWS = {"prompts": LEAST}
NOT_IN_KEY = ("database",)
NO_CLOCK = "1970-01-01T00:00:00+00:00"  # a simulated rater has none; the same run then writes the same bytes
SOURCE = "rate"  # of the items that this stage offers; others may have been imported
AT_ONCE = 256  # requests sampled between two looks at whether the user wants to stop


class RateSettings(Settings):
    """How many requests are answered, and how."""

    requests: int = Field(default=3000, ge=LEAST, description="open requests that are answered and judged")
    answers: int = Field(
        default=4, ge=2, le=9, description="answers to each request; every two that differ are a pair to judge"
    )
    heldout_share: float = Field(default=0.15, gt=0, lt=1, description="share of the requests kept for measuring")
    max_new_tokens: int = Field(
        default=48, ge=1, description="length limit of an answer, in tokens; one that meets it counts as not ended"
    )
    temperature: float = Field(default=1.0, gt=0, description="of the answers; lower ones are more alike")
    rater: Literal["simulated:world", "human"] = Field(
        default="simulated:world", description="who judges: the world's simulated rater, or people"
    )
    human: Plan = Plan()
    database: str | None = Field(
        default=None, description="where people's ratings are kept: postgresql://...; by default RUN/ratings/ratings.db"
    )


def run(settings: RateSettings, context: Context) -> dict[str, Any]:
    """Sample, have judged, and write `preferences.jsonl`. Returns the headline figures.

    Raises Waiting where people's ratings are needed first.
    """
    from trivium.base.files import read_jsonl

    source = context.inputs["gather"] / "prompts" / "train.jsonl"
    requests = list(read_jsonl(source))[: settings.requests] if source.exists() else []
    if len(requests) < LEAST:
        raise DataError(
            f"{len(requests)} open requests and {LEAST} are needed; ask a source of kind world for more prompts",
            file=source,
        )
    return (ask_people if settings.rater == "human" else simulate)(requests, settings, context)


def simulate(requests: list[dict[str, Any]], settings: RateSettings, context: Context) -> dict[str, Any]:
    """The simulated rater's judgements."""
    from itertools import combinations

    from trivium.base.files import write_json, write_jsonl
    from trivium.base.seeds import python_random
    from trivium.world import rater

    heldout = round(len(requests) * settings.heldout_share)
    alike = 0
    utilities: list[tuple[float, float]] = []

    def judged() -> Iterator[dict[str, Any]]:
        nonlocal alike
        for number, (request, answers) in enumerate(
            zip(requests, answers_of(requests, settings, context), strict=True)
        ):
            alike += len(answers) == 1
            prompt = request["messages"][-1]["content"]
            random = python_random(context.seed, "rate", request["id"])
            for first, second in combinations(answers, 2):
                ended = (first[1], second[1])
                preferred = rater.judge(prompt, first[0], second[0], random, ended=ended)
                chosen, rejected = (first, second) if preferred == 0 else (second, first)
                if number < heldout:
                    pair = [rater.utility(prompt, text, end) for text, end in (first, second)]
                    utilities.append((pair[0], pair[1]))
                yield {
                    "prompt": request["messages"],
                    "chosen": chosen[0],
                    "rejected": rejected[0],
                    "chosen_ended": chosen[1],
                    "rejected_ended": rejected[1],
                    "rater": settings.rater,
                    "at": NO_CLOCK,
                    "prompt_id": request["id"],
                    "split": "heldout" if number < heldout else "train",
                }

    pairs = write_jsonl(context.folder / "preferences.jsonl", judged())
    if not utilities:
        raise DataError(
            "no held-out request got two answers that differ, so nothing can be measured; raise rate.requests, "
            "rate.answers or rate.temperature",
            file=context.inputs["gather"] / "prompts" / "train.jsonl",
        )
    ceiling = rater.ceiling(utilities)
    write_json(context.folder / "ceiling.json", {"ceiling": ceiling, "pairs": len(utilities), "rater": settings.rater})
    return {"pairs": pairs, "all_answers_alike": alike, "ceiling": ceiling, "rater": settings.rater}


def ask_people(requests: list[dict[str, Any]], settings: RateSettings, context: Context) -> dict[str, Any]:
    """Offer the pairs to people; once enough is rated, write what they said. Raises Waiting before that."""
    from trivium.base.files import write_json, write_jsonl
    from trivium.feedback import exchange, quality
    from trivium.feedback.database import open_ratings

    run = context.folder.parent
    database = open_ratings(run, settings.database)
    items = offered(requests, settings, context)
    status = put_before_raters(database, items, settings.human)
    if not status.done:
        missing = status.enough - status.rated - status.skipped
        raise Waiting(
            f"{status.rated} of {status.items} pairs are rated and {missing} more are needed: rate them with "
            f"`trivium rate {run}`, then go on"
        )
    rows = list(exchange.export(database, "preferences"))
    kept = list(fitting(rows, context.inputs["finetune"]))
    if not kept:
        raise DataError(
            f"no pair was preferred to another in {status.answers} answers; rate more, or more pairs", file=run
        )
    write_jsonl(context.folder / "preferences.jsonl", kept)
    corrections = write_jsonl(context.folder / "corrections.jsonl", exchange.export(database, "instructions"))
    found = quality.measure(database)
    highest, stands_on = found.ceiling or (None, 0)
    write_json(context.folder / "ceiling.json", {"ceiling": highest, "pairs": stands_on, "rater": "human"})
    raters = len({row["rater"] for row in kept})
    figures = {"pairs": len(kept), "raters": raters, "ties": found.counts["tie"], "both_bad": found.counts["both_bad"]}
    database.close()
    more = {"too_long": len(rows) - len(kept), "corrections": corrections, "ceiling": highest, "rater": "human"}
    return {**figures, "skipped": status.skipped, **more}


def offered(requests: list[dict[str, Any]], settings: RateSettings, context: Context) -> list[Item]:
    """Every two answers of a request whose texts differ, as items. Sampled once, then read again."""
    from itertools import combinations

    from trivium.base.files import hash_file, read_jsonl, write_jsonl
    from trivium.base.words import Message
    from trivium.feedback.words import Item, Response, in_neutral_order

    path = context.folder / "sampled.jsonl"
    if not path.exists():
        answered = answers_of(requests, settings, context)
        write_jsonl(path, ({"id": row["id"], "answers": found} for row, found in zip(requests, answered, strict=True)))
    policy = f"finetune:{hash_file(context.inputs['finetune'] / 'model.safetensors')[:16]}"
    heldout = round(len(requests) * settings.heldout_share)
    items = []
    for number, (request, sampled) in enumerate(zip(requests, read_jsonl(path), strict=True)):
        details = {"source": SOURCE, "prompt_id": request["id"], "split": "heldout" if number < heldout else "train"}
        prompt = tuple(Message(**turn) for turn in request["messages"])
        for pair in combinations([Response(text, ended, policy) for text, ended in sampled["answers"]], 2):
            if pair[0].text != pair[1].text:
                items.append(Item("pair", prompt, in_neutral_order(pair), details=details))
    return items


def put_before_raters(database: Database, items: list[Item], plan: Plan) -> Status:
    """Make these the items of the round, under that plan, and say how far it is."""
    from trivium.feedback import items as shelf
    from trivium.feedback.plan import write_plan

    with database.writing() as work:
        write_plan(work, plan)
        shelf.offer(work, items)
        shelf.keep_only(work, [item.id for item in items], SOURCE)
        return shelf.status(work)


def fitting(rows: list[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """The preferences whose answers the model in `folder` can read: a person may have written one that is too long."""
    from trivium.base.files import read_json
    from trivium.base.words import Message
    from trivium.rl.judgements import conversation_ids
    from trivium.tokenizer import Tokenizer

    limit, tokenizer = read_json(folder / "config.json")["max_position_embeddings"], Tokenizer.load(folder)
    for row in rows:
        prompt = [Message(**turn) for turn in row["prompt"]]
        if all(len(conversation_ids(tokenizer, prompt, row[name], True)) <= limit for name in ("chosen", "rejected")):
            yield row


def answers_of(
    requests: list[dict[str, Any]], settings: RateSettings, context: Context
) -> Iterator[list[tuple[str, bool]]]:
    """For each request its distinct answers, each with whether it ended by itself."""
    from trivium.base.words import Message
    from trivium.generate import load_generator
    from trivium.generate.engine import Request
    from trivium.generate.sampling import Sampling

    generator = load_generator(context.inputs["finetune"], context.device, context.threads)
    sampling = Sampling(settings.max_new_tokens, settings.temperature)
    for start in range(0, len(requests), AT_ONCE):
        if context.stopping():
            raise Interrupted(
                f"stopped after {start} of {len(requests)} requests; the same command starts rating again"
            )
        part = requests[start : start + AT_ONCE]
        prompts = [
            generator.tokenizer.render([Message(**m) for m in request["messages"]], add_generation_prompt=True).ids
            for request in part
        ]
        answered = generator.engine.run(
            [Request(tuple(ids), settings.answers) for ids in prompts], sampling, context.seed + start
        )
        for rows in answered:
            yield list(dict.fromkeys((generator.tokenizer.decode(row.tokens).strip(), row.ended) for row in rows))
        context.report(Progress("rate", min(start + AT_ONCE, len(requests)), len(requests), unit="requests"))
