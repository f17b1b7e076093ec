"""Training seconds to nanoGPT's loss on tiny Shakespeare, on the CPU, against nanoGPT itself.

    python benchmarks/time_to_loss.py --nanogpt DIR --data input.txt [--seeds 0 1 2] [--threads 2] [--rates R ...] [--quick]

The peer runs its documented CPU setting from its own files (a checkout at DIR), with nothing changed but the seed and the
final checkpoint being kept. Its seconds are the sum of the iteration times that it prints, those with an evaluation in
them left out. Ours runs recipes/shakespeare.yaml, shortened to about what that loss takes; its seconds are those of
metrics.jsonl, evaluations left out there too. Making the tokenizer is preparation, and told apart. Both are trained on the
first 90% of the text and scored on the whole rest by score.py, in turn, on as many threads.

The figure is the peer's seconds over ours, given that every one of our runs ends at no more bits per character than the
peer's mean, in both readings of the scorer; else it was not reached, and is null. `--quick` takes one seed, and a few
iterations of the peer as a sample of its speed, with the loss of its README (1.88 nats) in place of a measured one.

The second figure is the same against the peer at a learning rate that was tuned for it (`--rates` tries several on the first
seed, one after another, and takes the one whose model scores best on the validation part itself, which favours the peer; its
lowest rate stays a tenth). Of 0.002 and 0.004 the second was the better, with 2.60 and 2.54 bits per character. Ours is then
given more steps, since the loss to be reached is lower.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import pickle
import re
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from figures import Figure, finish
from measure import ROOT, TRIVIUM, interleave, machine, offline, tell, watch

ITERATIONS, QUICK_ITERATIONS = 2000, 200
WINDOW = 64
OUR_STEPS, OUR_STEPS_TUNED = 75, 150
RATE = 1e-3  # of its documented setting
README_NATS = 1.88
TRAIN_SHARE = 0.9  # its prepare.py
SEED_LINE = "torch.manual_seed(1337 + seed_offset)"
DOCUMENTED = (
    "config/train_shakespeare_char.py",
    "--device=cpu",
    "--compile=False",
    "--eval_iters=20",
    "--log_interval=1",
    f"--block_size={WINDOW}",
    "--batch_size=12",
    "--n_layer=4",
    "--n_head=4",
    "--n_embd=128",
    f"--max_iters={ITERATIONS}",
    f"--lr_decay_iters={ITERATIONS}",
    "--dropout=0.0",
)
READINGS = ("consecutive", "overlapping")


@dataclass(frozen=True)
class Outcome:
    """One training run: its seconds, what came before it, and bits per character by the scorer's reading."""

    seconds: float
    preparation: float
    bits: dict[str, float]


@dataclass(frozen=True)
class Bench:
    """What both sides are given: the text, where to work, and how many threads."""

    nanogpt: Path
    text: Path
    work: Path
    threads: int
    quick: bool

    @property
    def environment(self) -> dict[str, str]:
        return offline(self.threads)

    @property
    def valid(self) -> Path:
        """The part of the text that both are scored on."""
        return self.work / "valid.txt"

    def cut(self) -> None:
        """Write that part, cut as nanoGPT cuts."""
        text = self.text.read_text(encoding="utf-8")
        self.valid.write_text(text[int(len(text) * TRAIN_SHARE) :], encoding="utf-8")

    def score(self, log: Path, window: int, *more: str) -> dict[str, float]:
        """Bits per character of the validation part, in both readings."""
        script = [sys.executable, str(Path(__file__).with_name("score.py")), "--text", str(self.valid)]
        command = [*script, "--window", str(window), "--threads", str(self.threads), *more]
        last: dict[str, float] = json.loads(watch(command, log, environment=self.environment).output.splitlines()[-1])
        return {reading: last[reading] for reading in READINGS}

    def peer(self, seed: int, rate: float = RATE) -> Outcome:
        """Train nanoGPT in a copy of its files and score its last checkpoint."""
        folder = self.work / f"nanogpt-{rate:g}-{seed}"
        copy_nanogpt(self.nanogpt, folder, seed)
        write_characters(self.text, folder / "data" / "shakespeare_char")
        # Its last evaluation keeps a checkpoint only where the loss of a few batches fell; the last one is what is scored.
        more = [f"--max_iters={QUICK_ITERATIONS}", f"--eval_interval={QUICK_ITERATIONS}"] if self.quick else []
        more += [f"--learning_rate={rate}", f"--min_lr={rate / 10}"] if rate != RATE else []
        command = [sys.executable, "train.py", *DOCUMENTED, "--always_save_checkpoint=True", *more]
        (folder / "train.log").unlink(missing_ok=True)  # of a trial of the same rate
        log = watch(command, folder / "train.log", environment=self.environment, folder=folder).output
        seconds = training_seconds(log, QUICK_ITERATIONS if self.quick else ITERATIONS)
        if self.quick:
            bits = README_NATS / math.log(2)
            return Outcome(seconds * ITERATIONS / QUICK_ITERATIONS, 0.0, dict.fromkeys(READINGS, bits))
        checkpoint = folder / "out-shakespeare-char" / "ckpt.pt"
        peer = ["--nanogpt", str(folder), "--checkpoint", str(checkpoint), "--alphabet", str(self.text)]
        return Outcome(seconds, 0.0, self.score(folder / "score.log", WINDOW, *peer))

    def ours(self, seed: int, steps: int = OUR_STEPS) -> Outcome:
        """Run the recipe and score the model folder that it leaves."""
        name = f"trivium-{steps}-{seed}"
        settings = {
            "seed": seed,
            "threads": self.threads,
            "pretrain.steps": steps,
            "gather.sources.0.path": json.dumps(str(self.text)),
        }
        words = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        recipe = str(ROOT / "recipes" / "shakespeare.yaml")
        command = [*TRIVIUM, "run", recipe, *words, "--until", "pretrain", "--name", name, "--runs", str(self.work)]
        watch(command, self.work / f"{name}.log", environment=self.environment)
        run = self.work / name
        if held_out(run) != self.valid.read_text(encoding="utf-8"):
            sys.exit(f"{run}: its validation text is not the last part of {self.text}, so the two cannot be compared")
        records = {stage: read_record(run / stage) for stage in ("gather", "tokenize", "pretrain")}
        preparation = sum(float(records[stage]["seconds"]) for stage in ("gather", "tokenize"))
        window = int(records["pretrain"]["settings"]["length"])
        rows = (run / "pretrain" / "trivium" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        bits = self.score(self.work / f"{name}-score.log", window, "--model", str(run / "pretrain"))
        return Outcome(float(json.loads(rows[-1])["seconds"]), preparation, bits)


def held_out(run: Path) -> str:
    """The validation text of a run, whole."""
    with open(run / "gather" / "documents" / "valid.jsonl", encoding="utf-8") as lines:
        return "".join(json.loads(line)["text"] for line in lines)


def read_record(folder: Path) -> dict[str, Any]:
    """What a finished stage says of itself."""
    record: dict[str, Any] = json.loads((folder / "trivium" / "stage.json").read_text("utf-8"))
    return record


def copy_nanogpt(source: Path, folder: Path, seed: int) -> None:
    """A working copy of nanoGPT's own files that differs in its seed, for which it has no option."""
    for name in ("train.py", "model.py", "configurator.py", "config/train_shakespeare_char.py"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, folder / name)
    script = (source / "train.py").read_text(encoding="utf-8")
    if script.count(SEED_LINE) != 1:
        sys.exit(
            f"{source / 'train.py'}: the line {SEED_LINE} is not there once: this is another nanoGPT than expected"
        )
    seeded = script.replace(SEED_LINE, SEED_LINE.replace("1337", str(1337 + seed)))
    (folder / "train.py").write_text(seeded, encoding="utf-8")


def write_characters(text: Path, folder: Path) -> None:
    """The text as nanoGPT reads it: characters as their place in the sorted alphabet, 16 bits each, and that alphabet."""
    import numpy

    content = text.read_text(encoding="utf-8")
    alphabet = sorted(set(content))
    numbers = {character: number for number, character in enumerate(alphabet)}
    ids = numpy.array([numbers[character] for character in content], dtype=numpy.uint16)
    first = int(len(content) * TRAIN_SHARE)
    folder.mkdir(parents=True, exist_ok=True)
    ids[:first].tofile(folder / "train.bin")
    ids[first:].tofile(folder / "val.bin")
    meta = {"vocab_size": len(alphabet), "itos": dict(enumerate(alphabet)), "stoi": numbers}
    (folder / "meta.pkl").write_bytes(pickle.dumps(meta))  # nanoGPT reads nothing else


def training_seconds(log: str, iterations: int) -> float:
    """The iteration times that nanoGPT prints, added up, without those of iterations in which it evaluated."""
    times, evaluated, total = 0, False, 0.0
    for line in log.splitlines():
        if re.match(r"step \d+: train loss", line):
            evaluated = True
        elif found := re.match(r"iter (\d+): loss [\d.]+, time ([\d.]+)ms", line):
            if int(found[1]) < iterations:  # the one after the last checkpoint is not in the model
                times += 1
                total += 0.0 if evaluated else float(found[2]) / 1000
            evaluated = False
    if times != iterations:
        sys.exit(f"nanoGPT's log has {times} iterations, {iterations} were asked for")
    return total


def ratio_of(key: str, peer: Sequence[Outcome], ours: Sequence[Outcome], seeds: Sequence[int], note: str) -> Figure:
    """The peer's seconds over ours; without values where one of our runs did not reach the peer's mean loss."""
    target = {reading: statistics.mean(run.bits[reading] for run in peer) for reading in READINGS}
    reached = all(run.bits[reading] <= target[reading] for run in ours for reading in READINGS)
    pairs = [(theirs.seconds, own.seconds) for theirs, own in zip(peer, ours, strict=True)]
    return Figure(
        key,
        [theirs / own for theirs, own in pairs] if reached else [],
        seeds,
        "s",
        bar=4,
        aim=10,
        ours=[own for _, own in pairs],
        peer=[theirs for theirs, _ in pairs],
        note=note,
    )


def figures_of(
    outcomes: Mapping[str, Sequence[Outcome]], seeds: Sequence[int], source: Path, rate: float
) -> list[Figure]:
    """The ratios, where the loss was reached, and what they were computed from."""
    digest = hashlib.sha256((source / "train.py").read_bytes()).hexdigest()[:12]
    notes = (
        f"training seconds, nanoGPT's over ours; its train.py has SHA-256 {digest}",
        f"the same, nanoGPT at a learning rate of {rate:g}, the best of those tried, in place of {RATE:g}",
    )
    figures = []
    for tuned, note in zip(("", "_tuned"), notes, strict=True):
        peer, ours = outcomes.get(f"nanogpt{tuned}"), outcomes.get(f"trivium{tuned}")
        if peer is None or ours is None:
            continue
        figures.append(ratio_of(f"time_to_loss_vs_nanogpt{tuned}", peer, ours, seeds, note))
        for reading, ending in zip(READINGS, ("", "_overlapping"), strict=True):
            for name, runs in ((f"trivium{tuned}", ours), (f"nanogpt{tuned}", peer)):
                bits = [run.bits[reading] for run in runs]
                key = f"{name}_bits_per_character{ending}"
                figures.append(Figure(key, bits, seeds, "bits", better="lower", note=f"{reading} windows"))
    if "trivium" not in outcomes:
        return figures
    preparation = [run.preparation for run in outcomes["trivium"]]
    note = "gather and tokenize, start-up of both included; not in the ratio"
    return [*figures, Figure("trivium_preparation_seconds", preparation, seeds, "s", better="lower", note=note)]


def best_rate(bench: Bench, rates: Sequence[float], seed: int) -> float:
    """The peer's learning rate whose model scores best; a single one is taken as it is."""
    if len(rates) == 1:
        return rates[0]
    bits = {rate: bench.peer(seed, rate).bits[READINGS[0]] for rate in rates}
    for rate, value in bits.items():
        tell(f"nanoGPT at a learning rate of {rate:g}: {value:.4f} bits per character")
    return min(bits, key=lambda rate: bits[rate])


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Training seconds to nanoGPT's loss on tiny Shakespeare.")
    parser.add_argument("--nanogpt", type=Path, required=True, metavar="DIR", help="a checkout of nanoGPT")
    parser.add_argument("--data", type=Path, required=True, metavar="FILE", help="tiny Shakespeare's input.txt")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rates", type=float, nargs="+", default=[], help="learning rates to tune the peer by")
    parser.add_argument("--tuned-alone", action="store_true", help="leave the documented setting as it was measured")
    parser.add_argument("--quick", action="store_true", help="one seed, and a sample of the peer's speed")
    arguments = parser.parse_args()
    if arguments.tuned_alone and not arguments.rates:
        sys.exit(
            "--tuned-alone needs --rates: give the learning rates to tune the peer by, such as --rates 0.002 0.004"
        )
    for needed in (arguments.nanogpt / "train.py", arguments.data):
        if not needed.is_file():
            sys.exit(f"{needed}: there is no such file; give --nanogpt a checkout of nanoGPT, --data its input.txt")
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    where = machine(arguments.threads)
    with tempfile.TemporaryDirectory(prefix="trivium-time-to-loss-") as folder:
        paths = (arguments.nanogpt.resolve(), arguments.data.resolve(), Path(folder))
        bench = Bench(*paths, arguments.threads, arguments.quick)
        bench.cut()
        sides: dict[str, Callable[[int], Outcome]] = {}
        if not arguments.tuned_alone:
            sides = {"nanogpt": bench.peer, "trivium": bench.ours}
        rate = best_rate(bench, arguments.rates, seeds[0]) if arguments.rates else RATE
        if arguments.rates:
            sides["nanogpt_tuned"] = partial(bench.peer, rate=rate)
            sides["trivium_tuned"] = partial(bench.ours, steps=OUR_STEPS_TUNED)
        outcomes = interleave(sides, seeds)
    figures = figures_of(outcomes, seeds, arguments.nanogpt, rate)
    finish("time_to_loss", figures, where, quick=arguments.quick)


if __name__ == "__main__":
    main()
