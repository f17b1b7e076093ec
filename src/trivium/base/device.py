"""Which device, how many threads, which precision: decided once at the start of a stage, and recorded.

`measure_gemm` times a matrix product; bfloat16 is used only where it is faster than float32 by a margin, because a
CPU without the instructions emulates it tens of times slower.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import platform
import sys
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from trivium.base.errors import UserError
from trivium.base.native import compiler
from trivium.base.ranks import ALONE, Compile, Ranks

Precision = Literal["auto", "float32", "bfloat16"]
MARGIN = 1.15  # bfloat16 must win by this, or the conversions around a product eat the gain
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of mallopt(3)


@dataclass(frozen=True)
class Machine:
    """Where tensors live and what matrix products are computed in. Weights stay float32. `compile` says whether training compiles
    its blocks: auto is on a GPU where it pays, and off elsewhere."""

    device: torch.device
    dtype: torch.dtype
    threads: int
    compile: Compile = "auto"

    def autocast(self, *, enabled: bool = True) -> AbstractContextManager[Any]:
        """The context in which a forward pass runs; or one inside of it in which types are left as they are."""
        if self.dtype == torch.float32:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, self.dtype, enabled=enabled)

    def facts(self) -> dict[str, Any]:
        """What a result's bits may depend on, for the records."""
        return {
            "device": str(self.device),
            "precision": str(self.dtype).removeprefix("torch."),
            "threads": self.threads,
            "compile": self.compile,
            "torch": torch.__version__,
            "processor": platform.processor() or platform.machine(),
            "compiler": compiler() is not None,  # without one nothing is computed in C
        }


def choose_machine(
    device: str = "auto", threads: int = 0, precision: str = "auto", ranks: Ranks = ALONE, compiling: Compile = "auto"
) -> Machine:
    """The machine for a stage; of several processes on one computer each gets its GPU, or its share of the cores.

    Raises UserError, naming what is supported, for a device that is not there or cannot be shared.
    """
    if threads < 0:
        raise UserError(f"threads is {threads}; it must be 0 (all cores) or more")
    count = threads or max(1, usable_cores() // ranks.local_size)
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)
    keep_freed_memory()
    chosen = _device(device) if ranks.size == 1 else _device_of(ranks, _device(device))
    if precision not in ("auto", "float32", "bfloat16"):
        raise UserError(f"precision is '{precision}'; supported: auto, float32, bfloat16")
    if precision == "auto":
        if chosen.type == "cuda":
            precision = "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
        elif chosen.type == "cpu":
            precision = "bfloat16" if measure_gemm(torch.bfloat16) > MARGIN * measure_gemm(torch.float32) else "float32"
        else:
            precision = "float32"
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    if chosen.type == "cuda":  # what stays float32 beside bfloat16 need not be exact; float32 that was asked for is
        torch.set_float32_matmul_precision("highest" if dtype == torch.float32 else "high")
    return Machine(chosen, dtype, count, compiling)


def _device(name: str) -> torch.device:
    available = ["cpu"]
    if torch.cuda.is_available():
        available.insert(0, "cuda")
    elif torch.backends.mps.is_available():
        available.insert(0, "mps")
    if name == "auto":
        return torch.device(available[0])
    if name not in available:
        raise UserError(f"device is '{name}'; this machine has: {', '.join(available)}, or say auto")
    return torch.device(name)


def _device_of(ranks: Ranks, device: torch.device) -> torch.device:
    """The device of one of several processes."""
    if device.type == "mps":
        raise UserError("device mps serves one process; start one, or say device: cpu")
    if device.type == "cpu":
        return device
    if ranks.local_size > (there := torch.cuda.device_count()):
        raise UserError(
            f"{ranks.local_size} processes on this machine and {there} GPUs: start {there} (--nproc-per-node {there}), or "
            "say device: cpu"
        )
    own = torch.device("cuda", ranks.local_rank)
    torch.cuda.set_device(own)
    return own


def memory_of(device: torch.device) -> int:
    """Bytes of the device, or of the machine."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def usable_cores() -> int:
    """Cores that this process may run on (a container's limit counts)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # macOS
        return os.cpu_count() or 1


def measure_gemm(dtype: torch.dtype, size: int = 512, seconds: float = 0.03) -> float:
    """Measured GFLOP/s of a (size, size) matrix product on the CPU; the best of several."""
    a, b = torch.randn(size, size).to(dtype), torch.randn(size, size).to(dtype)
    best, end = float("inf"), time.perf_counter() + seconds
    rounds = 0
    while rounds < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        best = min(best, time.perf_counter() - start)
        rounds += 1
    return 2.0 * size**3 / best / 1e9


def keep_freed_memory() -> None:
    """Tell glibc to keep large freed blocks: a training step asks for the same ones again, and fresh pages from the
    kernel cost several per cent of a step (docs/decisions.md). Does nothing on other C libraries."""
    if sys.platform != "linux":
        return
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(M_MMAP_THRESHOLD, 1 << 30)
        library.mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
