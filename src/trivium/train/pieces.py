"""Tensors that several processes hold together, in safetensors files: written in pieces, read at any other cut.

A piece is some rows of a tensor. Where pieces of one name lie in several files they are found by their first rows, which
stand in the file's own header, so reading needs no file but these, and no other number of processes than one's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from trivium.base.errors import CheckpointError

PLACES = "places"  # of the header: name -> [first row, rows in all], for tensors that are not whole


@dataclass(frozen=True)
class Piece:
    """Rows `start` to `start + len(tensor)` of a tensor that has `rows` of them; `rows` is None for a whole tensor."""

    tensor: Tensor
    start: int = 0
    rows: int | None = None


def pieces_to_bytes(pieces: Mapping[str, Piece]) -> bytes:
    """The pieces as a safetensors file; pieces without rows are left out."""
    places = {name: [piece.start, piece.rows] for name, piece in pieces.items() if piece.rows is not None}
    tensors = {name: p.tensor.contiguous() for name, p in pieces.items() if p.rows is None or len(p.tensor)}
    return to_bytes(tensors, metadata={PLACES: json.dumps(places)})


class LazyTensors(Mapping[str, Tensor]):
    """The tensors of the names in `names`, each read by `read` when it is asked for."""

    def __init__(self, names: Collection[str], read: Callable[[str], Tensor]) -> None:
        self._names, self._read = names, read

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        return self._read(name)

    def __contains__(self, name: object) -> bool:
        return name in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class StoredTensors(LazyTensors):
    """The tensors of some files by name, read when asked for."""

    def __init__(self, files: Sequence[Path]) -> None:
        """Raises OSError or SafetensorError for a file that cannot be read."""
        self._prefix = ""
        self._found: dict[str, list[tuple[int, int | None, Any]]] = {}  # name -> first row, rows in all, file
        for path in files:
            file: Any = safe_open(path, framework="pt")
            places = json.loads((file.metadata() or {}).get(PLACES, "{}"))
            for name in file.keys():  # noqa: SIM118 - no mapping
                start, rows = places.get(name, (0, None))
                self._found.setdefault(name, []).append((start, rows, file))
        for found in self._found.values():
            found.sort(key=lambda place: place[0])

        super().__init__(self._found, self._whole)

    def under(self, prefix: str) -> StoredTensors:
        """Those whose names begin with `prefix`, by the rest of their names."""
        part = StoredTensors([])
        part._prefix = self._prefix + prefix
        part._found.update({n.removeprefix(prefix): f for n, f in self._found.items() if n.startswith(prefix)})
        return part

    def _whole(self, name: str) -> Tensor:
        _, rows, file = self._found[name][0]
        return file.get_tensor(self._prefix + name) if rows is None else self.rows(name, 0, rows)

    def is_scalar(self, name: str) -> bool:
        """Whether a tensor has no rows."""
        return not self._found[name][0][2].get_slice(self._prefix + name).get_shape()

    def rows(self, name: str, start: int, stop: int) -> Tensor:
        """Rows `start` to `stop` of a tensor. Raises CheckpointError where the files do not hold all of them."""
        parts, reached = [], start
        for first, _, file in self._found[name]:
            part = file.get_slice(self._prefix + name)
            last = min(first + part.get_shape()[0], stop)
            if first <= reached < last:
                parts.append(part[reached - first : last - first])
                reached = last
        if reached < stop:
            raise CheckpointError(
                f"rows {reached} to {stop} of {name} are missing; delete the state folder to start over"
            )
        if not parts:  # none were asked for: an empty tensor of the right width
            return self._found[name][0][2].get_slice(self._prefix + name)[0:0]  # type: ignore[no-any-return]
        return torch.cat(parts) if len(parts) > 1 else parts[0]
