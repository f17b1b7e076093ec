"""What raters are asked in a round: pairs of the newest model's answers, and pairs that measure what the last round changed.

Answers are drawn once, written down and read again, so that a round that waits for people goes on with the same ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

from trivium.base.errors import Interrupted
from trivium.base.files import hash_file, read_jsonl, write_jsonl
from trivium.base.progress import Context, Progress
from trivium.base.seeds import python_random
from trivium.base.words import MEASURE, Message

AT_ONCE = 256  # requests sampled between two looks at whether the user wants to stop
Said = tuple[str, bool]  # an answer, and whether it ended by itself


@dataclass(frozen=True)
class Question:
    """Two answers to a request, one of which is to be preferred; `policies` wrote them. `worth` is how much is learned by
    asking, 0 where that is not known."""

    request: Mapping[str, Any]
    answers: tuple[Said, Said]
    split: str
    policies: tuple[str, str]
    worth: float = 0.0

    @property
    def prompt(self) -> tuple[Message, ...]:
        """The request's turns."""
        return tuple(Message(**turn) for turn in self.request["messages"])


@dataclass(frozen=True)
class Draw:
    """How answers are drawn: how many to each request, their limit in tokens, the temperature, and the seed."""

    answers: int
    max_new_tokens: int
    temperature: float
    seed: int


def policy_name(stage: str, folder: Path) -> str:
    """What a model is called beside its answers: the stage, and the first 16 digits of its weights' SHA-256."""
    return f"{stage}:{hash_file(folder / 'model.safetensors')[:16]}"


def drawn(
    path: Path, folder: Path, requests: Sequence[Mapping[str, Any]], draw: Draw, context: Context
) -> list[list[Said]]:
    """For each request the distinct answers of the model in `folder`, as they are in the file `path`, or drawn into it; none
    to a request that leaves the model no room for one."""
    if not path.exists():
        answered = _answers(folder, requests, draw, context)
        write_jsonl(path, ({"id": row["id"], "answers": found} for row, found in zip(requests, answered, strict=True)))
    return [[(text, ended) for text, ended in row["answers"]] for row in read_jsonl(path)]


def _answers(folder: Path, requests: Sequence[Mapping[str, Any]], draw: Draw, context: Context) -> Iterator[list[Said]]:
    from trivium.generate import load_generator
    from trivium.generate.engine import Request
    from trivium.generate.sampling import Sampling

    generator = load_generator(folder, context.device, context.threads)
    sampling = Sampling(draw.max_new_tokens, draw.temperature)
    too_long = 0
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
        fitting = [
            Request(tuple(ids), draw.answers) for ids in prompts if len(ids) < generator.model.shape.max_positions
        ]
        answered = iter(generator.engine.run(fitting, sampling, draw.seed + start))
        for ids in prompts:
            rows = next(answered) if len(ids) < generator.model.shape.max_positions else []
            yield list(dict.fromkeys((generator.tokenizer.decode(row.tokens).strip(), row.ended) for row in rows))
        too_long += len(prompts) - len(fitting)
        context.report(Progress("rate", min(start + AT_ONCE, len(requests)), len(requests), unit="requests"))
    if too_long:
        note = f"{too_long:,} requests leave no room for an answer and are left out"
        context.report(Progress("rate", len(requests), len(requests), unit="requests", note=note))


def every_pair(
    requests: Sequence[Mapping[str, Any]], answers: Sequence[Sequence[Said]], splits: Sequence[str], policy: str
) -> list[Question]:
    """Every two answers of each request."""
    return [
        Question(request, pair, split, (policy, policy))
        for request, found, split in zip(requests, answers, splits, strict=True)
        for pair in combinations(found, 2)
    ]


def worth_asking(
    path: Path, questions: Sequence[Question], most: int | None, uniform: float, context: Context
) -> list[Question]:
    """At most `most` of the questions, in the order in which to ask them: as they are in the file `path`, or chosen into it.
    Where no earlier round left a reward model to say what they are worth, they are drawn evenly."""
    if not path.exists():
        worths = _worths(questions, context)
        heldout = [one.split == "heldout" for one in questions]
        names = [str(one.request["id"]) for one in questions]
        size = len(questions) if most is None else min(most, len(questions))
        if worths is None:
            order = list(range(len(questions)))
            python_random(context.seed, "asked").shuffle(order)
            rows: list[dict[str, Any]] = [{"place": place, "worth": 0.0} for place in sorted(order[:size])]
        else:
            chosen = asking_order(names, heldout, worths, uniform, context.seed)[:size]
            rows = [{"place": place, "worth": worths[place]} for place in chosen]
        write_jsonl(path, rows)
    return [replace(questions[row["place"]], worth=row["worth"]) for row in read_jsonl(path)]


def _worths(questions: Sequence[Question], context: Context) -> list[float] | None:
    """What each is worth to the reward model of the round before; None where there was none."""
    known = context.inputs.get("reward_before")
    if known is None:
        return None
    from trivium.base.device import choose_machine
    from trivium.rl.worth import Judge

    machine = choose_machine(context.device, context.threads, "float32")
    judge = Judge(known, context.inputs["rate_before"] / "preferences.jsonl", machine.device)
    return judge.worth([(one.prompt, *one.answers) for one in questions])


def asking_order(
    requests: Sequence[str], heldout: Sequence[bool], worths: Sequence[float], uniform: float, seed: int
) -> list[int]:
    """Every place, in an order of which any beginning is a good choice: held-out pairs in their share and drawn evenly, or
    what they measure would be about chosen pairs; of the others a share `uniform` drawn evenly, and the rest those that are
    worth the most, one pair of a request before a second one."""
    random = python_random(seed, "asked")
    shuffled = list(range(len(worths)))
    random.shuffle(shuffled)
    kept = iter([place for place in shuffled if heldout[place]])
    even = iter([place for place in shuffled if not heldout[place]])
    best = iter(_best_first([place for place in shuffled if not heldout[place]], requests, worths))
    share = sum(heldout) / max(1, len(heldout))
    found: dict[int, None] = {}
    while len(found) < len(worths):
        pool = kept if random.random() < share else even if random.random() < uniform else best
        place = next((one for one in pool if one not in found), None)
        if place is not None:
            found[place] = None
    return list(found)


def _best_first(places: Sequence[int], requests: Sequence[str], worths: Sequence[float]) -> list[int]:
    """The best pair of each request, the best of them first; then the second best of each, and so on."""
    taken: dict[str, int] = {}
    turns = []
    for place in sorted(places, key=lambda place: -worths[place]):
        taken[requests[place]] = turn = taken.get(requests[place], -1) + 1
        turns.append((turn, place))
    return [place for _, place in sorted(turns, key=lambda one: one[0])]  # stable: within a turn the best first


def before_and_after(
    requests: Sequence[Mapping[str, Any]],
    before: Sequence[Sequence[Said]],
    after: Sequence[Sequence[Said]],
    policies: tuple[str, str],
) -> list[Question]:
    """For each request that was answered the first answer of the model before and of the model after, alike or not;
    `policies` name both."""
    return [
        Question(request, (old[0], new[0]), MEASURE, policies)
        for request, old, new in zip(requests, before, after, strict=True)
        if old and new
    ]
