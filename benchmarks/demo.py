"""The demo from a cold start: minutes, memory and what the models have learned, for several seeds.

    python benchmarks/demo.py [--seeds 0 1 2] [--quick]

Each seed is one `trivium run recipes/demo.yaml` in a process of its own and a fresh folder, with the network off where
the system lets us; installation is not in the time. Memory is the largest sum of resident memory over the process and
its children. Scores are those of the run's own evaluation. `--quick` runs one seed of a shortened recipe: minutes and
memory are a rough lower bound, its scores are those of a model that has hardly learned.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from figures import Figure, finish
from measure import ROOT, Watched, interleave, machine, no_network, run_command, watch

SHORTENED = (
    "pretrain.steps=60",
    "finetune.steps=60",
    "rate.requests=300",
    "align.steps=10",
    "evaluate.instructions=150",
    "evaluate.requests=60",
)


@dataclass(frozen=True)
class Demo:
    """One run: how it went, its scores by (name, stage), and the reward model's figures."""

    watched: Watched
    scores: dict[tuple[str, str], float]
    reward: dict[str, Any]


def run_demo(seed: int, runs: Path, prefix: list[str], overrides: tuple[str, ...]) -> Demo:
    """Run the recipe from nothing and read what it left."""
    name = f"demo-{seed}"
    command = run_command(ROOT / "recipes" / "demo.yaml", runs, name, (f"seed={seed}", *overrides))
    watched = watch([*prefix, *command], runs / f"{name}.log")
    scores = json.loads((runs / name / "evaluate" / "scores.json").read_text(encoding="utf-8"))["scores"]
    reward = json.loads((runs / name / "reward" / "trivium" / "stage.json").read_text(encoding="utf-8"))["figures"]
    return Demo(watched, {(row["name"], row["stage"]): row["value"] for row in scores}, reward)


def figures_of(demos: list[Demo], seeds: list[int], offline: bool) -> list[Figure]:
    """What the runs show, beside the bars."""

    def score(key: str, name: str, stage: str, *, bar: float | None = None, unit: str = "", note: str = "") -> Figure:
        return Figure(key, [demo.scores[name, stage] for demo in demos], seeds, unit, bar=bar, note=note)

    network = "with the network off" if offline else "the network could not be taken away on this system"
    memory = [demo.watched.peak_bytes / 1e9 for demo in demos if demo.watched.peak_bytes is not None]
    gaps = [demo.reward["ceiling"] - demo.reward["heldout_accuracy"] for demo in demos]
    exact = "held-out phrasings, greedy, normalised exact match"
    return [
        Figure(
            "demo_minutes",
            [demo.watched.seconds / 60 for demo in demos],
            seeds,
            "min",
            better="lower",
            bar=6,
            note=f"wall time of the whole recipe, start-up included, installation not; {network}",
        ),
        Figure("demo_memory_gb", memory, seeds, "GB", better="lower", bar=3, note="resident, summed over processes"),
        score("heldout_instruction_exact", "instructions", "align", bar=0.9, note=f"the aligned model; {exact}"),
        score("heldout_instruction_exact_finetune", "instructions", "finetune", note=f"the fine-tuned model; {exact}"),
        score("demo_win_rate", "win_rate", "align", bar=0.85, note="aligned over fine-tuned, simulated rater"),
        Figure(
            "demo_kl",
            [demo.scores["kl", "align"] for demo in demos],
            seeds,
            "nats",
            better="lower",
            note="aligned to fine-tuned model, summed over an answer",
        ),
        Figure(
            "reward_gap_to_ceiling",
            gaps,
            seeds,
            better="lower",
            bar=0.06,
            note="accuracy of the best possible predictor of the rater's choices less the reward model's, on held-out pairs",
        ),
        Figure(
            "demo_bits_per_byte",
            [demo.scores["valid_bits_per_byte", "pretrain"] for demo in demos],
            seeds,
            "bits",
            better="lower",
            note="the pre-trained model on the validation text",
        ),
    ]


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Time, memory and scores of the demo.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--quick", action="store_true", help="one seed of a shortened recipe, in about a minute")
    arguments = parser.parse_args()
    if not (ROOT / "recipes" / "demo.yaml").is_file():
        sys.exit("recipes/demo.yaml is not there: run this from a whole checkout")
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    where, prefix = machine(), no_network()
    with tempfile.TemporaryDirectory(prefix="trivium-demo-") as folder:
        overrides = SHORTENED if arguments.quick else ()
        demos = interleave({"demo": lambda seed: run_demo(seed, Path(folder), prefix, overrides)}, seeds)["demo"]
    figures = figures_of(demos, seeds, bool(prefix))
    if arguments.quick:  # the bars are those of the whole recipe
        figures = [replace(figure, bar=None) for figure in figures]
    finish("demo", figures, where, quick=arguments.quick)


if __name__ == "__main__":
    main()
