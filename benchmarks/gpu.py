"""Training tokens a second and MFU on one GPU, of 124M and 350M weights, through `fit` as every stage calls it.

    PYTHONPATH=src python benchmarks/gpu.py [--minutes 8] [--quick]

The models have GPT-2's widths, layers and heads (12 x 768, 24 x 1024; heads of 64) and rows of 1,024 tokens of a vocabulary of
50,304; their feed-forward parts are three matrices of about 8/3 the width in place of two of 4, which is as many weights. A
step is 524,288 random tokens from a seed, with Muon and AdamW as the defaults have them; low numbers are drawn more often, so the
loss has somewhere to go. Settings (compiled or not, rows of a micro-batch) are tried one after the other while there is time;
one that does not fit is left out. The best is then measured from two more seeds. The first steps of a run, with what is
compiled in them, are not counted; the median of the others is.

    MFU = tokens/s x (6 N + 12 L d T) / 990e12

N: weights in matrix products, the head's with them; L d T: layers, width, row length (PaLM, appendix B; attention in full, not
half of it for being causal); 990 TFLOP/s: dense bfloat16 of an H100 or H200 as sold. Ends with one line of JSON.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch

from figures import Figure, finish
from measure import machine, tell
from trivium.base.device import Machine, choose_machine
from trivium.base.errors import TriviumError
from trivium.base.progress import Context, Progress
from trivium.base.words import Batch
from trivium.model.architecture import Architecture
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer, parameter_count
from trivium.optim.settings import OptimizerSettings, ScheduleSettings
from trivium.train.fit import Job, fit

PEAK = 990e12  # operations a second, dense bfloat16
LENGTH, VOCABULARY, TOKENS = 1024, 50304, 1 << 19
NEVER = 1e9  # seconds: nothing is saved while it is timed
LEFT_OUT = 3  # steps: compilers and allocators
ANCHOR, AIM = 490e3, 600e3  # tokens/s at 124M on one H200: modded-nanogpt's plain file of track 3; what we aim at


@dataclass(frozen=True)
class Size:
    """A model, and how it is tried: (compiled, rows of a micro-batch), the most promising first."""

    name: str
    width: int
    layers: int
    inner: int
    steps: int
    tries: Sequence[tuple[Literal["on", "off"], int]]

    @property
    def shape(self) -> Architecture:
        return Architecture(
            vocab_size=VOCABULARY,
            hidden_size=self.width,
            num_layers=self.layers,
            num_heads=self.width // 64,
            num_kv_heads=self.width // 64,
            head_dim=64,
            intermediate_size=self.inner,
            max_positions=LENGTH,
        )


SIZES = (
    Size("124m", 768, 12, 2048, 9, (("on", 64), ("off", 64), ("on", 32), ("on", 128))),
    Size("350m", 1024, 24, 2688, 7, (("on", 32), ("off", 32), ("on", 16))),
)
TINY = Size("tiny", 128, 2, 352, 5, (("off", 4),))


@dataclass(frozen=True)
class Run:
    """What a run reached: tokens a second of the median step, seconds of all, peak bytes, first and last loss, kernels."""

    speed: float
    seconds: float
    peak: int
    losses: tuple[float, float]
    kernels: str


def train(size: Size, where: Machine, rows: int, seed: int, tokens: int) -> Run:
    """Train a fresh model for the size's steps."""
    began = time.perf_counter()
    shape = size.shape
    model = Transformer(shape)
    initialise(model, torch.Generator().manual_seed(seed))
    model.to(where.device)

    def batches(step: int) -> list[Batch]:
        generator = torch.Generator().manual_seed(1_000_003 * seed + step)
        drawn = torch.rand(tokens // LENGTH, LENGTH + 1, generator=generator).pow(3)  # low numbers are common
        ids = (drawn * VOCABULARY).long()
        weights = torch.ones(rows, LENGTH)
        cuts = torch.split(ids, rows)
        return [Batch(cut[:, :-1].contiguous(), cut[:, 1:].contiguous(), weights[: len(cut)]) for cut in cuts]

    def hear(progress: Progress) -> None:
        if progress.note:
            tell(f"  {progress.note}")

    job = Job(
        steps=size.steps,
        batches=batches,
        optimizer=OptimizerSettings(name="muon"),
        schedule=ScheduleSettings(warmup=0, decay_share=0.0),
        machine=where,
        checkpoint_seconds=NEVER,
        step_flops=tokens * shape.flops_per_token(LENGTH),
        ahead=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        if where.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(where.device)
        told = list(fit(model, job, Context(Path(folder), {}, report=hear)))
    steps = [late.seconds - early.seconds for early, late in itertools.pairwise(told)][LEFT_OUT - 1 :]
    peak = torch.cuda.max_memory_allocated(where.device) if where.device.type == "cuda" else 0
    losses = told[0].loss, told[-1].loss
    return Run(tokens / statistics.median(steps), time.perf_counter() - began, peak, losses, told[-1].effort.kernels)


def utilisation(size: Size, speed: float) -> float:
    """MFU at so many tokens a second."""
    return speed * size.shape.flops_per_token(LENGTH) / PEAK


def try_all(size: Size, where: Machine, tokens: int, until: float, most: int) -> list[Run]:
    """Runs of the best of the size's settings: the one that won, and further seeds of it while there is time."""
    found: dict[tuple[Literal["on", "off"], int], Run] = {}
    longest = 0.0
    for compiled, rows in size.tries[:most]:
        if found and time.perf_counter() + longest > until:
            tell(f"{size.name}: no time for compile {compiled}, {rows} rows")
            continue
        tell(f"{size.name}: compile {compiled}, {rows} rows in a micro-batch")
        try:
            run = train(size, replace(where, compile=compiled), rows, 0, tokens)
        except (torch.OutOfMemoryError, TriviumError) as error:
            tell(f"  left out: {str(error).splitlines()[0]}")
            continue
        finally:
            if where.device.type == "cuda":
                torch.cuda.empty_cache()
        found[compiled, rows] = run
        longest = max(longest, run.seconds)
        print(
            f"{size.name:>5}  compile {compiled:<3}  {rows:>3} rows  {run.speed:>9,.0f} tokens/s  "
            f"MFU {utilisation(size, run.speed):6.1%}  "
            f"{run.peak / 1e9:5.1f} GB  loss {run.losses[0]:.2f} to {run.losses[1]:.2f}  {run.kernels}",
            flush=True,
        )
    if not found:
        return []
    compiled, rows = max(found, key=lambda how: found[how].speed)
    runs = [found[compiled, rows]]
    for seed in (1, 2):
        if most > 1 and time.perf_counter() + runs[0].seconds < until:
            runs.append(train(size, replace(where, compile=compiled), rows, seed, tokens))
    return runs


def figures_of(size: Size, runs: Sequence[Run]) -> list[Figure]:
    """The figures of a size, from the runs of its best setting."""
    seeds, speeds = list(range(len(runs))), [run.speed for run in runs]
    anchored = size.name == "124m"
    note = f"{runs[0].kernels}; peak {runs[0].peak / 1e9:.0f} GB" if runs else "no setting could be run"
    speed = Figure(
        f"train_gpu_{size.name}",
        speeds,
        seeds,
        "tokens/s",
        bar=ANCHOR if anchored else None,
        aim=AIM if anchored else None,
        note=note,
    )
    share = [utilisation(size, one) for one in speeds]
    return [speed, Figure(f"mfu_{size.name}", share, seeds, note="of 990 TFLOP/s; (6 N + 12 L d T) a token")]


def main() -> None:
    """Try, measure, tell."""
    parser = argparse.ArgumentParser(description="Training on one GPU: tokens a second and MFU.")
    parser.add_argument("--minutes", type=float, default=8.0, help="no new run begins that would end after them")
    parser.add_argument("--quick", action="store_true", help="one setting a size, a quarter of the tokens a step")
    parser.add_argument(
        "--rehearse", action="store_true", help="a tiny model on the CPU: whether this file works, no figure"
    )
    given = parser.parse_args()
    if not given.rehearse and not torch.cuda.is_available():
        sys.exit("gpu.py measures training on a GPU, and torch finds none on this machine")
    began = time.perf_counter()
    if given.rehearse:
        where = choose_machine("cpu", 1, "float32")
        for run in try_all(TINY, where, 8 * LENGTH, began + 60 * given.minutes, len(TINY.tries)):
            print(f"rehearsed in {run.seconds:.1f} s")
        return
    where = choose_machine("cuda")
    if where.dtype != torch.bfloat16:
        sys.exit(f"{torch.cuda.get_device_name()} has no bfloat16, in which this is measured")
    tokens, most = (TOKENS // 4, 1) if given.quick else (TOKENS, 9)
    told: list[Figure] = []
    for number, size in enumerate(SIZES, 1):
        tell(f"{size.name}: {parameter_count(Transformer(size.shape)):,} weights")
        until = began + 60 * given.minutes * number / len(SIZES)
        told += figures_of(size, try_all(size, where, tokens, until, most))
    finish("gpu", told, f"{torch.cuda.get_device_name()}, {machine()}", quick=given.quick)


if __name__ == "__main__":
    main()
