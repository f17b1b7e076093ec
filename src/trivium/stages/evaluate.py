"""Evaluation: what each phase changed, on text, instructions and requests that no stage was trained on.

- bits per byte of the validation text, for every model of the run (what alignment costs in language shows here);
- exact answers to held-out instructions, greedy, normalised, by family and by what was held out;
- the win rate of the aligned over the instruction-tuned model on held-out requests, by the simulated rater's true utility
  (ties split), with the KL that it was bought for;
- where the recipe asks for it, bias: what each model finds likelier of sentences that differ in whom they are about; and privacy:
  what it remembers of planted canaries and of documents.

Writes `scores.json`, every score with a 95% interval and its number of items, and `samples.jsonl`, the same prompts
through every model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import Interrupted, UserError
from trivium.base.progress import Context, Progress
from trivium.evaluate.bias_settings import BiasSettings
from trivium.evaluate.privacy_settings import PrivacySettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trivium.evaluate.likelihood import Judge
    from trivium.generate import Generator

NEEDS = ("gather", "tokenize", "pretrain")
WANTS = ("finetune", "align")
MODELS = ("pretrain", "finetune", "align")


class EvaluateSettings(Settings):
    """How much is measured."""

    instructions: int = Field(default=1000, ge=1, description="held-out instructions that are answered")
    requests: int = Field(default=400, ge=1, description="held-out open requests for the win rate")
    samples: int = Field(
        default=8, ge=0, description="instructions, and as many open requests, shown through every model"
    )
    length: int = Field(default=128, ge=8, description="tokens in a row of validation text")
    max_new_tokens: int = Field(default=48, ge=1, description="length limit of an answer, in tokens")
    temperature: float = Field(default=1.0, gt=0, description="at which open requests are answered")
    bias: BiasSettings | None = Field(default=None, description="which bias sets are measured; none: no bias is")
    privacy: PrivacySettings | None = Field(default=None, description="what the models remember; none: it is not asked")


def check(settings: EvaluateSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be wrong before there is any model, a sentence each."""
    faults = []
    if settings.bias:
        from trivium.evaluate.bias import read_all

        try:
            read_all(settings.bias)
        except UserError as error:
            faults.append(str(error))
    if "pretrain" not in sections:
        return faults
    return [*faults, *_length_faults(settings.length, sections["pretrain"].model.max_positions)]


def _length_faults(length: int, limit: int) -> list[str]:
    told = f"length is {length}; the model reads at most {limit} tokens: lower it or raise pretrain.model.max_positions"
    return [told] if length > limit else []


def run(settings: EvaluateSettings, context: Context) -> dict[str, Any]:
    """Measure, and write the figures. Returns the headline ones."""
    from trivium.base.files import write_json, write_jsonl
    from trivium.evaluate.instructions import read_heldout, score_instructions
    from trivium.evaluate.likelihood import load_judge
    from trivium.evaluate.preferences import read_requests, win_rate
    from trivium.generate import Generator

    present = [name for name in MODELS if name in context.inputs]
    judges = {name: load_judge(context.inputs[name], context.device, context.threads) for name in present}
    generators = {name: Generator(judge.model, judge.tokenizer) for name, judge in judges.items() if judge.causal}
    models = list(generators)
    parts = len(models) * 2 + 1
    scores: list[dict[str, Any]] = []
    figures: dict[str, Any] = {}

    def told(done: int) -> None:
        context.report(Progress("evaluate", done, parts, unit="parts"))
        if context.stopping():
            raise Interrupted("stopped while measuring; the same command measures again")

    for number, name in enumerate(models):
        told(number)
        scores.append(text_score(name, generators[name], settings, context))
        figures["valid_bits_per_byte"] = scores[-1]["value"]  # the newest model's
    items = read_heldout(context.inputs["gather"] / "instructions" / "heldout.jsonl", settings.instructions)
    answers: dict[str, list[str]] = {}
    for number, name in enumerate(models if items else ()):
        told(len(models) + number)
        rows, answers[name] = score_instructions(
            name, generators[name], items, settings.max_new_tokens, chat=name != "pretrain"
        )
        scores += rows
        figures[f"exact_{name}"] = rows[0]["value"]
    requests = read_requests(context.inputs["gather"] / "prompts" / "heldout.jsonl", settings.requests)
    shown: list[dict[str, Any]] = []
    if requests and "finetune" in generators:
        told(parts - 1)
        rows, shown = win_rate(generators, requests, settings.temperature, settings.max_new_tokens, context.seed)
        scores += rows
        figures |= {row["name"]: row["value"] for row in rows if row["stage"] == "align"}
    scores += fairness_scores(settings, judges, context)
    told(parts)
    write_json(context.folder / "scores.json", {"scores": scores, "seed": context.seed})
    closed = [sample_of(item, {name: answers[name][number] for name in answers}) for number, item in enumerate(items)]
    write_jsonl(context.folder / "samples.jsonl", pick(closed, settings.samples) + shown[: settings.samples])
    return figures


def text_score(name: str, generator: Generator, settings: EvaluateSettings, context: Context) -> dict[str, Any]:
    """Bits per byte of the validation text under one model, with an interval over its rows."""
    from trivium.base.device import choose_machine
    from trivium.data.shards import Shard
    from trivium.evaluate.scores import score_row
    from trivium.evaluate.text import bits_per_byte_estimate

    if faults := _length_faults(settings.length, generator.model.shape.max_positions):
        raise UserError(f"evaluate: {faults[0]}")
    machine = choose_machine(context.device, context.threads, "float32")
    shard = Shard(context.inputs["tokenize"] / "valid", generator.tokenizer.sha256)
    estimate = bits_per_byte_estimate(generator.model, shard, settings.length, machine)
    generator.model.eval()
    return score_row("valid_bits_per_byte", name, estimate, "bits", "the whole validation text, in groups of rows")


def fairness_scores(settings: EvaluateSettings, judges: Mapping[str, Judge], context: Context) -> list[dict[str, Any]]:
    """Bias and memory of every model of the run, before and after each phase, as far as they are asked for."""
    from trivium.evaluate.bias import bias_rows
    from trivium.evaluate.privacy import privacy_rows

    rows: list[dict[str, Any]] = []
    for number, (name, judge) in enumerate(judges.items()):
        if context.stopping():
            raise Interrupted("stopped while measuring; the same command measures again")
        if settings.bias:
            context.report(Progress("evaluate", number, len(judges), unit="models", note=f"bias of {name}"))
            rows += bias_rows(settings.bias, name, judge)
        if settings.privacy:
            context.report(Progress("evaluate", number, len(judges), unit="models", note=f"what {name} remembers"))
            rows += privacy_rows(settings.privacy, name, judge, context.inputs["gather"], context.seed)
    return rows


def sample_of(item: dict[str, Any], answers: dict[str, str]) -> dict[str, Any]:
    """A held-out instruction with every model's answer."""
    return {
        "prompt": item["messages"],
        "kind": item["family"],
        "answers": answers,
        "reference": item["answer"],
        "rewards": {},
    }


def pick(samples: Sequence[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """The first sample of each family in turn, `most` at most: chosen by place, not by how well they look."""
    found: dict[str, dict[str, Any]] = {}
    for sample in samples:
        found.setdefault(sample["kind"], sample)
    return list(found.values())[:most]
