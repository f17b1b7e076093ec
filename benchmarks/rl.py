"""Reinforcement learning beside TRL, on the CPU, in turn: the same weights, threads and samples a step.

    python benchmarks/rl.py [--seeds 0 1 2] [--threads 1] [--only KEY ...] [--quick]

Both sides start from the model that benchmarks/sides/rl_task.py tunes on answers of a few words, most of which end early (the
limit is 40 tokens), at 0.4 and at 3.2 million weights: what is saved by not computing what nobody needs shows there.
`grpo_fixed_vs_trl` takes that away: all answers have 96 tokens, and are scored like those that ended. Both sides compute in
float32, as ours always does where it aligns; `grpo_fixed_vs_trl_bf16` leaves TRL its own default. A side is a process of
its own; the first steps are left out, and the samples of the others over the seconds from the end of one step to that of the
next count, logging included. The reward is the same function on both sides: an answer that met the limit earns -2.

TRL 1.16.0 for GRPO, and 1.9.2 for PPO, which is not in later ones; each in a folder of its own (benchmarks/.peers, made at the
first call) beside the torch and transformers that we run with. GRPO has no KL on either side (TRL's default: with one, 1.16
looks for the reference on the Hub by an empty name); ours computes it of 16 answers, to tell it. PPO has two epochs of one
minibatch, with KL, a learned reward and a critic; TRL samples every answer to the limit and cuts it afterwards.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from figures import Figure, finish
from measure import PEERS, ROOT, interleave, machine, tell, watch

SIDES = Path(__file__).resolve().parent / "sides"
LEFT_OUT = 2
TUNING = 150  # steps of both models before either side begins
SAMPLES = 128
SIZES = {"0.4M": (128, 2), "3M": (256, 4)}
LAST = 10  # steps over which the reward that was reached is taken


@dataclass(frozen=True)
class Row:
    """One comparison: our script and its words, the peer's and the version of it that it needs; `size` is the model's.

    `figure` is what becomes of both sides' runs: samples a second by default, or the reward.
    """

    key: str
    ours: tuple[str, ...]
    theirs: tuple[str, ...]
    version: str
    size: str
    bar: float | None
    aim: float | None
    steps: int
    note: str
    unit: str = "samples/s"
    figure: str = "speed"
    numbers: dict[str, float] = field(default_factory=dict)


GRPO = {"samples": SAMPLES, "group": 8, "limit": 40, "rate": 1e-3}
ROWS = (
    Row(
        "grpo_vs_trl", ("rl_trivium", "--method", "grpo"), ("rl_trl", "--method", "grpo"), "1.16.0", "0.4M",
        1.8, 3.0, 33, "0.4M, answers end by themselves, limit 40", numbers=GRPO,
    ),
    Row(
        "grpo_3m_vs_trl", ("rl_trivium", "--method", "grpo"), ("rl_trl", "--method", "grpo"), "1.16.0", "3M",
        1.8, 3.0, 9, "3.2M, the same", numbers=GRPO,
    ),
    Row(
        "grpo_fixed_vs_trl", ("rl_trivium", "--method", "grpo", "--fixed"), ("rl_trl", "--method", "grpo", "--fixed"),
        "1.16.0", "3M", 1.2, 2.0, 4, "3.2M, every answer has 96 tokens, both in float32", numbers=GRPO | {"limit": 96},
    ),
    Row(
        "grpo_fixed_vs_trl_bf16", ("rl_trivium", "--method", "grpo", "--fixed"),
        ("rl_trl", "--method", "grpo", "--fixed", "--bf16"), "1.16.0", "3M", None, None, 4,
        "the same, TRL in its default precision (bfloat16 by autocast), ours in float32 as always", numbers=GRPO | {"limit": 96},
    ),
    Row(
        "ppo_vs_trl", ("rl_trivium", "--method", "ppo"), ("rl_trl", "--method", "ppo"), "1.9.2", "0.4M",
        2.0, 4.0, 11, "0.4M, two epochs, limit 40, no request twice in a step", numbers=GRPO | {"group": 1, "rate": 3e-4},
    ),
    Row(
        "grpo_reward_vs_trl", ("rl_trivium", "--method", "grpo"), ("rl_trl", "--method", "grpo"), "1.16.0", "0.4M",
        -0.1, 0.0, 33, f"the runs of grpo_vs_trl: ours less theirs, mean reward of the last {LAST} of 33 steps",
        unit="reward", figure="reward", numbers=GRPO,
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """Seconds and rewards of each step, and samples in a step."""

    seconds: list[float]
    rewards: list[float]
    samples: float

    @property
    def speed(self) -> float:
        kept = self.seconds[LEFT_OUT:]
        return self.samples * len(kept) / sum(kept)

    @property
    def reward(self) -> float:
        return statistics.fmean(self.rewards[-LAST:])


@dataclass(frozen=True)
class Bench:
    """What all sides are given."""

    work: Path
    threads: int
    quick: bool
    known: dict[str, tuple[list[Run], list[Run]]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        return {"OMP_NUM_THREADS": str(self.threads), "HF_HUB_OFFLINE": "1", "TRL_EXPERIMENTAL_SILENCE": "1"}

    def folder(self, size: str) -> Path:
        """The task's folder at a size, made once."""
        found = self.work / size
        if not found.exists():
            tell(f"tuning the model of {size}")
            width, layers = SIZES[size]
            numbers = {"width": width, "layers": layers, "threads": self.threads, "steps": 60 if self.quick else TUNING}
            words = [word for key, value in numbers.items() for word in (f"--{key}", str(value))]
            command = [sys.executable, str(SIDES / "rl_task.py"), "--folder", str(found), *words]
            watch(command, self.work / f"{size}.log", environment=self.environment)
        return found

    def side(self, row: Row, words: Sequence[str], paths: str) -> Callable[[int], Run]:
        """A side of a comparison: a script of `sides` with the row's numbers, `paths` on its path."""

        def run(seed: int) -> Run:
            folder = Path(tempfile.mkdtemp(dir=self.work))
            numbers = {**row.numbers, "steps": min(row.steps, 7) if self.quick else row.steps}
            numbers |= {"threads": self.threads, "seed": seed}
            told = [word for key, value in numbers.items() for word in (f"--{key}", str(value))]
            where = ["--folder", str(self.folder(row.size)), "--work", str(folder / "out")]
            command = [sys.executable, str(SIDES / f"{words[0]}.py"), *words[1:], *told, *where]
            output = watch(command, folder / "log", environment={**self.environment, "PYTHONPATH": paths}).output
            said = json.loads([line for line in output.splitlines() if line.startswith("{")][-1])
            return Run(said["seconds"], said["rewards"], float(row.numbers["samples"]))

        return run

    def runs(self, row: Row, seeds: Sequence[int]) -> tuple[list[Run], list[Run]]:
        """Both sides of a row in turn, ours first; rows of the same runs share them."""
        key = repr((row.ours, row.theirs, row.version, row.size, row.steps, row.numbers))
        if key not in self.known:
            own = str(ROOT / "src")
            sides = {
                f"{row.key}, Trivium": self.side(row, row.ours, own),
                f"{row.key}, TRL {row.version}": self.side(row, row.theirs, f"{own}:{peer(row.version)}"),
            }
            ours, theirs = interleave(sides, seeds).values()
            self.known[key] = ours, theirs
        return self.known[key]

    def compared(self, row: Row, seeds: Sequence[int]) -> Figure:
        """What becomes of both sides of a row."""
        ours, theirs = self.runs(row, seeds)
        if row.figure == "reward":
            values = [mine.reward - other.reward for mine, other in zip(ours, theirs, strict=True)]
            each = ", ".join(
                f"{mine.reward:.2f} and {other.reward:.2f}" for mine, other in zip(ours, theirs, strict=True)
            )
            return Figure(row.key, values, seeds, row.unit, bar=row.bar, aim=row.aim, note=f"{row.note}: {each}")
        mine, other = [run.speed for run in ours], [run.speed for run in theirs]
        values = [one / two for one, two in zip(mine, other, strict=True)]
        return Figure(row.key, values, seeds, row.unit, bar=row.bar, aim=row.aim, ours=mine, peer=other, note=row.note)


def peer(version: str) -> Path:
    """The folder of a version of TRL, which is made where there is none."""
    folder = PEERS / f"trl-{version}"
    if not (folder / ".done").exists():
        tell(f"making {folder.relative_to(ROOT)}; this happens once")
        pip = [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--target", str(folder), f"trl=={version}"], check=True)
        (folder / ".done").touch()
    return folder


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Reinforcement learning beside TRL.")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", nargs="+", metavar="KEY", default=[row.key for row in ROWS])
    parser.add_argument("--quick", action="store_true", help="one seed, few steps")
    given = parser.parse_args()
    unknown = set(given.only) - {row.key for row in ROWS}
    if unknown:
        sys.exit(f"{', '.join(sorted(unknown))}: no such figure; there are {', '.join(row.key for row in ROWS)}")
    seeds = given.seeds[:1] if given.quick else given.seeds
    where = machine(given.threads)
    with tempfile.TemporaryDirectory(prefix="trivium-rl-") as folder:
        bench = Bench(Path(folder), given.threads, given.quick)
        figures = [bench.compared(row, seeds) for row in ROWS if row.key in given.only]
    finish("rl", figures, where, quick=given.quick)


if __name__ == "__main__":
    main()
