"""Training tokens a second against nanoGPT and the Hugging Face Trainer, on the CPU, in turn and on the same tokens.

    python benchmarks/train_throughput.py --nanogpt DIR --data input.txt [--rounds 3] [--threads 2] [--quick]

All sides train a causal model of the same width, depth, row length, rows a step and vocabulary (the characters of the
text), with AdamW, without dropout, evaluation or checkpoints. Beside nanoGPT ours has its shape part for part (GPT-2's,
without biases); beside the Trainer both are Qwen3's, with three feed-forward matrices of 8/3 the width in place of two
of 4.
A side is a process of its own; of each run's steps the first few are left out, and the median of the others counts;
rounds alternate the sides.

The peers' settings: `default` is what their own files do on a CPU (nanoGPT: float32, AdamW one parameter at a time; the
Trainer: float32, fused AdamW). `best` gives both bfloat16 autocast and fused AdamW (nanoGPT's files switch both off on
a CPU: the two lines are changed in a copy). Of nanoGPT's compiled and uncompiled best the faster one counts, with
compile time left out. Peak memory is the process's largest resident size, the libraries included.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from figures import Figure, finish
from measure import ROOT, TRIVIUM, interleave, machine, offline, tell, watch
from time_to_loss import copy_nanogpt, write_characters

SIDES = Path(__file__).resolve().parent / "sides"
LEFT_OUT = 5
MICRO_ROWS = 4  # of ours at 10M: as fast as all 16 at once, with a quarter of the activations; a setting of any recipe
PATCHES = {
    "train.py": (
        "ctx = nullcontext() if device_type == 'cpu' else torch.amp.autocast(device_type=device_type, dtype=ptdtype)",
        "ctx = torch.amp.autocast(device_type=device_type, dtype=torch.bfloat16)",
    ),
    "model.py": ("use_fused = fused_available and device_type == 'cuda'", "use_fused = fused_available"),
}


@dataclass(frozen=True)
class Size:
    """A model and a step, the same on all sides."""

    name: str
    width: int
    layers: int
    heads: int
    length: int
    rows: int
    steps: int

    @property
    def tokens(self) -> int:
        return self.length * self.rows


LARGE = Size("10M", 384, 6, 6, 256, 16, 25)
TINY = Size("0.8M", 128, 4, 4, 64, 12, 405)


@dataclass(frozen=True)
class Run:
    """One side's run: tokens a second, peak bytes, and what the side said of itself."""

    speed: float
    peak: int
    said: dict[str, float]


@dataclass(frozen=True)
class Bench:
    """What all sides are given."""

    nanogpt: Path
    text: Path
    work: Path
    threads: int
    quick: bool

    @property
    def environment(self) -> dict[str, str]:
        return offline(self.threads)

    @property
    def stream(self) -> Path:
        """The training part as 16-bit character numbers."""
        return self.work / "characters" / "train.bin"

    @property
    def vocabulary(self) -> int:
        return len(set(self.text.read_text(encoding="utf-8")))

    def steps(self, size: Size) -> int:
        return LEFT_OUT + 4 if self.quick and size is LARGE else size.steps

    def script(self, name: str, size: Size, *more: str) -> Callable[[int], Run]:
        """A side that is one of our scripts."""

        def run(seed: int) -> Run:
            folder = Path(tempfile.mkdtemp(dir=self.work))
            shape = {"width": size.width, "layers": size.layers, "heads": size.heads, "length": size.length}
            numbers = shape | {"rows": size.rows, "steps": self.steps(size), "threads": self.threads, "seed": seed}
            numbers |= {"vocab": self.vocabulary}
            words = [word for key, value in numbers.items() for word in (f"--{key}", str(value))]
            paths = ["--tokens", str(self.stream), "--work", str(folder / "out")]
            command = [sys.executable, str(SIDES / f"{name}.py"), *words, *paths, *more]
            watched = watch(command, folder / "log", environment=self.environment)
            lines = [line for line in watched.output.splitlines() if line.startswith("{")]
            said = json.loads(lines[-1])
            seconds = statistics.median(said.pop("seconds")[LEFT_OUT - 1 :])
            return Run(size.tokens / seconds, watched.peak_bytes or 0, said)

        return run

    def peer(self, size: Size, *, best: bool, compiled: bool = False) -> Callable[[int], Run]:
        """nanoGPT in a copy of its files."""

        def run(seed: int) -> Run:
            folder = Path(tempfile.mkdtemp(dir=self.work))
            copy_nanogpt(self.nanogpt, folder, seed)
            if best:
                for name, (old, new) in PATCHES.items():
                    text = (folder / name).read_text(encoding="utf-8")
                    if text.count(old) != 1:
                        sys.exit(f"{self.nanogpt / name}: the line '{old}' is not there once: this is another nanoGPT")
                    (folder / name).write_text(text.replace(old, new), encoding="utf-8")
            write_characters(self.text, folder / "data" / "shakespeare_char")
            steps = self.steps(size)
            settings = {
                "device": "cpu",
                "compile": compiled,
                "eval_interval": 10**6,
                "eval_iters": 1,
                "log_interval": 1,
                "block_size": size.length,
                "batch_size": size.rows,
                "n_layer": size.layers,
                "n_head": size.heads,
                "n_embd": size.width,
                "dropout": 0.0,
                "max_iters": steps,
                "lr_decay_iters": steps,
            }
            words = [f"--{key}={value}" for key, value in settings.items()]
            command = [sys.executable, "train.py", "config/train_shakespeare_char.py", *words]
            watched = watch(command, folder / "log", environment=self.environment, folder=folder)
            times = [
                float(found) for found in re.findall(r"^iter \d+: loss [\d.]+, time ([\d.]+)ms", watched.output, re.M)
            ]
            return Run(size.tokens / (statistics.median(times[LEFT_OUT:]) / 1000), watched.peak_bytes or 0, {})

        return run

    def first_step(self, seed: int) -> float:
        """Seconds from `trivium run` to the first row of metrics, with the data prepared before."""
        name, folder = f"first-{seed}", self.work
        recipe = str(ROOT / "recipes" / "shakespeare.yaml")
        source = f"gather.sources.0.path={json.dumps(str(self.text))}"
        common = [
            *TRIVIUM,
            "run",
            recipe,
            "--set",
            source,
            "--set",
            "pretrain.steps=20",
            "--name",
            name,
            "--runs",
            str(folder),
        ]
        watch([*common, "--until", "tokenize"], folder / f"{name}-0.log", environment=self.environment)
        return watch(
            [*common, "--until", "pretrain"],
            folder / f"{name}-1.log",
            environment=self.environment,
            until=folder / name / "pretrain" / "trivium" / "metrics.jsonl",
        ).seconds


def figures_of(
    large: dict[str, list[Run]], tiny: dict[str, list[Run]], first: list[float], seeds: list[int]
) -> list[Figure]:
    """Ratios of tokens a second and of memory, round by round."""

    def ratio(key: str, own: list[Run], peer: list[Run], *, bar: float, aim: float, note: str) -> Figure:
        ours = [run.speed for run in own]
        theirs = [run.speed for run in peer]
        values = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        return Figure(key, values, seeds, "tokens/s", bar=bar, aim=aim, ours=ours, peer=theirs, note=note)

    best = large["nanoGPT best"]
    note = "bfloat16 autocast, fused AdamW"
    if "nanoGPT best, compiled" in large:
        compiled = large["nanoGPT best, compiled"]
        if statistics.median(run.speed for run in compiled) > statistics.median(run.speed for run in best):
            best, note = compiled, f"{note}, compiled (its compile time left out)"
        else:
            note = f"{note}; compiling made it no faster"
    own, qwen = large["Trivium"], large["Trivium, Qwen3's parts"]
    share = [run.speed * run.said["flops_per_token"] / (run.said["peak_gflops"] * 1e9) for run in own]
    memory = [mine.peak / other.peak for mine, other in zip(own, large["nanoGPT default"], strict=True)]
    return [
        ratio("train_vs_nanogpt_default", own, large["nanoGPT default"], bar=1.7, aim=1.85, note="10M, its own files"),
        ratio("train_vs_nanogpt_best", own, best, bar=1.05, aim=1.1, note=f"10M, {note}"),
        ratio("train_vs_hf_default", qwen, large["Trainer default"], bar=1.7, aim=2.1, note="10M, float32"),
        ratio("train_vs_hf_best", qwen, large["Trainer best"], bar=1.1, aim=1.3, note="10M, bf16=True"),
        ratio(
            "tiny_vs_nanogpt",
            tiny["Trivium"],
            tiny["nanoGPT default"],
            bar=1.3,
            aim=1.8,
            note="0.8M, its documented CPU setting",
        ),
        Figure(
            "gemm_peak_share",
            share,
            seeds,
            bar=0.75,
            aim=0.85,
            note="10M, whole step; 6 N + 12 L d T operations a token over the bfloat16 peak measured in the same process",
        ),
        Figure(
            "memory_vs_nanogpt",
            memory,
            seeds,
            "GB",
            better="lower",
            bar=0.8,
            aim=0.5,
            ours=[run.peak / 1e9 for run in own],
            peer=[run.peak / 1e9 for run in large["nanoGPT default"]],
            note="10M, peak resident memory of the process",
        ),
        Figure(
            "first_step_seconds",
            first,
            seeds,
            "s",
            better="lower",
            bar=3,
            aim=2.2,
            note="`trivium run` with the data prepared, to the first step's row of metrics",
        ),
    ]


def main() -> None:
    """Measure, and print and write the figures."""
    parser = argparse.ArgumentParser(description="Training speed beside nanoGPT and the Hugging Face Trainer.")
    parser.add_argument("--nanogpt", type=Path, required=True, metavar="DIR", help="a checkout of nanoGPT")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="a text, such as tiny Shakespeare's input.txt"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--quick", action="store_true", help="one round of few steps, nothing compiled")
    given = parser.parse_args()
    for needed in (given.nanogpt / "train.py", given.data):
        if not needed.is_file():
            sys.exit(f"{needed}: there is no such file; give --nanogpt a checkout of nanoGPT, --data a text")
    seeds = list(range(1 if given.quick else given.rounds))
    where = machine(given.threads)
    with tempfile.TemporaryDirectory(prefix="trivium-throughput-") as folder:
        bench = Bench(given.nanogpt.resolve(), given.data.resolve(), Path(folder), given.threads, given.quick)
        write_characters(bench.text, bench.stream.parent)
        micro = ("--micro-rows", str(MICRO_ROWS))
        sides = {
            "Trivium": bench.script("train_trivium", LARGE, "--form", "nanogpt", *micro),
            "Trivium, Qwen3's parts": bench.script("train_trivium", LARGE, *micro),
            "nanoGPT default": bench.peer(LARGE, best=False),
            "Trainer default": bench.script("train_transformers", LARGE),
            "nanoGPT best": bench.peer(LARGE, best=True),
            "Trainer best": bench.script("train_transformers", LARGE, "--bf16"),
        }
        if not given.quick:
            sides["nanoGPT best, compiled"] = bench.peer(LARGE, best=True, compiled=True)
        large = interleave(sides, seeds)
        tiny = interleave(
            {
                "Trivium": bench.script("train_trivium", TINY, "--form", "nanogpt"),
                "nanoGPT default": bench.peer(TINY, best=False),
            },
            seeds,
        )
        first = interleave({"first step": bench.first_step}, seeds)["first step"]
    for name, runs in large.items():
        tell(
            f"{name}: {statistics.median(run.speed for run in runs):,.0f} tokens/s, {max(run.peak for run in runs) / 1e9:.2f} GB"
        )
    finish("train_throughput", figures_of(large, tiny, first, seeds), where, quick=given.quick)


if __name__ == "__main__":
    main()
