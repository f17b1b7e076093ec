"""What `trivium plan` foretells against what then happens, on this machine.

    python benchmarks/plan.py [--seeds 0 1 2] [--threads 2] [--quick]

For each of three shapes (the default model, a wider one, long rows with documents apart) and each seed: text and tokenizer
are made, `trivium plan --json` is asked, and pre-training is run in a process of its own. Time is the wall time of the stage,
validation and checkpoints included, as its record tells; memory the most that its process held at once, sampled over its
tree. An error is |told / happened - 1|; the figure of a seed is the worst of its shapes. `--quick` takes one seed and two
short shapes: a rough answer.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, finish
from measure import ROOT, TRIVIUM, interleave, machine, tell, watch

MODEL = "pretrain.model."


@dataclass(frozen=True)
class Shape:
    """A name and the settings that make it, for the whole run and for a quick one."""

    name: str
    settings: dict[str, object]
    quick: dict[str, object]


SHAPES = (
    Shape("default", {"pretrain.steps": 200}, {"pretrain.steps": 40}),
    Shape(
        "wide",
        {
            MODEL + "hidden_size": 256,
            MODEL + "num_layers": 6,
            MODEL + "num_heads": 8,
            MODEL + "num_kv_heads": 8,
            MODEL + "intermediate_size": 768,
            "tokenize.vocab_size": 4096,
            "pretrain.steps": 60,
            "pretrain.length": 256,
            "pretrain.batch_size": 16,
        },
        {"pretrain.steps": 10, "pretrain.evaluate_every": 5, "pretrain.evaluate_rows": 16},
    ),
    Shape(
        "long",
        {
            "pretrain.length": 512,
            "pretrain.batch_size": 16,
            "pretrain.micro_batch_size": 8,
            "pretrain.documents_apart": "true",
            "pretrain.optimizer.name": "adamw",
            "pretrain.steps": 80,
        },
        {"pretrain.steps": 15},
    ),
)


@dataclass(frozen=True)
class Pair:
    """What was told and what happened: seconds and bytes."""

    seconds: tuple[float, float]
    memory: tuple[float, float]

    @property
    def errors(self) -> tuple[float, float]:
        """Of time and memory."""
        time, memory = (abs(told / happened - 1.0) for told, happened in (self.seconds, self.memory))
        return time, memory


def run_shape(shape: Shape, seed: int, work: Path, threads: int, quick: bool) -> Pair:
    """Prepare, plan and run one shape."""
    name = f"{shape.name}-{seed}"
    settings = {**shape.settings, **(shape.quick if quick else {}), "seed": seed, "threads": threads}
    words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    recipe = str(ROOT / "recipes" / "demo.yaml")
    common = [recipe, *words, "--name", name, "--runs", str(work)]
    environment = {"OMP_NUM_THREADS": str(threads)}
    watch([*TRIVIUM, "run", *common, "--until", "tokenize"], work / f"{name}.log", environment=environment)
    planned = watch([*TRIVIUM, "plan", *common, "--json"], work / f"{name}-plan.log", environment=environment)
    told = json.loads(planned.output)["stages"]["pretrain"]
    happened = watch([*TRIVIUM, "run", *common, "--until", "pretrain"], work / f"{name}.log", environment=environment)
    record = json.loads((work / name / "pretrain" / "trivium" / "stage.json").read_text(encoding="utf-8"))
    assert happened.peak_bytes is not None, "this system does not tell a process's memory"
    pair = Pair((told["seconds"], record["seconds"]), (told["memory"]["total"], float(happened.peak_bytes)))
    tell(
        f"  {name}: {pair.seconds[0]:.1f} s told, {pair.seconds[1]:.1f} s happened ({pair.errors[0]:.1%} off); "
        f"{pair.memory[0] / 1e6:.0f} MB told, {pair.memory[1] / 1e6:.0f} MB happened ({pair.errors[1]:.1%} off)"
    )
    return pair


def figures_of(pairs: dict[str, list[Pair]], seeds: list[int]) -> list[Figure]:
    """The worst errors, and each shape's."""
    runs = list(zip(*pairs.values(), strict=True))  # by seed
    worst = [[max(pair.errors[which] for pair in run) for run in runs] for which in (0, 1)]
    shapes = ", ".join(pairs)
    figures = [
        Figure(
            "plan_time_error", worst[0], seeds, better="lower", bar=0.2, note=f"share; worst of the shapes {shapes}"
        ),
        Figure(
            "plan_memory_error", worst[1], seeds, better="lower", bar=0.1, note=f"share; worst of the shapes {shapes}"
        ),
    ]
    for which, what in enumerate(("time", "memory")):
        for name, several in pairs.items():
            values = [pair.errors[which] for pair in several]
            figures.append(Figure(f"plan_{what}_error_{name}", values, seeds, better="lower"))
    return figures


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="The plan of a run against the run.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one seed of two short shapes")
    arguments = parser.parse_args()
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    shapes = SHAPES[:2] if arguments.quick else SHAPES
    where = machine(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="trivium-plan-") as folder:

        def side(shape: Shape) -> Callable[[int], Pair]:
            return lambda seed: run_shape(shape, seed, Path(folder), arguments.threads, arguments.quick)

        pairs = interleave({shape.name: side(shape) for shape in shapes}, seeds)
    finish("plan", figures_of(pairs, seeds), where, quick=arguments.quick)


if __name__ == "__main__":
    main()
