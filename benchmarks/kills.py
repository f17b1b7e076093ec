"""kill -9 at a random moment, restarted until done: are the weights those of a run that nothing happened to?

    python benchmarks/kills.py [--kills 20] [--seed 0] [--quick]

The demo's recipe with small numbers: all stages in about a minute on one thread. First an uninterrupted run; then, for
each kill, a fresh run whose whole process group gets SIGKILL at a moment drawn (from the seed) over the uninterrupted
run's length, and the same command again until it is done. A kill is survived where model.safetensors in every stage's
folder has the same SHA-256 as in the uninterrupted run. Says in which stage each kill fell and how that stage went on;
a run that was faster than its moment is killed again, earlier.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, finish
from measure import ROOT, end, machine, run_command, start, tell, watch

SMALL = (
    "gather.sources=[{kind: world, tokens: 400000, instructions: 3000, heldout_instructions: 100, prompts: 400}]",
    "pretrain.steps=40",
    "finetune.steps=25",
    "rate.requests=100",
    "align.steps=4",
    "evaluate.instructions=40",
    "evaluate.requests=20",
)
WEIGHTS = "*/model.safetensors"
MOST_STARTS = 5


@dataclass(frozen=True)
class Bench:
    """Where the runs are, and what makes them all the same."""

    work: Path
    seed: int
    threads: int

    def command(self, name: str) -> list[str]:
        """The command of one run."""
        settings = (f"seed={self.seed}", f"threads={self.threads}", *SMALL)
        return run_command(ROOT / "recipes" / "demo.yaml", self.work, name, settings)

    def weights(self, name: str) -> dict[str, str]:
        """SHA-256 of every model of a run, by stage."""
        found = sorted((self.work / name).glob(WEIGHTS))
        return {path.parent.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in found}

    def killed_at(self, name: str, moment: float) -> str | None:
        """Start a run and kill it `moment` seconds later. Returns the stage it was in, None where it was done by then."""
        process = start(self.command(name), self.work / f"{name}.log")
        try:
            deadline = time.monotonic() + moment
            while process.poll() is None and time.monotonic() < deadline:
                time.sleep(0.01)
            done = process.poll() is not None
        finally:
            end(process)
        if done and process.returncode != 0:
            sys.exit(f"{name} failed by itself; see its log:\n{(self.work / f'{name}.log').read_text('utf-8')[-2000:]}")
        return None if done else unfinished_stage(self.work / name)

    def survive(self, number: int, length: float) -> tuple[str, str, dict[str, str]]:
        """One kill and what follows. Returns the stage that was hit, how it went on, and the weights in the end."""
        draw = random.Random(f"{self.seed}/{number}")
        moment = draw.uniform(0.0, length)
        for attempt in range(MOST_STARTS):
            name = f"killed-{number}-{attempt}"
            stage = self.killed_at(name, moment)
            if stage is not None:
                watch(self.command(name), self.work / f"{name}.log")
                return stage, how_it_went_on(self.work / name, stage), self.weights(name)
            moment *= draw.uniform(0.0, 1.0)
        sys.exit(f"no moment of kill {number} fell inside its run; the last was {moment:.2f} s")


def unfinished_stage(run: Path) -> str:
    """The stage whose folder has no record yet, or what comes before and after the stages."""
    folders = [path for path in run.iterdir() if path.is_dir() and path.name[0] != "."] if run.is_dir() else []
    if not folders:
        return "start-up"
    unfinished = [path.name for path in folders if not (path / "trivium" / "stage.json").exists()]
    return unfinished[0] if unfinished else "between stages"


def how_it_went_on(run: Path, stage: str) -> str:
    """What the lineage says of a stage: 'made' from its beginning, or 'resumed'."""
    lines = json.loads((run / "lineage.json").read_text(encoding="utf-8"))
    found = [line["how"] for line in lines if line["stage"] == stage]
    return found[-1] if found else "made"


def main() -> None:
    """Kill, compare, and print and write the figure."""
    parser = argparse.ArgumentParser(description="Runs that are killed give the weights of a run that was not.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one kill")
    arguments = parser.parse_args()
    kills = 1 if arguments.quick else arguments.kills
    where = machine(arguments.threads)
    survived, places = 0, Counter[str]()
    with tempfile.TemporaryDirectory(prefix="trivium-kills-") as folder:
        bench = Bench(Path(folder), arguments.seed, arguments.threads)
        length = watch(bench.command("whole"), bench.work / "whole.log").seconds
        expected = bench.weights("whole")
        tell(f"uninterrupted: {length:.0f} s, models of {', '.join(expected)}")
        for number in range(kills):
            stage, how, weights = bench.survive(number, length)
            same = bool(weights) and weights == expected
            survived += same
            places[f"{stage} ({how})"] += 1
            differing = [name for name in expected if weights.get(name) != expected[name]]
            verdict = "the same weights" if same else f"OTHER WEIGHTS in {', '.join(differing)}"
            tell(f"kill {number + 1} of {kills} fell in {stage}, which was {how}: {verdict}")
    note = f"of {kills}, weights of {len(expected)} models; they fell in " + ", ".join(
        f"{place} {count}" for place, count in places.most_common()
    )
    bar = float(kills)
    figure = Figure("kills_survived", [float(survived)], [arguments.seed], bar=bar, note=note)
    finish("kills", [figure], where, quick=arguments.quick)


if __name__ == "__main__":
    main()
