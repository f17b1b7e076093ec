"""The same prompts through every model, as people read them: what each answered, and how likely each model finds it.

`changes` of a sample are by stage, in nats: "log_likelihood" of the model's own answer, "log_likelihood_of_newest" of the answer
of the newest model (how that became likely), and of an aligned model "kl", how many nats likelier its answer is to it than
to the fine-tuned one: one draw of the KL. Answers are cut into tokens anew, without what ends them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from trivium.evaluate.instructions import prompt_ids
from trivium.generate import Generator

BEFORE = "finetune"  # what an aligned model began with


def sample_of(item: Mapping[str, Any], answers: Mapping[str, str]) -> dict[str, Any]:
    """A held-out instruction with every model's answer."""
    return {
        "prompt": item["messages"],
        "kind": item["family"],
        "answers": dict(answers),
        "reference": item["answer"],
        "rewards": {},
    }


def pick(samples: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The first sample of each family in turn, `most` at most: chosen by place, not by how well they look."""
    found: dict[str, dict[str, Any]] = {}
    for sample in samples:
        found.setdefault(sample["kind"], sample)
    return list(found.values())[:most]


def with_changes(sample: dict[str, Any], generators: Mapping[str, Generator]) -> dict[str, Any]:
    """The sample with its `changes`; a model that answered nothing, or cannot read prompt and answer, has none."""
    prompt = sample["prompt"] if isinstance(sample["prompt"], list) else [{"role": "user", "content": sample["prompt"]}]
    answers = {name: sample["answers"].get(name) for name in generators}
    newest = answers[list(generators)[-1]]
    changes: dict[str, dict[str, float]] = {}
    for name, generator in generators.items():
        ids = prompt_ids(generator, prompt, chat=name != "pretrain")
        told = {
            "log_likelihood": _likelihood(generator, ids, answers[name]),
            "log_likelihood_of_newest": _likelihood(generator, ids, newest),
        }
        if name.startswith("align") and BEFORE in generators:
            reference = generators[BEFORE]
            before = _likelihood(reference, prompt_ids(reference, prompt, chat=True), answers[name])
            own = told["log_likelihood"]
            told["kl"] = None if own is None or before is None else own - before
        changes[name] = {key: value for key, value in told.items() if value is not None}
    return {**sample, "changes": changes}


def _likelihood(generator: Generator, prompt: Sequence[int], answer: str | None) -> float | None:
    ids = generator.tokenizer.encode(answer) if answer else []
    if not ids or len(prompt) + len(ids) > generator.model.shape.max_positions:
        return None
    return generator.log_likelihood(prompt, ids)
