"""A run folder as the stages leave it, with realistic figures and without a model: what the report is tested on."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trivium.base.files import write_json
from trivium.evaluate.intervals import proportion
from trivium.journey.hashes import FileHashes, hash_outputs, output_hash
from trivium.journey.lineage import append
from trivium.journey.record import Parts, Record, write_record

ORDER = ("gather", "tokenize", "pretrain", "finetune", "rate", "reward", "align", "evaluate")
SECONDS = dict(zip(ORDER, (3.81, 6.24, 96.4, 41.7, 17.3, 22.9, 74.6, 33.2), strict=True))
VERSIONS = {"python": "3.11.9", "torch": "2.13.0", "trivium": "0.1.0", "platform": "Linux-6.8-x86_64, 8 cores"}

SETTINGS: dict[str, dict[str, Any]] = {
    "gather": {"documents": 18_200},
    "tokenize": {"vocab_size": 4096},
    "pretrain": {"steps": 600, "model": {"num_layers": 6, "hidden_size": 256}, "optimizer": {"learning_rate": 0.0231}},
    "finetune": {"steps": 300, "tokens_per_batch": 4096},
    "rate": {"requests": 2000, "rater": "simulated:world"},
    "reward": {"epochs": 2.0, "batch_size": 64},
    "align": {"method": "rloo", "steps": 150, "kl_weight": 0.04},
    "evaluate": {"instructions": 480},
}
STEPS = {"pretrain": 600, "finetune": 300, "reward": 120, "align": 150}
FIGURES: dict[str, dict[str, Any]] = {
    "gather": {"documents": 18_204, "bytes": 12_437_115, "instructions": 21_850, "prompts": 3410, "dropped": 358},
    "tokenize": {"vocab_size": 4096, "bytes_per_token": 4.13},
    "pretrain": {
        "parameters": 5_308_672,
        "steps": 600,
        "tokens": 9_830_400,
        "valid_loss": 1.862,
        "valid_bits_per_byte": 0.6504,
    },
    "finetune": {"steps": 300, "tokens": 1_212_345, "examples": 20_350},
    "rate": {"pairs": 1900, "all_answers_alike": 100, "ceiling": 0.884, "rater": "simulated:world"},
    "reward": {
        "heldout_accuracy": 0.827,
        "heldout_accuracy_low": 0.78,
        "heldout_accuracy_high": 0.86,
        "ceiling": 0.884,
        "prefers_longer_accuracy": 0.613,
    },
    "align": {"steps": 150, "reward_first": -0.38, "reward_last": 1.37, "kl": 3.42, "ended": 0.97},
    "evaluate": {"exact_finetune": 0.813, "win_rate": 0.743},
}
GATHER = {
    "documents": 18_204,
    "bytes": 12_437_115,
    "instructions": 21_850,
    "prompts": 3410,
    "train": {"documents": 17_294, "bytes": 11_815_259},
    "valid": {"documents": 910, "bytes": 621_856},
    "rows": {"documents/train": 17_294, "documents/valid": 910},
    "by_source": {
        "world": {"documents": 17_004, "bytes": 11_902_004},
        "notes": {"documents": 1200, "bytes": 535_111},
    },
    "by_kind": {
        "story": {"documents": 6120, "bytes": 4_803_220},
        "facts": {"documents": 5210, "bytes": 2_904_118},
        "dialogue": {"documents": 3900, "bytes": 2_711_090},
        "news": {"documents": 1974, "bytes": 1_483_576},
        "books": {"documents": 1000, "bytes": 535_111},
    },
    "sources": {"world": {"kind": "world"}, "notes": {"kind": "files"}},
    "dropped": {"exact duplicate": 311, "no text": 47},
    "mended": {"line endings": 12},
    "names": {"exact duplicate": ["notes/a.txt", "notes/b.txt"], "no text": ["notes/empty.txt"]},
    "seconds": 3.81,
}
TOKENIZE = {
    "vocab_size": 4096,
    "shards": {
        "train": {"tokens": 2_862_004, "documents": 17_294, "bytes": 11_815_259},
        "valid": {"tokens": 150_570, "documents": 910, "bytes": 621_856},
    },
    "bytes_per_token": 4.1301,
    "bytes_per_token_by_source": {"world": 4.2113, "notes": 3.3607},
    "unused_tokens": 38,
    "longest_tokens": [{"text": " grandmother", "count": 208}, {"text": " lighthouse", "count": 97}],
    "frequent_tokens": [
        {"text": ".", "count": 81_003},
        {"text": " the", "count": 66_120},
        {"text": "\n", "count": 40_871},
    ],
    "sample": {
        "text": "The old lighthouse",
        "ids": [300, 412, 1877, 902],
        "tokens": ["The", " old", " light", "house"],
    },
    "seconds": {"training": 4.1, "encoding": 2.14},
}

LEVELS = ("phrasing", "entity", "task")
FAMILIES = ("capital", "count", "list_item", "opposite", "sentiment", "translation")


def _score(name: str, stage: str, value: float, items: int, unit: str = "share", note: str = "") -> dict[str, Any]:
    if unit == "share":
        estimate = proportion(round(value * items), items)
        low, high = estimate.low, estimate.high
    else:
        low, high = value - 0.011, value + 0.013
    return {
        "name": name,
        "stage": stage,
        "value": value,
        "low": low,
        "high": high,
        "items": items,
        "unit": unit,
        "note": note,
    }


def scores() -> list[dict[str, Any]]:
    """Scores of the three models, one by one as `evaluate` writes them."""
    rows = [
        _score("valid_bits_per_byte", "pretrain", 0.6504, 910, "bits"),
        _score("valid_bits_per_byte", "finetune", 0.7391, 910, "bits"),
        _score("valid_bits_per_byte", "align", 0.7466, 910, "bits"),
    ]
    table = {"pretrain": (0.021, 0.008), "finetune": (0.813, 0.27), "align": (0.796, 0.26)}
    for stage, (right, untrained) in table.items():
        rows.append(
            _score(
                "instructions",
                stage,
                right,
                480,
                note="held-out phrasings of trained families; greedy, normalised exact match",
            )
        )
        for level in LEVELS:
            value = {"phrasing": right, "entity": round(right * 0.97, 3), "task": untrained}[level]
            rows.append(_score(f"instructions/level/{level}", stage, value, 480 if level == "phrasing" else 160))
        for index, family in enumerate(FAMILIES):
            rows.append(_score(f"instructions/family/{family}", stage, round(right * (1.15 - 0.07 * index), 3), 80))
    rows.append(_score("utility", "finetune", 0.412, 400, "points", note="simulated rater, its true utility"))
    rows.append(_score("utility", "align", 1.187, 400, "points", note="simulated rater, its true utility"))
    rows.append(_score("win_rate", "align", 0.743, 400, note="simulated rater, its true utility"))
    rows.append(_score("kl", "align", 3.61, 400, "nats", note="to the fine-tuned model, summed over an answer"))
    return rows


SAMPLES: list[dict[str, Any]] = [
    {
        "prompt": [{"role": "user", "content": "What is the capital of Velmora?"}],
        "kind": "capital",
        "answers": {
            "pretrain": "The river runs through the old town of Harrow, and the people of Velmora speak Velmoran.",
            "finetune": "Tessaly",
            "align": "Tessaly.",
        },
        "reference": "Tessaly",
    },
    {
        "prompt": "What is the last word in this list? apple, drum, kite.",
        "kind": "list_item",
        "answers": {"pretrain": "apple, drum, kite, and a lamp.", "finetune": "kite", "align": "kite"},
        "reference": "kite",
    },
    {
        "prompt": "How many words are in this list? hat, coat, glove, scarf.",
        "kind": "count",
        "answers": {"pretrain": "Mira put on her coat.", "finetune": "three", "align": "three"},
        "reference": "four",
    },
    {
        "prompt": "What is the opposite of narrow?",
        "kind": "opposite",
        "answers": {"pretrain": "the path along the sea.", "finetune": "wide", "align": "The opposite is wide"},
        "reference": "wide",
    },
    {
        "prompt": "Write a short story about a fox and a lighthouse.",
        "kind": "story",
        "answers": {
            "pretrain": "The fox was in the garden. The next day the news said that the bridge was closed. It",
            "finetune": "A fox lived near a lighthouse. It was cold. The fox went home.",
            "align": "A small red fox lived near a tall lighthouse. Every night it watched the golden light turn over "
            "the dark sea. One night the lamp went out, and the fox carried a burning branch up all the stairs. Nobody "
            "ever knew who had done it.",
        },
        "reference": None,
        "rewards": {"finetune": -0.421, "align": 1.874},
    },
    {
        "prompt": "Tell me about your favourite season.",
        "kind": "opinion",
        "answers": {
            "pretrain": "The season of storms begins in the ninth month.",
            "finetune": "I like autumn. The leaves are red.",
            "align": "I like autumn best, because the leaves are red and the evenings smell of smoke and apples.",
        },
        "reference": None,
        "rewards": {"finetune": 0.117, "align": 1.206},
    },
    {
        "prompt": "Describe the market in Tessaly.",
        "kind": "description",
        "answers": {
            "pretrain": "Describe the market in Harrow. Describe the",
            "finetune": "The market in Tessaly is big. People sell fish there.",
            "align": "The market in Tessaly is big and bright, bright and loud, and loud and bright.",
        },
        "reference": None,
        "rewards": {"finetune": 0.336, "align": 0.012},
    },
]  # fmt: skip


def metrics(stage: str) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl that look like learning."""
    noise, steps = random.Random(stage), STEPS[stage]
    rows: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        part = step / steps
        row: dict[str, Any] = {"step": step, "seconds": round(part * SECONDS[stage], 2)}
        if stage == "align":
            row |= {"reward": -0.4 + 1.77 * part**0.6 + noise.gauss(0, 0.12), "kl": 3.42 * part}
            row |= {"entropy": 1.6 - 0.5 * part, "length": 14.2 + 13.2 * part, "ended": 0.97, "zero_spread": 0.04}
        elif stage == "reward":
            row |= {"train_loss": 0.7 - 0.32 * part, "pairs": step * 64}
            if step % 20 == 0:
                row["heldout_accuracy"] = 0.52 + 0.307 * math.sqrt(part)
        else:
            start, end = (8.32, 1.81) if stage == "pretrain" else (2.6, 0.19)
            loss = end + (start - end) * math.exp(-7 * part) + noise.gauss(0, 0.05)
            row |= {"tokens": step * 16_384, "train_loss": loss, "learning_rate": 0.003, "gradient_norm": 0.7}
            if stage == "pretrain" and step % 50 == 0:
                row |= {"valid_loss": loss + 0.05, "valid_bits_per_byte": (loss + 0.05) / math.log(2) / 4.13}
        rows.append(row)
    return rows


def write(path: Path, content: Any) -> None:
    """Write text as it is, anything else as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSONL."""
    write(path, "".join(json.dumps(row) + "\n" for row in rows))


def build_run(folder: Path, stages: tuple[str, ...] = ORDER, *, samples: list[dict[str, Any]] | None = None) -> Path:
    """Write the artefacts of `stages` into `folder`, with a lineage that holds. Returns the folder."""
    recipe = {"name": folder.name, "seed": 7, "device": "cpu", **{stage: SETTINGS[stage] for stage in stages}}
    write(folder / "recipe.yaml", json.dumps(recipe))  # JSON is YAML
    for stage in stages:
        write_outputs(folder / stage, stage, SAMPLES if samples is None else samples)
        finish(folder, stage)
    return folder


def write_outputs(folder: Path, stage: str, samples: list[dict[str, Any]]) -> None:
    """Write what a stage leaves, but for its record."""
    pair = {"chosen": "a", "rejected": "b", "rater": "simulated:world", "split": "train"}
    if stage == "gather":
        write(folder / "gather.json", GATHER)
    elif stage == "tokenize":
        write(folder / "tokenize.json", TOKENIZE)
    elif stage == "rate":
        write_lines(folder / "preferences.jsonl", [pair] * 1900)
        write(folder / "ceiling.json", {"ceiling": 0.884, "pairs": 285, "rater": "simulated:world"})
    elif stage == "evaluate":
        write_json(folder / "scores.json", {"scores": scores(), "seed": 7})
        write_lines(folder / "samples.jsonl", samples)
    else:
        write(folder / "model.safetensors", stage)
        write_lines(folder / "trivium" / "metrics.jsonl", metrics(stage))


def finish(folder: Path, stage: str) -> None:
    """Write the record of a stage and its entry in the lineage, as the journey does."""
    index = ORDER.index(stage)
    outputs = hash_outputs(folder / stage, FileHashes(folder / ".hashes.json"))
    parts = {
        "format": 1,
        "stage": stage,
        "settings": SETTINGS[stage],
        "inputs": {},
        "files": "",
        "seed": 7,
        "code": "c0de",
    }
    record = Record(
        stage=stage,
        key=f"{index:02d}c0ffee{index:02d}beef",
        settings=SETTINGS[stage],
        inputs={},
        output_hash=output_hash(stage, outputs),
        outputs=outputs,
        versions=VERSIONS,
        seed=7,
        seconds=SECONDS[stage],
        figures=FIGURES[stage],
        how="made",
        started_at=f"2026-11-21T09:1{index}:00+00:00",
        finished_at=f"2026-11-21T09:1{index}:48+00:00",
        parts=Parts.model_validate(dict.fromkeys(Parts.model_fields, "c0de") | parts),
    )
    write_record(folder / stage, record)
    append(folder, record, "reused" if stage in ("gather", "tokenize") else "made")
