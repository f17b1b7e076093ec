"""What alignment changed on the user's own requests, of which the simulated rater knows nothing.

What people prefer is only theirs to say: a later round of rating measures it. Here stands what can be had without them: how
far each aligned model moved, how long its answers are, and what the reward model makes of them. The last is what alignment
followed, so a high figure says that it was followed, not that people agree; its note says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trivium.base.words import Message
from trivium.evaluate.intervals import mean
from trivium.evaluate.preferences import answer_all, sequence_kl, won
from trivium.evaluate.scores import score_row
from trivium.generate import Answer, Generator

Judge = Callable[[Sequence[tuple[Sequence[Message], Answer]]], list[float | None]]  # of trivium.rl.judging
PROXY = "the reward model, which alignment followed: no proof that people agree"


def own_requests(
    generators: Mapping[str, Generator],
    requests: Sequence[dict[str, Any]],
    judge: Judge | None,
    temperature: float,
    max_new_tokens: int,
    seed: int,
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Scores of the tuned and the aligned models, and the answers of all as samples; `judge` is a reward model, if any."""
    answers = answer_all(generators, requests, temperature, max_new_tokens, seed)
    prompts = [[Message(turn["role"], turn["content"]) for turn in row["messages"]] for row in requests]
    tuned = [name for name in answers if name != "pretrain"]
    rewards = {name: judge(list(zip(prompts, answers[name], strict=True))) for name in tuned} if judge else {}
    rows = []
    for name in tuned:
        said = answers[name]
        rows.append(score_row("answer_tokens", name, mean([float(len(one.ids)) for one in said]), "tokens"))
        if name in rewards:
            known = [value for value in rewards[name] if value is not None]
            rows += [score_row("reward", name, mean(known), "rewards", PROXY)] if known else []
        if name == "finetune":
            continue
        kl = sequence_kl(generators[name], generators["finetune"], requests, said)
        rows.append(score_row("kl", name, mean(kl), "nats", "to the fine-tuned model, summed over an answer"))
        if name in rewards:
            pairs = zip(rewards[name], rewards["finetune"], strict=True)
            wins = [won(new, old) for new, old in pairs if new is not None and old is not None]
            rows += [score_row("reward_wins", name, mean(wins), "share", PROXY)] if wins else []
    samples = [
        {
            "prompt": [{"role": one.role, "content": one.content} for one in prompt]
            if len(prompt) > 1
            else prompt[0].content,
            "kind": row["kind"],
            "answers": {name: found[number].text for name, found in answers.items()},
            "reference": None,
            "rewards": {},
        }
        for number, (prompt, row) in enumerate(zip(prompts, requests, strict=True))
    ]
    return rows, samples
