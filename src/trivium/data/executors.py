"""The same units under datatrove's local executor, or as Ray tasks. Both libraries are imported here alone.

Neither's own bookkeeping is trusted: a unit says itself whether it is done. datatrove keeps its marks in a folder that is new
each time, so that an old mark never hides new work.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trivium.base.errors import MissingExtra
from trivium.data.units import work

PACKAGES = Path(__file__).resolve().parents[2]


def share(folder: str, units: int, rank: int, world_size: int) -> None:
    """The units that fall to `rank` of `world_size` workers."""
    work(folder, range(units)[rank::world_size])


class UnitsStep:
    """A step of a datatrove pipeline, which may be anything that is called with (data, rank, world_size)."""

    def __init__(self, folder: str, units: int) -> None:
        self.folder, self.units = folder, units

    def __call__(self, data: Iterable[Any] | None, rank: int = 0, world_size: int = 1) -> None:
        share(self.folder, self.units, rank, world_size)


def run_with_datatrove(folder: Path, units: int, workers: int) -> None:
    """Do the units with datatrove's LocalPipelineExecutor. Raises MissingExtra without datatrove."""
    try:
        from datatrove.executor import LocalPipelineExecutor
    except ImportError:
        raise MissingExtra("datatrove", "scale", "gather.executor: datatrove") from None
    with tempfile.TemporaryDirectory() as marks:
        LocalPipelineExecutor(
            pipeline=[UnitsStep(str(folder), units)], tasks=workers, workers=workers, logging_dir=marks
        ).run()


def run_with_ray(folder: Path, units: int, workers: int) -> None:
    """Do the units as Ray tasks, on the cluster that Ray is connected to or on this machine. Raises MissingExtra."""
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", "scale", "gather.executor: ray") from None
    started = not ray.is_initialized()
    if started:
        ray.init(num_cpus=workers, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
    try:
        task = ray.remote(_ray_task)
        ray.get([task.remote(str(PACKAGES), str(folder), units, rank, workers) for rank in range(workers)])
    finally:
        if started:
            ray.shutdown()


def _ray_task(packages: str, folder: str, units: int, rank: int, world_size: int) -> None:
    if packages not in sys.path:
        sys.path.insert(0, packages)
    share(folder, units, rank, world_size)
