"""A device that is not the CPU, where there is none: tensors that say that they are elsewhere and compute on the CPU.

`pretend_device()` is a context in which `AWAY` is such a device. As on a real one, an operation on tensors of both sides
fails; only a copy crosses over (and a scalar, or CPU indices into a tensor that is away, as torch allows everywhere).
What it cannot tell is whether a real device has a kernel for each operation. `WAITS` are the names of the operations for which
the caller would have to wait until a real device has computed their input, because it wants to know what is in it.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

AWAY = torch.device("meta")  # the one name that torch lets pass without a driver behind it
CROSSINGS = ("_to_copy", "copy_", "_local_scalar_dense")
INDEXINGS = ("index", "index_put", "index_put_")
READINGS = ("_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "equal", "repeat_interleave")
WAITS: list[str] = []


class AwayTensor(Tensor):
    """`held` on the CPU, with the name of the other device on it."""

    held: Tensor
    is_meta = False
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held: Tensor) -> AwayTensor:
        made: AwayTensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls, held.shape, strides=held.stride(), storage_offset=held.storage_offset(), dtype=held.dtype, device=AWAY
        )
        made.held = held
        return made

    def tolist(self) -> list[Any]:
        WAITS.append("tolist")
        return self.held.tolist()

    @classmethod
    def __torch_dispatch__(cls, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})


class _Mode(TorchDispatchMode):
    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(function, args, kwargs or {})


@contextlib.contextmanager
def pretend_device() -> Iterator[torch.device]:
    """The device, while the context lasts."""
    optimizer = sys.modules["torch.optim.optimizer"]
    fused, autocast, tensor = optimizer._get_fused_kernels_supported_devices, torch.is_autocast_enabled, torch.tensor
    with (
        mock.patch.object(optimizer, "_get_fused_kernels_supported_devices", lambda: [*fused(), AWAY.type]),
        mock.patch.object(torch, "is_autocast_enabled", lambda kind: kind != AWAY.type and autocast(kind)),
        mock.patch.object(torch, "tensor", lambda data, device=None, **more: tensor(data, **more).to(device or "cpu")),
        _Mode(),
    ):
        yield AWAY


def _compute(function: Any, args: Any, kwargs: Any) -> Any:
    name = function.overloadpacket.__name__
    if name == "to":  # whole only in inference mode, with the device anywhere among its arguments
        with _Mode():
            return function.decompose(*args, **kwargs)
    tensors = [value for value in tree_leaves((args, kwargs)) if isinstance(value, Tensor)]
    assert all(isinstance(tensor, AwayTensor) or tensor.device != AWAY for tensor in tensors), "made behind our back"
    away = {id(tensor.held): tensor for tensor in tensors if isinstance(tensor, AwayTensor)}
    here = [tensor for tensor in tensors if not isinstance(tensor, AwayTensor) and tensor.dim() and tensor.numel()]
    by_indices = name in INDEXINGS and isinstance(args[0], AwayTensor) and all(t.dtype == torch.long for t in here)
    if away and here and name not in CROSSINGS and not by_indices:
        raise RuntimeError(f"{function}: expected all tensors to be on the same device, found two")
    asked = kwargs.get("device")
    if away and _waits(name, args, kwargs):
        WAITS.append(name)
    if asked is not None:
        kwargs = {**kwargs, "device": torch.device("cpu")}
    to_away = bool(away) if asked is None else torch.device(asked) == AWAY

    def named(value: Any) -> Any:
        if not isinstance(value, Tensor) or not to_away:
            return value
        return away[id(value)] if id(value) in away else AwayTensor(value)

    plain_args, plain_kwargs = tree_map(lambda v: v.held if isinstance(v, AwayTensor) else v, (args, kwargs))
    result = function(*plain_args, **plain_kwargs)
    with torch.inference_mode(False):  # a view made inside of it, of a tensor made outside, is an ordinary tensor
        result = tree_map(named, result)
    return args[0] if name == "copy_" else result


def _waits(name: str, args: Any, kwargs: Any) -> bool:
    """Whether an operation with a tensor that is away tells the caller what is in it."""
    if name in INDEXINGS:
        return any(isinstance(index, Tensor) and index.dtype == torch.bool for index in args[1])
    if name == "copy_":
        return isinstance(args[1], AwayTensor) and not isinstance(args[0], AwayTensor)
    back = name == "_to_copy" and kwargs.get("device") is not None and torch.device(kwargs["device"]) != AWAY
    return back or name in READINGS
