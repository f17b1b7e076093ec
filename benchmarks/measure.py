"""Watching runs: the machine in words, time and memory of a process tree, two sides in turn, the network off.

What is done with the numbers is in figures.py; what is measured, in each benchmark.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).resolve().parent / ".peers"  # environments of the peers that are packages
TRIVIUM = (sys.executable, "-m", "trivium")
SAMPLE_SECONDS = 0.1

Result = TypeVar("Result")


@dataclass(frozen=True)
class Watched:
    """How a watched process ended. `peak_bytes` is the resident memory of its whole tree, None where /proc is not."""

    seconds: float
    peak_bytes: int | None
    output: str


def tell(text: str) -> None:
    """Say how it goes, on stderr: stdout is for the table and the last line."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def work_folder(asked: Path | None, prefix: str) -> Iterator[Path]:
    """The folder to work in: the one asked for, which stays and whose finished stages are reused, or one that is thrown away."""
    if asked is not None:
        asked.mkdir(parents=True, exist_ok=True)
        yield asked.resolve()
        return
    with tempfile.TemporaryDirectory(prefix=prefix) as folder:
        yield Path(folder)


def figures_of_stage(run: Path, stage: str) -> dict[str, Any]:
    """The figures that a finished stage of a run recorded."""
    record: dict[str, Any] = json.loads((run / stage / "trivium" / "stage.json").read_text(encoding="utf-8"))
    figures: dict[str, Any] = record["figures"]
    return figures


def cpu_seconds(run: Path, *stages: str) -> float:
    """Processor seconds of these stages' training, all threads together; looks and measuring left out."""
    return sum(float(figures_of_stage(run, stage)["cpu_seconds"]) for stage in stages)


def machine(threads: int = 0) -> str:
    """Processor, cores, memory, system, Python, torch, threads (0: all cores) and the load just now, in one line."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parts = [
        processor(),
        f"{cores} cores",
        f"{memory:.0f} GiB",
        platform.system(),
        f"Python {platform.python_version()}",
        f"torch {metadata.version('torch')}",
        f"threads {threads or cores}",
        f"load {os.getloadavg()[0]:.1f} at the start",
    ]
    return ", ".join(parts)


def offline(threads: int) -> dict[str, str]:
    """The environment of a side: so many threads, and no network."""
    return {"OMP_NUM_THREADS": str(threads), "HF_HUB_OFFLINE": "1"}


def peer_python(name: str, packages: Sequence[str]) -> str:
    """The interpreter of a peer's environment, which is made with those packages where there is none."""
    folder = PEERS / name
    python = folder / "bin" / "python"
    if not (folder / ".done").exists():
        tell(f"making {folder.relative_to(ROOT)} with {', '.join(packages)}; this happens once")
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, *packages], check=True)
        (folder / ".done").touch()
    return str(python)


def processor() -> str:
    """The processor's name as the system gives it, with family and model where the name hides them."""
    found: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    except OSError:
        return platform.processor() or platform.machine()
    name = found.get("model name", platform.machine())
    return f"{name} (family {found['cpu family']}, model {found['model']})" if "cpu family" in found else name


def run_command(recipe: Path, runs: Path, name: str, settings: Iterable[str], *more: str) -> list[str]:
    """`trivium run` of a recipe with settings (`seed=0`), in the run `name` of the folder `runs`."""
    words = [word for setting in settings for word in ("--set", setting)]
    return [*TRIVIUM, "run", str(recipe), *words, *more, "--name", name, "--runs", str(runs)]


def watch(
    command: Sequence[str],
    log: Path,
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path = ROOT,
    until: Path | None = None,
) -> Watched:
    """Run a command to its end, both outputs into `log`; `seconds` are those until the file `until` holds something,
    where one is given. Leaves with the log's last lines where it fails."""
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    process, started = start(command, log, environment=environment, folder=folder), time.perf_counter()
    peak: int | None = None
    reached: float | None = None
    try:
        while process.poll() is None:
            if until is not None and reached is None:
                if until.exists() and until.stat().st_size:
                    reached = time.perf_counter() - started
                time.sleep(SAMPLE_SECONDS / 10)
                continue
            now = tree_memory(process.pid)
            peak = now if peak is None else max(peak, now or 0)
            time.sleep(SAMPLE_SECONDS)
    finally:  # also where we are stopped: what we started does not outlive us
        end(process)
        signal.signal(signal.SIGTERM, before)
    seconds = time.perf_counter() - started if reached is None else reached
    output = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode != 0:
        tail = "\n".join(output.splitlines()[-20:])
        sys.exit(
            f"{' '.join(command)}\nended with {process.returncode} after {seconds:.0f} s; the log ends so:\n{tail}"
        )
    return Watched(seconds, peak, output)


def start(
    command: Sequence[str], log: Path, *, environment: Mapping[str, str] | None = None, folder: Path = ROOT
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, both outputs appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), **(environment or {})},
            process_group=0,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process group of `process` with SIGKILL, unless it has ended, and wait for it."""
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tree_memory(root: int) -> int | None:
    """Resident bytes of a process and all its descendants now (shared pages count for each); None without /proc."""
    if not Path("/proc/self/stat").exists():
        return None
    children: dict[int, list[int]] = {}
    resident: dict[int, int] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            except OSError:
                continue  # it has just ended
            number = int(folder.name)
            children.setdefault(int(fields[1]), []).append(number)
            resident[number] = int(fields[21]) * os.sysconf("SC_PAGE_SIZE")
    total, open_numbers = 0, [root]
    while open_numbers:
        number = open_numbers.pop()
        total += resident.get(number, 0)
        open_numbers += children.get(number, [])
    return total


def interleave(sides: Mapping[str, Callable[[int], Result]], seeds: Sequence[int]) -> dict[str, list[Result]]:
    """Each side's results by seed, taken in turn (a, b, a, b, ...), so that a drift of the machine meets all alike."""
    results: dict[str, list[Result]] = {name: [] for name in sides}
    for seed in seeds:
        for name, side in sides.items():
            tell(f"{name}, seed {seed}: load {os.getloadavg()[0]:.1f}")
            results[name].append(side(seed))
    return results


def no_network() -> list[str]:
    """The words before a command that take its network away, and none where this system does not let us."""
    prefix = ["unshare", "--map-root-user", "--net"]
    try:
        done = subprocess.run([*prefix, "true"], capture_output=True, check=False)
    except OSError:
        return []
    return prefix if done.returncode == 0 else []
