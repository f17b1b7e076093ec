"""The other processes of a job: they wait for the first one, and run the stages that it calls them for.

The first process prepares data, keeps the records and talks, as it does when it is alone. Before a stage that all run it
gives the others what they need, so they read no recipe; while it works alone they wait, in no process group, without limit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.base.config import Settings
from trivium.base.progress import Context
from trivium.base.ranks import ALONE, Ranks
from trivium.journey.faults import explain
from trivium.journey.graph import STAGES, StageTable, load_stage, with_named

if TYPE_CHECKING:
    from trivium.train.distributed import Orders


@dataclass
class Lead:
    """The first process's hold on the others; the default has none. Leaving its `with` block lets them go."""

    ranks: Ranks = ALONE
    _orders: Orders | None = field(default=None, init=False)

    def __enter__(self) -> Lead:
        if self.ranks.size > 1:
            from trivium.train.distributed import Orders

            self._orders = Orders(self.ranks)
        return self

    def __exit__(self, *_: object) -> None:
        if self._orders:
            self._orders.give(None)

    def call(self, stage: str, settings: Settings, context: Context) -> None:
        """Have the others run `stage` too."""
        if self._orders:
            self._orders.give(
                {
                    "stage": stage,
                    "settings": settings.model_dump(mode="json"),
                    "folder": str(context.folder.resolve()),
                    "inputs": {name: str(folder.resolve()) for name, folder in context.inputs.items()},
                    "seed": context.seed,
                    "device": context.device,
                    "threads": context.threads,
                    "parallel": context.parallel,
                    "compile": context.compile,
                }
            )


def follow(ranks: Ranks, stopping: Callable[[], bool], stages: StageTable = STAGES) -> None:
    """Run every stage that the first process calls for, until it lets go. Raises what a stage raises."""
    from trivium.train.distributed import Orders

    orders = Orders(ranks)
    while (order := orders.take(stopping)) is not None:
        stage = load_stage(order["stage"], with_named({order["stage"]: order["settings"]}, stages))
        context = _context(order, ranks, stopping)
        try:
            stage.module.run(stage.settings.model_validate(order["settings"]), context)
        except BaseException as error:
            known = explain(error, context.folder)
            if known is None:
                raise
            raise known from error


def _context(order: dict[str, Any], ranks: Ranks, stopping: Callable[[], bool]) -> Context:
    return Context(
        folder=Path(order["folder"]),
        inputs={name: Path(folder) for name, folder in order["inputs"].items()},
        seed=order["seed"],
        device=order["device"],
        threads=order["threads"],
        stopping=stopping,
        ranks=ranks,
        parallel=order["parallel"],
        compile=order["compile"],
    )
