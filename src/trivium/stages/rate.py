"""Rating: a few answers to each open request, and which of every two is preferred.

The answers are sampled from the instruction-tuned model. The rater here is simulated and always labelled so; its utility
is documented in `trivium.world.rater` and is not written to any file that a trainer reads. Pairs are split by request, so
a held-out pair's request is never trained on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import DataError, Interrupted
from trivium.base.progress import Context, Progress

NEEDS = ("gather", "finetune")
LEAST = 10  # requests
ROWS = {"prompts": LEAST}
NO_CLOCK = "1970-01-01T00:00:00+00:00"  # a simulated rater has none; the same run then writes the same bytes
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
    rater: Literal["simulated:world"] = Field(default="simulated:world", description="the only one so far")


def run(settings: RateSettings, context: Context) -> dict[str, Any]:
    """Sample, judge, and write `preferences.jsonl`. Returns the headline figures."""
    from itertools import combinations

    from trivium.base.files import read_jsonl, write_json, write_jsonl
    from trivium.base.seeds import python_random
    from trivium.world import rater

    source = context.inputs["gather"] / "prompts" / "train.jsonl"
    requests = list(read_jsonl(source))[: settings.requests] if source.exists() else []
    if len(requests) < LEAST:
        raise DataError(
            f"{len(requests)} open requests and {LEAST} are needed; ask a source of kind world for more prompts",
            file=source,
        )
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
            file=source,
        )
    ceiling = rater.ceiling(utilities)
    write_json(context.folder / "ceiling.json", {"ceiling": ceiling, "pairs": len(utilities), "rater": settings.rater})
    return {"pairs": pairs, "all_answers_alike": alike, "ceiling": ceiling, "rater": settings.rater}


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
