"""What pre-training saves on the built-in world: names in news by an encoder, from 8 labels to all, beside random weights.

    python benchmarks/transfer.py [--only entities sentiment] [--seeds 0] [--draws 4] [--threads 2] [--work FOLDER] [--quick]

Each seed pre-trains an encoder on the world's text and runs the `transfer` stage on it twice. `entities`: random weights, frozen
features, LoRA and all weights with 8, 32, 128 and all 400 labelled news, every budget `--draws` times, learning rates chosen for
each way and budget on as many validation items as there are labels. `sentiment`: random and pre-trained weights with 8, 32
and 128 reviews, beside the pre-trained model that is only asked in words, with examples and without. Test items speak of
people, towns and things that no training item names. With `--work` the runs stay there, and one that was interrupted goes on.

- transfer_gain_128: entities; the smallest, over the budgets to 128, of the lower ends of the gains' 95% intervals, in points of
  span F1: above 0 says that the pre-trained model is better at each of them by more than chance.
- transfer_worst_beyond: the smallest of the upper ends beyond 128 labels: below 0 would say that it is worse there.
- transfer_saved: the largest share of labels that pre-training saves at a budget at which it is better, at least.
- transfer_gain_sentiment: the mean gain at 32 reviews, in points of accuracy; a few words tell the mood of a review, so there
  is little that pre-training could save.
- transfer_zero_shot, transfer_few_shot: accuracy on sentiment when only asked, with no label, and with up to eight examples out
  of 128; a third is chance.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from figures import Figure, finish
from measure import TRIVIUM, machine, tell, watch

FEW = 128
WORDS = {"positive": "wonderful", "negative": "terrible", "neutral": "ordinary"}
VIEWS = {"cloze": {"template": "{text} All in all, it is [MASK].", "words": WORDS}}
RECIPE: dict[str, Any] = {
    "gather": {
        "sources": [
            {
                "kind": "world",
                "tokens": 2_000_000,
                "instructions": 0,
                "heldout_instructions": 0,
                "prompts": 0,
                "heldout_prompts": 0,
            }
        ],
        "valid_share": 0.03,
    },
    "tokenize": {"masked_tokens": True},
    "pretrain": {
        "objective": "masked",
        "pairs": "nsp",
        "steps": 600,
        "batch_size": 32,
        "length": 128,
        "optimizer": {"adam_learning_rate": 0.008, "momentum": 0.9, "beta2": 0.95},
    },
}
PARTS: dict[str, dict[str, Any]] = {
    "entities": {
        "task": {"data": {"kind": "world", "task": "entities", "train": 400}},
        "budgets": [8, 32, 128],
        "arms": ["scratch", "frozen", "lora", "full"],
        "batch_size": 16,
        "rates": [0.0005, 0.002],
        "items": 300,
    },
    "sentiment": {
        "task": {"data": {"kind": "world", "task": "sentiment", "train": 400}, "views": VIEWS},
        "budgets": [8, 32, 128],
        "whole": False,
        "arms": ["scratch", "full", "few_shot", "zero_shot"],
        "batch_size": 16,
        "rates": [0.0005, 0.002],
        "items": 300,
    },
}
QUICK: dict[str, Any] = {"pretrain": {"steps": 60, "batch_size": 16, "length": 64}}
QUICK_PART = {"budgets": [8, 128], "rates": [0.002], "least_steps": 20, "epochs": 1, "items": 60}


def measured(work: Path, only: Sequence[str], seed: int, draws: int, threads: int, quick: bool) -> dict[str, Any]:
    """What the transfer stage left of each part; the second goes on from a copy of the first one's run, so that both have the
    same pre-trained model."""
    recipe = {name: {**section, **(QUICK.get(name, {}) if quick else {})} for name, section in RECIPE.items()}
    found = {}
    first = work / f"entities-{seed}"
    for name in only:
        part, run = PARTS[name], work / f"{name}-{seed}"
        if run != first and first.exists() and not run.exists():
            shutil.copytree(first, run)
        transfer = {**part, **(QUICK_PART if quick else {}), "seeds": 2 if quick else draws}
        path = work / f"{name}.yaml"
        path.write_text(json.dumps({"seed": seed, "threads": threads, **recipe, "transfer": transfer}), "utf-8")
        command = [*TRIVIUM, "run", str(path), "--name", run.name, "--runs", str(work)]
        took = watch(command, work / f"{run.name}.log").seconds
        found[name] = json.loads((run / "transfer" / "transfer.json").read_text("utf-8"))
        tell(f"{name}, seed {seed}, {took:.0f} s: {found[name]['answer']}")
    return found


def gains(content: Mapping[str, Any], few: bool) -> list[Mapping[str, Any]]:
    """The gains up to 128 labels, or beyond."""
    return [row for row in content["gains"] if (row["labels"] <= FEW) is few]


def saved(content: Mapping[str, Any]) -> float:
    """The largest share of labels saved at a budget where the gain is no chance; where random weights never score as much,
    against all that they were given, so at least that."""
    most = max(row["labels"] for row in content["curves"])
    better = {row["labels"] for row in content["gains"] if row["low"] > 0}
    rows = [row for row in content["savings"] if row["labels"] in better]
    return max((1 - row["labels"] / (row["from_scratch"] or most) for row in rows), default=0.0)


def told_by_labels(found: Sequence[Mapping[str, Any]], draws: int) -> str:
    """The gains of the first seed with their intervals, by labels."""
    points = [
        f"{row['labels']:,}: {100 * row['value']:+.1f} ({100 * row['low']:+.1f} to {100 * row['high']:+.1f})"
        for row in found[0]["gains"]
    ]
    return f"{draws} draws each; first seed, by labels: {', '.join(points)}"


def figures_of(name: str, found: Sequence[Mapping[str, Any]], seeds: Sequence[int], draws: int) -> list[Figure]:
    """The figures of one part over the seeds."""
    return (names if name == "entities" else moods)(found, seeds, told_by_labels(found, draws))


def names(found: Sequence[Mapping[str, Any]], seeds: Sequence[int], note: str) -> list[Figure]:
    """What pre-training adds to names in news, and saves."""
    low = [100 * min(row["low"] for row in gains(one, few=True)) for one in found]
    figures = [Figure("transfer_gain_128", low, seeds, "points", bar=0, note=note)]
    if all(gains(one, few=False) for one in found):
        high = [100 * min(row["high"] for row in gains(one, few=False)) for one in found]
        figures.append(Figure("transfer_worst_beyond", high, seeds, "points", bar=0, note="upper end of the interval"))
    return [*figures, Figure("transfer_saved", [saved(one) for one in found], seeds, note=found[0]["answer"])]


def moods(found: Sequence[Mapping[str, Any]], seeds: Sequence[int], note: str) -> list[Figure]:
    """What pre-training adds to moods of reviews, and what the pre-trained model says when it is only asked."""
    middle = [next((100 * row["value"] for row in one["gains"] if row["labels"] > 8), 0.0) for one in found]
    figures = [Figure("transfer_gain_sentiment", middle, seeds, "points", note=note)]
    for arm in ("zero_shot", "few_shot"):
        last = [[row for row in one["curves"] if row["arm"] == arm][-1] for one in found]
        told = f"of seed {seeds[0]}: {last[0]['labels']:,} labels, {last[0]['low']:.3f} to {last[0]['high']:.3f}"
        figures.append(Figure(f"transfer_{arm}", [row["value"] for row in last], seeds, note=told))
    return figures


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="What pre-training saves.")
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--draws", type=int, default=4, help="of the items and the weights, at each budget")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--work", type=Path, help="keep the runs in this folder")
    parser.add_argument("--quick", action="store_true", help="one seed, two budgets, few steps: it says nothing")
    given = parser.parse_args()
    seeds = given.seeds[:1] if given.quick else given.seeds
    where = machine(given.threads)
    with tempfile.TemporaryDirectory(prefix="trivium-transfer-") as folder:
        work = given.work.resolve() if given.work else Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        found = [measured(work, given.only, seed, given.draws, given.threads, given.quick) for seed in seeds]
    figures = [
        one for name in given.only for one in figures_of(name, [part[name] for part in found], seeds, given.draws)
    ]
    finish("transfer", figures, where, quick=given.quick)


if __name__ == "__main__":
    main()
