"""What this machine and this process have of memory, as the system tells it. No torch here.

A system that does not tell (no /proc, no control groups) is taken to have no limit: nothing is refused on a guess.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

CONTAINERS = (  # the control group's limit and what of it is used: version 2, version 1
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)


def free_bytes(system: Path = Path("/")) -> float:
    """What a process can still take without another one losing it; infinite where that is not told."""
    return min(_available(system / "proc/meminfo"), _left_to_the_container(system / "sys/fs/cgroup"))


def _available(path: Path) -> float:
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024.0 * float(line.split()[1])
    return float("inf")


def _left_to_the_container(root: Path) -> float:
    for most, used in CONTAINERS:
        with contextlib.suppress(OSError, ValueError):  # 'max' is no number: no limit
            return float((root / most).read_text(encoding="utf-8")) - float((root / used).read_text(encoding="utf-8"))
    return float("inf")


def resident_bytes() -> float:
    """What this process holds now; 0 where that is not told."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1])
        return float(pages * os.sysconf("SC_PAGE_SIZE"))
    return 0.0


def peak_resident_bytes() -> float:
    """The most that this process has held at once; 0 where that is not told."""
    try:
        import resource
    except ImportError:  # Windows
        return 0.0
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(most if sys.platform == "darwin" else 1024 * most)
