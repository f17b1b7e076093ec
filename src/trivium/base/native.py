"""Small libraries in C, built by the system's compiler when they are first asked for, where there is one.

Building takes about a second, once for each source, type of numbers, machine, compiler and version of PyTorch; the result lies
in the user's cache folder. Who asks has a way of doing without: there may be no compiler, or the source may refuse the processor.
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
from collections.abc import Sequence
from pathlib import Path

import torch

CACHE = Path(".cache") / "trivium"  # under the user's home
HEADERS = Path(__file__).parent  # beside those in the folder of a source
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fno-finite-math-only", "-fopenmp", "-fPIC")
SECONDS = 60
NUMBERS = (torch.bfloat16, torch.float32)  # of which tensors may be


def compiler() -> str | None:
    """The system's C compiler, where libraries can be built at all."""
    return (shutil.which("cc") or shutil.which("gcc")) if sys.platform == "linux" else None


@functools.cache
def library(source: Path, number: torch.dtype = torch.bfloat16) -> ctypes.CDLL | None:
    """The library built of the C file `source`, whose tensors are of `number` (bfloat16 or float32); None where there is no
    compiler, or it fails."""
    if (found := compiler()) is None:
        return None
    with contextlib.suppress(OSError, subprocess.SubprocessError, RuntimeError):
        folder = Path.home() / CACHE
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        wide = number == torch.float32
        path = folder / f"{source.stem}-{'float32-' if wide else ''}{_key(found, source)}.so"
        if not path.exists():
            _build(found, source, path, ["-DFLOAT32"] if wide else [])
        return ctypes.CDLL(str(path))
    return None


def _key(command: str, source: Path) -> str:
    """Of all that the library depends on: a home folder may be shared by different machines."""
    files = [source, *sorted({*HEADERS.glob("*.h"), *source.parent.glob("*.h")})]
    parts = [*(file.read_bytes() for file in files), _surroundings(command)]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


@functools.cache
def _surroundings(command: str) -> bytes:
    """The compiler's version, the processor, the flags, and PyTorch's version."""
    version = subprocess.run([command, "--version"], capture_output=True, check=True, timeout=SECONDS).stdout
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith(("model name", "flags"))]
    parts = [version, "\n".join(sorted(set(cpu))).encode(), " ".join(FLAGS).encode(), torch.__version__.encode()]
    return b"\0".join(parts)


def _build(command: str, source: Path, path: Path, words: Sequence[str] = ()) -> None:
    """Compile and link. The flags are left out in linking, where -ffast-math would change the whole process's rounding of the
    smallest numbers; OpenMP is then PyTorch's own, so that both share one set of threads."""
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        compiled, linked = Path(work) / "compiled.o", Path(work) / "linked.so"
        for call in (
            [*FLAGS, *words, f"-I{HEADERS}", "-c", str(source), "-o", str(compiled)],
            ["-shared", str(compiled), *_openmp(), "-lm", "-o", str(linked)],
        ):
            subprocess.run([command, *call], capture_output=True, check=True, timeout=SECONDS)
        os.replace(linked, path)


def _openmp() -> list[str]:
    """The words that link PyTorch's own copy of OpenMP's library, where it brings one."""
    own = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return [str(own[0]), f"-Wl,-rpath,{own[0].parent}"] if own else ["-lgomp"]
