"""What each default of pre-training is worth: bits per byte after equal seconds of training, one switch thrown at a time.

    python benchmarks/ablation.py --data FILE [--seconds 60] [--seeds 0 1 2] [--rows NAME ...] [--threads 2] [--quick]

The text is a plain file of one's own; its last twentieth is kept for validation. The model is the default one (about a million
weights at a vocabulary of 2,048). Each row first takes a few steps, once, to learn its speed; then it is given as many as fit
into the seconds, with its schedule stretched over them, so what a switch costs in speed counts. Rows take turns within a seed.
The figure is the bits per byte of the whole validation text at the end; the note tells the median difference to the default, same
seed for same seed, and how far the seconds were missed. Rates are the defaults' except where a row says so: a row is no proof
that its side could not be tuned.

Two switches are no settings, because there is no reason to leave them off: they are thrown from outside, in the process that
trains (`--child`). `--quick` takes one seed, a few rows and seconds: it shows that it works, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from figures import Figure, finish
from measure import interleave, machine, tell, watch

PRACTICE, LEFT_OUT = 40, 10  # steps that tell the speed, and the first of them that do not
QUICK_ROWS = ("default", "adamw", "ema", "plain_outputs")
TOLERANCE = 0.05  # of the seconds: beyond it a note says so
RECIPE = """name: ablation
gather:
  sources: [{{kind: files, path: {path}, split: tail}}]
  valid_share: 0.05
tokenize: {{vocab_size: 2048}}
pretrain: {{evaluate_every: 1000000}}
"""

Settings = Mapping[str, object]


@dataclass(frozen=True)
class Row:
    """A switch: what it is, the settings that throw it (given the steps), and the patch where it is no setting."""

    what: str
    settings: Callable[[int], Settings] = lambda steps: {}
    patch: str = ""


def fixed(**settings: object) -> Callable[[int], Settings]:
    """Settings of pretrain that do not depend on the steps; two underscores stand for a dot."""
    return lambda steps: {f"pretrain.{name.replace('__', '.')}": value for name, value in settings.items()}


ROWS = {
    "default": Row("the defaults"),
    "adamw": Row("AdamW for all parameters in place of Muon", fixed(optimizer__name="adamw")),
    "adamw_slow": Row(
        "AdamW for all parameters, at half the rate",
        fixed(optimizer__name="adamw", optimizer__adam_learning_rate=0.003),
    ),
    "cosine": Row("a cosine in place of flat and then down", fixed(schedule__name="cosine")),
    "linear": Row("linear down from the warm-up on", fixed(schedule__name="linear")),
    "constant": Row("no decay of the rates", fixed(schedule__name="constant")),
    "ema": Row("the average of the weights, decay 0.98, as the final model", fixed(optimizer__average=0.98)),
    "ema_constant": Row(
        "the same average in place of a decay of the rates", fixed(optimizer__average=0.98, schedule__name="constant")
    ),
    "weight_decay": Row("weight decay 0.1 on hidden matrices", fixed(optimizer__weight_decay=0.1)),
    "plain_start": Row("no start that already copies", fixed(begin_copying="false")),
    "plain_outputs": Row("outputs of the blocks drawn like other matrices, not zero", patch="plain_outputs"),
    "plain_heads": Row("queries and keys rotated without being normalised", patch="plain_heads"),
    "batch_16": Row("16 rows a step in place of 32", fixed(batch_size=16)),
    "batch_64": Row("64 rows a step in place of 32", fixed(batch_size=64)),
    "batch_growth": Row(
        "8 rows in the first step, 32 after a third of them",
        lambda steps: {"pretrain.growth.batch_size": 8, "pretrain.growth.batch_steps": max(1, steps // 3)},
    ),
    "length_growth": Row(
        "rows of 32 tokens at first, of 128 after a third of the steps",
        lambda steps: {"pretrain.growth.length": 32, "pretrain.growth.length_steps": max(2, steps // 3)},
    ),
    "float32": Row("products in float32", fixed(precision="float32")),
    "vocabulary_1024": Row("a vocabulary of 1,024 in place of 2,048", lambda steps: {"tokenize.vocab_size": 1024}),
    "vocabulary_4096": Row("a vocabulary of 4,096 in place of 2,048", lambda steps: {"tokenize.vocab_size": 4096}),
}


@dataclass(frozen=True)
class Outcome:
    """Bits per byte of a run, its seconds and its steps."""

    bits: float
    seconds: float
    steps: int


@dataclass(frozen=True)
class Bench:
    """What every run is given."""

    recipe: Path
    work: Path
    seconds: float
    threads: int
    steps: dict[str, int] = field(default_factory=dict)  # of each row whose speed is known

    def train(self, name: str, seed: int) -> Outcome:
        """Learn the row's speed where it is not known, then train it for the seconds."""
        if name not in self.steps:
            practice = self.run(name, seed, PRACTICE, "practice")
            times = [row["seconds_data"] + row["seconds_model"] + row["seconds_optimizer"] for row in practice]
            self.steps[name] = max(20, round(self.seconds / statistics.mean(times[LEFT_OUT:])))
        steps = self.steps[name]
        rows = self.run(name, seed, steps, "run")
        outcome = Outcome(rows[-1]["valid_bits_per_byte"], rows[-1]["seconds"], steps)
        tell(f"  {outcome.bits:.4f} bits per byte, {steps} steps in {outcome.seconds:.1f} s")
        return outcome

    def run(self, name: str, seed: int, steps: int, kind: str) -> list[dict[str, Any]]:
        """The metrics of one pre-training."""
        row, run = ROWS[name], f"{kind}-{name}-{seed}"
        settings = {"seed": seed, "threads": self.threads, "pretrain.steps": steps, **row.settings(steps)}
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        child = [sys.executable, str(Path(__file__).resolve()), "--child", row.patch]
        command = [
            *child,
            "run",
            str(self.recipe),
            *words,
            "--until",
            "pretrain",
            "--name",
            run,
            "--runs",
            str(self.work),
        ]
        watch(command, self.work / f"{run}.log", environment={"OMP_NUM_THREADS": str(self.threads)})
        metrics = self.work / run / "pretrain" / "trivium" / "metrics.jsonl"
        return [json.loads(line) for line in metrics.read_text(encoding="utf-8").splitlines()]


def child(patch: str, arguments: Sequence[str]) -> None:
    """Be the process that trains: throw the switch `patch`, and call Trivium's command line."""
    from trivium.apps.cli import main as trivium

    if patch:
        PATCHES[patch]()
    trivium(list(arguments))


def plain_outputs() -> None:
    """Draw the matrices that begin at zero like all others."""
    import torch

    from trivium.model import initialise as module

    before = module.initialise

    def initialise(model: Any, generator: torch.Generator) -> None:
        before(model, generator)
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if name.endswith(("attention.out.weight", "feed_forward.down.weight")):
                    parameter.normal_(0.0, parameter.shape[1] ** -0.5, generator=generator)

    module.initialise = initialise


def plain_heads() -> None:
    """Rotate queries and keys as they are."""
    import torch

    from trivium.model import transformer as module

    def rotate(heads: Any, weight: Any, rotation: Any, epsilon: float) -> Any:
        first, second = (heads.float() * weight).chunk(2, dim=-1)
        cosine, sine = rotation
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)

    vars(module)["norm_rotate"] = rotate


PATCHES = {"plain_outputs": plain_outputs, "plain_heads": plain_heads}


def figures_of(outcomes: Mapping[str, Sequence[Outcome]], seeds: Sequence[int], seconds: float) -> list[Figure]:
    """Bits per byte of each row, and in the note how far it is from the default."""
    figures = []
    for name, several in outcomes.items():
        note = f"{ROWS[name].what}; {statistics.median(one.steps for one in several):.0f} steps in {seconds:g} s"
        if name != "default" and "default" in outcomes:
            apart = [one.bits - base.bits for one, base in zip(several, outcomes["default"], strict=True)]
            note += f"; {statistics.median(apart):+.4f} to the default ({min(apart):+.4f} to {max(apart):+.4f})"
        missed = max(abs(one.seconds / seconds - 1.0) for one in several)
        if missed > TOLERANCE:
            note += f"; its seconds are off by up to {missed:.0%}"
        figures.append(
            Figure(f"ablation_{name}", [one.bits for one in several], seeds, "bits", better="lower", note=note)
        )
    return figures


def main() -> None:
    """Measure, and print and write the figures."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], sys.argv[3:])
        return
    parser = argparse.ArgumentParser(description="Bits per byte after equal seconds, one switch at a time.")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="a plain text file, a megabyte or more"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, for each run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), metavar="NAME", help=f"some of: {', '.join(ROWS)}")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one seed, four rows, four seconds each")
    arguments = parser.parse_args()
    if not arguments.data.is_file():
        sys.exit(f"{arguments.data}: there is no such file; give --data a plain text file of a megabyte or more")
    names = arguments.rows or (QUICK_ROWS if arguments.quick else tuple(ROWS))
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    seconds = min(arguments.seconds, 4.0) if arguments.quick else arguments.seconds
    where = machine(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="trivium-ablation-") as folder:
        recipe = Path(folder) / "ablation.yaml"
        recipe.write_text(RECIPE.format(path=json.dumps(str(arguments.data.resolve()))), encoding="utf-8")
        bench = Bench(recipe, Path(folder), seconds, arguments.threads)

        def side(name: str) -> Callable[[int], Outcome]:
            return lambda seed: bench.train(name, seed)

        outcomes = interleave({name: side(name) for name in names}, seeds)
    finish("ablation", figures_of(outcomes, seeds, seconds), where, quick=arguments.quick)


if __name__ == "__main__":
    main()
