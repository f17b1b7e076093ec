"""Units done by processes of this machine, or by datatrove or Ray where the user has them; the results are the same.

A worker is a fresh interpreter that is told the folder of the plan, so nothing is pickled and a caller's main module does
not matter. The bridges to datatrove and Ray are in executors.py.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Literal

from trivium.base.errors import DataError, Interrupted, RunError, UserError
from trivium.base.files import read_json
from trivium.data.units import FAULT, Plan, do_unit, is_done, underway, write_plan

Executor = Literal["local", "datatrove", "ray"]
PACKAGES = Path(__file__).resolve().parents[2]
WORTH_A_PROCESS = 8 << 20  # bytes; a worker starts in about half a second
LOOK_SECONDS = 0.05
TAIL = 2000
Report = Callable[[int], None]  # bytes of the units that are done, and about how many of those underway


def run_units(
    plan: Plan, folder: Path, *, workers: int, executor: Executor, report: Report, stopping: Callable[[], bool]
) -> None:
    """Do all units of `plan` in `folder`, `workers` at a time (0: one a core).

    Raises DataError for what is wrong with the data where the plan is strict, Interrupted when `stopping` turns True, and
    RunError where a worker dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FAULT).unlink(missing_ok=True)
    write_plan(plan, folder)
    open_units = [unit for unit in plan.units if not is_done(unit, folder)]
    workers = min(workers or _cores(), max(1, len(open_units)))
    if executor != "local" and open_units:
        from trivium.data import executors

        (executors.run_with_datatrove if executor == "datatrove" else executors.run_with_ray)(
            folder, len(plan.units), workers
        )
    elif workers == 1 or sum(unit.size for unit in open_units) < WORTH_A_PROCESS:
        for number in range(len(plan.units)):
            _look(plan, folder, report, stopping)
            do_unit(plan, number, folder)
    else:
        _run_processes(plan, folder, workers, report, stopping)
    _raise_fault(folder)
    for number, unit in enumerate(plan.units):  # what a worker of a killed run still holds
        while not is_done(unit, folder) and not do_unit(plan, number, folder):
            _look(plan, folder, report, stopping)
            time.sleep(LOOK_SECONDS)


def _run_processes(plan: Plan, folder: Path, workers: int, report: Report, stopping: Callable[[], bool]) -> None:
    with tempfile.TemporaryFile() as errors:
        processes = [_start(folder, errors) for _ in range(workers)]
        try:
            while any(process.poll() is None for process in processes):
                _look(plan, folder, report, stopping)
                time.sleep(LOOK_SECONDS)
        finally:
            for process in processes:
                if process.poll() is None:
                    process.kill()
                process.wait()
        if any(process.returncode for process in processes):
            errors.seek(0)
            said = errors.read().decode("utf-8", "replace")[-TAIL:].strip()
            raise RunError(
                f"a worker ended with {max(process.returncode for process in processes)} ({said or 'killed; short of memory?'}); "
                "run the same command again: what was finished is kept; gather.workers sets how many work at once"
            )


def _start(folder: Path, errors: IO[bytes]) -> subprocess.Popen[bytes]:
    code = (
        f"import sys; sys.path.insert(0, {str(PACKAGES)!r}); from trivium.data.units import work; work({str(folder)!r})"
    )
    return subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors)


def _look(plan: Plan, folder: Path, report: Report, stopping: Callable[[], bool]) -> None:
    done = [unit.size for unit in plan.units if is_done(unit, folder)]
    if stopping():
        raise Interrupted(
            f"stopped after {len(done)} of {len(plan.units)} units of work; the same command goes on from there"
        )
    report(sum(done) + sum(underway(unit, folder) for unit in plan.units if not is_done(unit, folder)))


def _raise_fault(folder: Path) -> None:
    if (folder / FAULT).exists():
        fault: dict[str, Any] = read_json(folder / FAULT)
        raise (DataError if fault["kind"] == "DataError" else UserError)(fault["message"])


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
