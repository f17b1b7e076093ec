"""Which of two models answers open requests better, by the simulated rater's true utility.

Noise is in the rater's labels alone; here its utility is read without noise, by no trainer. Everything that comes from
it says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trivium.base.files import read_jsonl
from trivium.evaluate.instructions import prompt_ids
from trivium.evaluate.intervals import mean
from trivium.evaluate.scores import score_row
from trivium.generate import Answer, Generator
from trivium.world import rater

NOTE = "simulated rater, its true utility"


def read_requests(path: Path, most: int) -> list[dict[str, Any]]:
    """The first `most` held-out requests; none where the file is not there."""
    if not path.exists():
        return []
    return [row for row, _ in zip(read_jsonl(path), range(most), strict=False)]


def win_rate(
    generators: Mapping[str, Generator],
    requests: Sequence[dict[str, Any]],
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Scores (mean utility of each tuned model; win rate and KL of each aligned one) and the answers as samples."""
    answers = answer_all(generators, requests, temperature, max_new_tokens, seed)
    texts = [row["messages"][-1]["content"] for row in requests]
    utilities = {
        name: [rater.utility(text, answer.text, answer.ended) for text, answer in zip(texts, found, strict=True)]
        for name, found in answers.items()
    }
    rows = [
        score_row("utility", name, mean(values), "points", NOTE)
        for name, values in utilities.items()
        if name != "pretrain"
    ]
    for name in [name for name in answers if name not in ("pretrain", "finetune")]:
        pairs = zip(utilities[name], utilities["finetune"], strict=True)
        wins = [won(new, old) for new, old in pairs]
        rows.append(score_row("win_rate", name, mean(wins), "share", NOTE))
        kl = sequence_kl(generators[name], generators["finetune"], requests, answers[name])
        rows.append(score_row("kl", name, mean(kl), "nats", "to the fine-tuned model, summed over an answer"))
    samples = [
        {
            "prompt": text,
            "kind": row["kind"],
            "answers": {name: found[number].text for name, found in answers.items()},
            "reference": None,
            "rewards": {name: utilities[name][number] for name in answers if name != "pretrain"},
        }
        for number, (text, row) in enumerate(zip(texts, requests, strict=True))
    ]
    return rows, samples


def picked_rows(stage: str, answers: Sequence[Answer], samples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean utility of answers that were picked from several, and their win rate over the tuned model's own, which `samples`
    (as `win_rate` gives them) hold."""
    utilities = [
        rater.utility(row["prompt"], answer.text, answer.ended) for answer, row in zip(answers, samples, strict=True)
    ]
    pairs = zip(utilities, (row["rewards"]["finetune"] for row in samples), strict=True)
    wins = [won(new, old) for new, old in pairs]
    return [
        score_row("utility", stage, mean(utilities), "points", NOTE),
        score_row("win_rate", stage, mean(wins), "share", f"{NOTE}; picked by the reward model, nothing is trained"),
    ]


def won(new: float, old: float) -> float:
    """1 where the new answer is worth more, 0 where less, a half where as much."""
    return 1.0 if new > old else 0.5 if new == old else 0.0


def answer_all(
    generators: Mapping[str, Generator],
    requests: Sequence[dict[str, Any]],
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> dict[str, list[Answer]]:
    """Each model's sampled answers to the requests."""
    return {
        name: answer_requests(generator, requests, temperature, max_new_tokens, seed, chat=name != "pretrain")
        for name, generator in generators.items()
    }


def answer_requests(
    generator: Generator,
    requests: Sequence[dict[str, Any]],
    temperature: float,
    max_new_tokens: int,
    seed: int,
    *,
    chat: bool,
) -> list[Answer]:
    """One sampled answer to each request."""
    prompts = [prompt_ids(generator, row["messages"], chat=chat) for row in requests]
    return generator.complete(prompts, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)


def sequence_kl(
    policy: Generator, reference: Generator, requests: Sequence[dict[str, Any]], answers: Sequence[Answer]
) -> list[float]:
    """The estimate log policy - log reference of the policy's answer to each request, in nats, at temperature 1."""
    prompts = [prompt_ids(policy, row["messages"], chat=True) for row in requests]
    return [
        policy.log_likelihood(prompt, answer.ids) - reference.log_likelihood(prompt, answer.ids)
        for prompt, answer in zip(prompts, answers, strict=True)
    ]
