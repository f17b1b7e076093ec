"""The micro-batches of one step after the other, made ready for the device that computes them.

On the CPU they are made when they are asked for: a thread would take the cores that compute. Elsewhere a thread makes those of
the next step while the device is busy with this one, in pinned memory, from which a copy waits for nobody (`on_device`). What
a step holds stays a pure function of its number, so a resumed run reads the same; what goes wrong in the thread is raised
by `take` of the step that it belongs to.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any

import torch
from torch import Tensor

from trivium.base.product import SIZES
from trivium.base.words import Batch
from trivium.model.kernels import documents_of
from trivium.train.step import each_tensor


class Loader:
    """Gives the batches of `steps` steps, each as often as it is asked for. With `ahead` the next step's are made in a thread:
    `batches` then must not depend on what this process does meanwhile, nor talk to others."""

    def __init__(
        self, batches: Callable[[int], Sequence[Any]], steps: int, device: torch.device, *, ahead: bool
    ) -> None:
        self._batches, self._steps, self._device = batches, steps, device
        self._coming: tuple[int, Future[Sequence[Any]]] | None = None
        self._thread = None
        if ahead and device.type != "cpu":
            own = (torch.cuda.set_device, (device,)) if device.type == "cuda" and device.index is not None else ()
            self._thread = ThreadPoolExecutor(1, "loading", *own)  # a thread begins with the first GPU as its own

    def __enter__(self) -> Loader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)

    def take(self, step: int) -> Sequence[Any]:
        """The micro-batches of a 0-based step, in main memory. Raises what making them raised."""
        if self._thread is None:
            return self._made(step)
        coming, self._coming = self._coming, None
        here = coming[1].result() if coming is not None and coming[0] == step else self._made(step)
        if step + 1 < self._steps:
            self._coming = step + 1, self._thread.submit(self._made, step + 1)
        return here

    def _made(self, step: int) -> Sequence[Any]:
        batches = self._batches(step)
        if self._device.type == "cpu":
            return batches
        return [self._ready(batch) for batch in batches]

    def _ready(self, batch: Any) -> Any:
        if isinstance(batch, Batch) and batch.places is None:
            segments = documents_of(batch.segments) if isinstance(batch.segments, Tensor) else batch.segments
            batch = dataclasses.replace(batch, places=learned_places(batch.weights), segments=segments)
        return each_tensor(batch, _pinned) if self._device.type == "cuda" else batch


def _pinned(tensor: Tensor) -> Tensor:
    return tensor.pin_memory() if tensor.device.type == "cpu" else tensor


def learned_places(weights: Tensor) -> Tensor:
    """int64 (N,): where in the flat `weights` something is learned, for `linear_cross_entropy`. Filled up to a multiple of 64
    with a place where nothing is; all places where there is no such one."""
    flat = weights.reshape(-1)
    places = flat.nonzero().squeeze(1)
    if len(places) == len(flat):
        return places
    spare = int((flat == 0).nonzero()[0])
    return torch.cat([places, places.new_full((-len(places) % SIZES,), spare)])
