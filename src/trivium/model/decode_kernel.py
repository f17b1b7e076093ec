"""Three small functions in C between the matrix products of a decoding step, built by the system's compiler where there is one.

A step for a few rows is some thirty operations a layer, most of which take longer to start than to run, and in PyTorch
a step's attention reads keys and values at a fraction of the memory's speed. These do the work in three calls a layer
(docs/decisions.md has the figures). Building takes about a second, once for each machine, compiler and version; the result
lies in the user's cache folder. Without a compiler everything works as before, slower.

Legend as in decode_kernel.c.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_suffix(".c")
CACHE = Path(".cache") / "trivium"  # under the user's home
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-fopenmp", "-fPIC")
SECONDS = 60


class Kernel:
    """The functions of a built library, on contiguous bfloat16 tensors of the CPU."""

    def __init__(self, library: ctypes.CDLL) -> None:
        number, pointer, real = ctypes.c_int64, ctypes.c_void_p, ctypes.c_float
        self._over_norm, self._swiglu, self._attend = library.over_norm, library.swiglu, library.attend
        self._over_norm.argtypes = [pointer, pointer, number, number, real]
        self._swiglu.argtypes = [pointer, pointer, number, number]
        self._attend.argtypes = [*[pointer] * 10, real, real]
        for function in (self._over_norm, self._swiglu, self._attend):
            function.restype = None

    def over_norm(self, values: Tensor, room: float) -> Tensor:
        """x / sqrt(|x|^2 + room) over the last axis of (B, D)."""
        result = torch.empty_like(values)
        self._over_norm(values.data_ptr(), result.data_ptr(), *values.shape, room)
        return result

    def swiglu(self, gate_up: Tensor) -> Tensor:
        """silu(gate) * up, (B, F), of gate and up side by side (B, 2 F)."""
        result = gate_up.new_empty(len(gate_up), gate_up.shape[1] // 2)
        self._swiglu(gate_up.data_ptr(), result.data_ptr(), *result.shape)
        return result

    def attend(
        self,
        qkv: Tensor,
        turn: tuple[Tensor | None, Tensor, Tensor],
        store: Tensor,
        positions: Tensor,
        sizes: tuple[int, int, int],
        epsilon: float,
    ) -> Tensor:
        """What attention gives, (B, H E), to the new token of each of the first B slots, from `qkv` (B, (H + 2K) E).

        Its keys and values are written to `store` (2, slots, K, C, E) at `positions` (B,). `turn` holds the weights of the
        heads' norm (H + K, E), with the root of E and attention's scale in them, or None, and the tables of cosines and
        sines (positions, E/2), float32; `sizes` are H, K and the layer's window (0: all).
        """
        heads, groups, window = sizes
        capacity, size = store.shape[3:]
        result = qkv.new_empty(len(qkv), heads * size)
        threads = torch.get_num_threads()
        scores = torch.empty(threads, capacity)
        weight, cosines, sines = turn
        numbers = (ctypes.c_int64 * 7)(len(qkv), heads, groups, size, capacity, window, threads)
        keys = store.data_ptr()
        self._attend(
            qkv.data_ptr(),
            None if weight is None else weight.data_ptr(),
            cosines.data_ptr(),
            sines.data_ptr(),
            keys,
            keys + store.stride(0) * store.element_size(),
            positions.data_ptr(),
            scores.data_ptr(),
            result.data_ptr(),
            ctypes.addressof(numbers),
            size * epsilon,
            size**-0.5 if weight is None else 1.0,
        )
        return result


@functools.cache
def kernel() -> Kernel | None:
    """The built functions; None where there is no compiler, or it fails."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if sys.platform != "linux" or compiler is None:
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError, AttributeError, RuntimeError):
        folder = Path.home() / CACHE
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = folder / f"decode-{_key(compiler)}.so"
        if not path.exists():
            _build(compiler, path)
        return Kernel(ctypes.CDLL(str(path)))
    return None


def _key(compiler: str) -> str:
    """Of all that the library depends on: a home folder may be shared by different machines."""
    version = subprocess.run([compiler, "--version"], capture_output=True, check=True, timeout=SECONDS).stdout
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("model name", "flags"))]
    parts = [SOURCE.read_bytes(), version, "\n".join(sorted(set(cpu))).encode(), " ".join(FLAGS).encode()]
    parts.append(torch.__version__.encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _build(compiler: str, path: Path) -> None:
    """Compile and link. The flags are left out in linking, where -ffast-math would change the whole process's rounding of the
    smallest numbers; OpenMP is then PyTorch's own, so that both share one set of threads."""
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        compiled, linked = Path(work) / "decode.o", Path(work) / "decode.so"
        for command in (
            [compiler, *FLAGS, "-c", str(SOURCE), "-o", str(compiled)],
            [compiler, "-shared", str(compiled), *_openmp(), "-lm", "-o", str(linked)],
        ):
            subprocess.run(command, capture_output=True, check=True, timeout=SECONDS)
        os.replace(linked, path)


def _openmp() -> list[str]:
    """The words that link PyTorch's own copy of OpenMP's library, where it brings one."""
    own = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return [str(own[0]), f"-Wl,-rpath,{own[0].parent}"] if own else ["-lgomp"]
