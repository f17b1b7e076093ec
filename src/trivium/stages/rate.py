"""Rating: a few answers to each open request, and which of every two is preferred.

The answers are sampled from the instruction-tuned model; in a later round from what the round before ended in, and pairs of
that model's and the tuned model's answers to held-out requests are mixed in, which measure how much it is preferred.
`rater: human` offers them to people (`trivium rate RUN`) and stops; run again once they have rated, the stage goes on. The
simulated rater is always labelled so; its utility is documented in `trivium.world.rater` and is not written to any file
that a trainer reads. Pairs are split by request, so a held-out pair's request is never trained on. What this round's
reward model learns from is in `preferences.jsonl`: all rounds so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError, Waiting
from trivium.base.progress import Context
from trivium.feedback.plan import Plan

if TYPE_CHECKING:
    from trivium.feedback.database import Database
    from trivium.feedback.items import Status
    from trivium.feedback.words import Item
    from trivium.rl.asking import Question

NEEDS = ("gather", "finetune")
WANTS = ("rate_before", "reward_before", "align_before")  # of the round before, where there was one
LEAST = 10  # requests
ROWS = {"prompts": LEAST}
NOT_IN_KEY = ("database",)
NO_CLOCK = "1970-01-01T00:00:00+00:00"  # a simulated rater has none; the same run then writes the same bytes
SOURCE = "rate"  # of the items that this stage offers; others may have been imported


class RateSettings(Settings):
    """How many requests are answered, and how."""

    requests: int = Field(default=3000, ge=LEAST, description="open requests that are answered and judged")
    answers: int = Field(
        default=4, ge=2, le=9, description="answers to each request; every two that differ are a pair to judge"
    )
    pairs: int | None = Field(
        default=None, ge=0, description="most pairs to judge in a round, those that are worth it; null: all of them"
    )
    uniform_share: float = Field(
        default=0.3, ge=0, le=1, description="share of those pairs that is drawn evenly, from the second round on"
    )
    measure: int = Field(
        default=200, ge=0, description="held-out requests on which a round's model is compared with the tuned one"
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


def check(settings: RateSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be wrong before there is any answer, a sentence each."""
    from trivium.rl.reward_settings import rater_faults

    gather = sections.get("gather")
    return rater_faults("rater", gather.sources) if gather and settings.rater != "human" else []


def run(settings: RateSettings, context: Context) -> dict[str, Any]:
    """Sample, have judged, and write `preferences.jsonl`. Returns the headline figures.

    Raises Waiting where people's ratings are needed first.
    """
    from trivium.base.files import read_json, read_jsonl, write_json

    source = context.inputs["gather"] / "prompts" / "train.jsonl"
    requests = list(read_jsonl(source))[: settings.requests] if source.exists() else []
    if len(requests) < LEAST:
        raise DataError(
            f"{len(requests)} open requests and {LEAST} are needed; add a source of kind requests (your own) to gather.sources, "
            "or more prompts of the world",
            file=source,
        )
    before = context.inputs.get("rate_before")
    number = 1 if before is None else read_json(before / "round.json")["round"] + 1
    asked, alike = questions(requests, settings, context, number)
    measured = measuring(settings, context, number)
    rated = ask_people if settings.rater == "human" else simulate
    figures = rated(asked, measured, number, settings, context)
    write_json(context.folder / "round.json", {"round": number, "asked": len(asked), "measured": len(measured)})
    return figures | {"round": number, "all_answers_alike": alike, "rater": settings.rater}


def questions(
    requests: list[dict[str, Any]], settings: RateSettings, context: Context, number: int
) -> tuple[list[Question], int]:
    """The pairs of this round that are worth asking about, and how many requests got answers that are all alike."""
    from trivium.base.files import read_jsonl
    from trivium.base.seeds import derive
    from trivium.rl.asking import Draw, drawn, every_pair, policy_name, worth_asking

    if settings.pairs == 0:  # a rating that only measures
        return [], 0
    stage = "finetune" if number == 1 else f"align-{number - 1}"
    model = context.inputs["finetune"] if number == 1 else context.inputs["align_before"]
    seed = context.seed if number == 1 else derive(context.seed, "rate", number) % 2**31
    draw = Draw(settings.answers, settings.max_new_tokens, settings.temperature, seed)
    answers = drawn(context.folder / "sampled.jsonl", model, requests, draw, context)
    earlier = context.inputs["rate_before"] / "preferences.jsonl" if number > 1 else None
    known = {row["prompt_id"]: row["split"] for row in read_jsonl(earlier)} if earlier else {}
    heldout = round(len(requests) * settings.heldout_share)
    splits = [known.get(row["id"], "heldout" if place < heldout else "train") for place, row in enumerate(requests)]
    every = every_pair(requests, answers, splits, policy_name(stage, model))
    if settings.rater == "human":  # people see texts, and two that are the same cannot be compared
        every = [one for one in every if one.answers[0][0] != one.answers[1][0]]
    chosen = worth_asking(context.folder / "chosen.jsonl", every, settings.pairs, settings.uniform_share, context)
    return chosen, sum(len(found) == 1 for found in answers)


def measuring(settings: RateSettings, context: Context, number: int) -> list[Question]:
    """Pairs of the tuned model's and the last round's model's answers to held-out requests; none in the first round."""
    from trivium.base.files import read_jsonl
    from trivium.base.seeds import derive
    from trivium.rl.asking import Draw, before_and_after, drawn, policy_name

    source = context.inputs["gather"] / "prompts" / "heldout.jsonl"
    if number == 1 or not source.exists():
        return []
    requests = list(read_jsonl(source))[: settings.measure]
    draw = Draw(1, settings.max_new_tokens, settings.temperature, derive(context.seed, "measure") % 2**31)
    tuned, aligned = context.inputs["finetune"], context.inputs["align_before"]
    old = drawn(context.folder / "measured-before.jsonl", tuned, requests, draw, context)
    new = drawn(context.folder / "measured-after.jsonl", aligned, requests, draw, context)
    policies = (policy_name("finetune", tuned), policy_name(f"align-{number - 1}", aligned))
    return before_and_after(requests, old, new, policies)


def simulate(
    asked: list[Question], measured: list[Question], number: int, settings: RateSettings, context: Context
) -> dict[str, Any]:
    """The simulated rater's judgements."""
    from trivium.base.files import read_jsonl, write_json, write_jsonl
    from trivium.base.seeds import python_random
    from trivium.world import rater

    randoms: dict[str, Any] = {}

    def preferred(one: Question) -> int:
        purpose = ("rate", one.request["id"]) if number == 1 else ("rate", one.request["id"], number)
        random = randoms.setdefault(one.request["id"], python_random(context.seed, *purpose))
        (first, first_ended), (second, second_ended) = one.answers
        return rater.judge(one.prompt[-1].content, first, second, random, ended=(first_ended, second_ended))

    def judged() -> Iterator[dict[str, Any]]:
        before = context.inputs.get("rate_before")
        yield from read_jsonl(before / "preferences.jsonl") if before else ()
        for one in asked:
            better = preferred(one)
            chosen, rejected = one.answers[better], one.answers[1 - better]
            yield {
                "prompt": one.request["messages"],
                "chosen": chosen[0],
                "rejected": rejected[0],
                "chosen_ended": chosen[1],
                "rejected_ended": rejected[1],
                "rater": settings.rater,
                "at": NO_CLOCK,
                "prompt_id": one.request["id"],
                "split": one.split,
                "round": number,
                "chosen_policy": one.policies[better],
                "rejected_policy": one.policies[1 - better],
            }

    path = context.folder / "preferences.jsonl"
    pairs = write_jsonl(path, judged())
    utilities = [
        tuple(
            rater.utility(row["prompt"][-1]["content"], row[name], row[f"{name}_ended"])
            for name in ("chosen", "rejected")
        )
        for row in read_jsonl(path)
        if row["split"] == "heldout"
    ]
    if not utilities:
        raise DataError(
            "no held-out request got two answers that differ, so nothing can be measured; raise rate.requests, "
            "rate.answers, rate.pairs or rate.temperature",
            file=context.inputs["gather"] / "prompts" / "train.jsonl",
        )
    ceiling = rater.ceiling((first, second) for first, second in utilities)
    write_json(context.folder / "ceiling.json", {"ceiling": ceiling, "pairs": len(utilities), "rater": settings.rater})
    wins = [0.5 if one.answers[0] == one.answers[1] else float(preferred(one)) for one in measured]
    return {"pairs": pairs, "ceiling": ceiling} | measure(wins, number, settings, context)


def ask_people(
    asked: list[Question], measured: list[Question], number: int, settings: RateSettings, context: Context
) -> dict[str, Any]:
    """Offer the pairs to people; once enough is rated, write what they said. Raises Waiting before that."""
    from trivium.base.files import write_json, write_jsonl
    from trivium.feedback import exchange, quality
    from trivium.feedback.database import open_ratings

    run = context.inputs["gather"].parent  # all rounds of a run share its ratings
    database = open_ratings(run, settings.database)
    different = [one for one in measured if one.answers[0][0] != one.answers[1][0]]
    offered = rankings(asked) if settings.human.show == "rankings" else [item_of(one) for one in asked]
    if number > 1:  # in the order in which to ask them
        offered = [replace(one, priority=1 - place / len(offered)) for place, one in enumerate(offered)]
    measures = [replace(item_of(one), priority=1 - place / len(different)) for place, one in enumerate(different)]
    items = [*offered, *measures]  # mixed in evenly
    status = put_before_raters(database, items, number, settings.human)
    if items and not status.done:
        missing = status.enough - status.rated - status.skipped
        of = f" of round {number}" if number > 1 else ""
        raise Waiting(
            f"{status.rated} of {status.items} {settings.human.show}{of} are rated and {missing} more are needed: rate them with "
            f"`trivium rate {run}`, then go on"
        )
    rounds = range(number + 1)  # 0: what was said outside of any
    rows = [{**row, "round": one} for one in rounds for row in exchange.export(database, "preferences", one)]
    kept = list(fitting(rows, context.inputs["finetune"]))
    if not kept:
        raise DataError(
            f"nothing can be learned from {status.answers} answers: all were skipped; rate more, or more pairs",
            file=run,
        )
    write_jsonl(context.folder / "preferences.jsonl", kept)
    said = [row for one in rounds for row in exchange.export(database, "instructions", one)]
    corrections = write_jsonl(context.folder / "corrections.jsonl", said)
    found = quality.measure(database)
    highest, stands_on = found.ceiling or (None, 0)
    write_json(context.folder / "ceiling.json", {"ceiling": highest, "pairs": stands_on, "rater": "human"})
    newest = measured[0].policies[1] if measured else ""
    wins = quality.scores_of(database, number, [item.id for item in measures], newest)
    alike = len(measured) - len(different)  # ties that nobody is asked about, as many as were asked about the others
    wins += [0.5] * round(alike * len(wins) / max(1, len(different)) if different else alike)
    raters = len({row["rater"] for row in kept})
    pairs, single = (
        sum("chosen" in row and not row.get("tie") for row in kept),
        sum("chosen" not in row for row in kept),
    )
    figures = {"pairs": pairs, "raters": raters, "ties": found.counts["tie"], "both_bad": found.counts["both_bad"]}
    figures |= {"single": single} if single else {}
    database.close()
    more = {"too_long": len(rows) - len(kept), "corrections": corrections, "ceiling": highest}
    return {**figures, "skipped": status.skipped, **more} | measure(wins, number, settings, context)


def measure(wins: Sequence[float], number: int, settings: RateSettings, context: Context) -> dict[str, Any]:
    """Write how often the last round's model was preferred to the tuned one: `wins` are 1, 0.5 for ties, and 0."""
    from trivium.base.files import write_json
    from trivium.evaluate.intervals import mean

    if not wins:
        return {}
    found = mean(wins, context.seed)
    content = {"model": f"align-{number - 1}", "against": "finetune", "rater": settings.rater}
    interval = {"value": found.value, "low": found.low, "high": found.high, "items": found.items}
    write_json(context.folder / "win_rate.json", {**content, **interval})
    return {"win_rate": found.value, "win_rate_low": found.low, "win_rate_high": found.high}


def rankings(asked: Sequence[Question]) -> list[Item]:
    """The answers in the pairs of each request, as one item: at most as many as can be put in order, in the order in which the
    pairs were to be asked."""
    from trivium.feedback.words import MOST_RESPONSES, Item, in_neutral_order

    found: dict[str, Item] = {}
    for one in asked:
        pair, name = item_of(one), str(one.request["id"])
        texts = [response.text for response in found[name].responses] if name in found else []
        new = [response for response in pair.responses if response.text not in texts]
        responses = [*(found[name].responses if name in found else ()), *new][:MOST_RESPONSES]
        kind: Literal["pair", "ranking"] = "pair" if len(responses) == 2 else "ranking"
        found[name] = Item(kind, one.prompt, in_neutral_order(responses), details=pair.details)
    return list(found.values())


def item_of(one: Question) -> Item:
    """A question as people are asked it."""
    from trivium.feedback.words import Item, Response, in_neutral_order

    details = {"source": SOURCE, "prompt_id": one.request["id"], "split": one.split}
    responses = [Response(text, ended, policy) for (text, ended), policy in zip(one.answers, one.policies, strict=True)]
    return Item("pair", one.prompt, in_neutral_order(responses), details=details)


def put_before_raters(database: Database, items: list[Item], number: int, plan: Plan) -> Status:
    """Make these the items of the round, under that plan, and say how far it is; a round that is over is closed."""
    from trivium.feedback import items as shelf
    from trivium.feedback.plan import write_plan

    with database.writing() as work:
        write_plan(work, plan)
        shelf.offer(work, items, number)
        shelf.keep_only(work, [item.id for item in items], SOURCE, number)
        status = shelf.status(work, number)
        return replace(status, closed=status.closed or number < shelf.current_round(work))


def fitting(rows: list[dict[str, Any]], folder: Path) -> Iterator[dict[str, Any]]:
    """What was said of answers that the model in `folder` can read: a person may have written one that is too long, and in
    the chat a prompt may be."""
    from trivium.base.files import read_json
    from trivium.base.words import Message
    from trivium.rl.judgements import conversation_ids
    from trivium.tokenizer import Tokenizer

    limit, tokenizer = read_json(folder / "config.json")["max_position_embeddings"], Tokenizer.load(folder)
    for row in rows:
        prompt = [Message(**turn) for turn in row["prompt"]]
        names = ("chosen", "rejected") if "chosen" in row else ("answer",)
        if all(len(conversation_ids(tokenizer, prompt, row[name], True)) <= limit for name in names):
            yield row
