"""What a training step will hold in memory, found without taking any: the real model, loss and optimizer on torch's meta
device, where a tensor has a size and a lifetime but no content.

A ledger follows every block from its making to its freeing, forwards and backwards, so what is kept for the backward pass
is counted by the code that keeps it and not by a formula. Two things are stood in for, because the meta device has neither:
fused attention (else it would count a T x T matrix a head) and autocast. `tests/train/test_memory.py` holds the ledger
against the blocks of a real step; benchmarks/plan.py holds the whole against a run.
"""

from __future__ import annotations

import contextlib
import functools
import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from trivium.base.errors import UserError
from trivium.base.memory import free_bytes
from trivium.loss.language import chunk_positions
from trivium.model.architecture import row_counts
from trivium.model.attend import LONGEST
from trivium.model.transformer import Transformer
from trivium.optim.optimizer import Optimizer
from trivium.train.distributed import Team
from trivium.train.workload import Workload

REHEARSED = 1 << 14  # positions in a forward pass, at most
ADAM_BYTES = 8  # two float32 moments a weight
COPIES = 3  # of everything kept, while a checkpoint is written: the tensors, their bytes, and these joined
KERNELS = {"cpu": 130e6, "cuda": 200e6}  # what the libraries load and keep from the first step on
PROCESS = {"cpu": 275e6, "cuda": 500e6}  # before there is a model: Python with torch; on a GPU its context
SLACK = {"cpu": 0.15, "cuda": 0.08}  # share of what is alive that the allocator holds beside it (docs/decisions.md)


@dataclass(frozen=True)
class Memory:
    """Bytes on one device at the worst moment of training, by what they are for.

    `activations` are kept for the backward pass, `logits` are the head's working memory, `workspace` is what else is there
    at that moment (of the backward pass, or of Muon), `checkpoint` the copies of all that is kept while one is written beside
    the training (in main memory: on a GPU it takes none), `framework` is the library itself and the allocator's slack.
    `operations` are those that a step calls, each of which takes a moment however small it is.
    """

    weights: float
    gradients: float
    optimizer: float
    average: float
    activations: float
    logits: float
    workspace: float
    checkpoint: float
    framework: float
    operations: int = 0

    @property
    def parts(self) -> dict[str, float]:
        """The components by name, in the order in which they are shown."""
        return {part.name: getattr(self, part.name) for part in fields(self) if part.name != "operations"}

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    def sharded(self, devices: int, work: Workload) -> Memory:
        """The same where weights, gradients, moments and average are divided over `devices` (Rajbhandari et al. 2020, stage
        3): one block's weights and gradients are whole while it computes, and those of the next are on their way."""
        if devices == 1:
            return self
        share = {name: getattr(self, name) / devices for name in ("weights", "gradients", "optimizer", "average")}
        head = 4.0 * work.shape.vocab_size * work.shape.hidden_size
        block = (self.weights - head) / work.shape.num_layers
        return replace(self, **share, workspace=self.workspace + 2 * max(2 * block, head))


class _Ledger(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Bytes of all blocks that live, and of those at the worst moment, by the label under which each was made. With
    `rehearsed` what is made on no given device is made on the meta device, also in a backward pass, where `_Stage` is not."""

    def __init__(self, *, rehearsed: bool = False) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.label, self.operations, self._rehearsed = "", 0, rehearsed
        self.live: Counter[str] = Counter()
        self.peak: Counter[str] = Counter()
        self._known: dict[int, Any] = {}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if self._rehearsed and "device" in given:
            given["device"] = torch.device("meta")
        result = func(*args, **given)
        self.operations += 1
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor):
                self.enter(leaf, self.label)
        return result

    def enter(self, tensor: Tensor, label: str) -> None:
        """Count the block that holds `tensor` under `label`, unless it is known, until it is freed."""
        block = tensor.untyped_storage()
        number = block._cdata
        if number in self._known:
            return
        self.live[label] += block.nbytes()
        self._known[number] = weakref.finalize(block, self._leave, number, label, block.nbytes())
        if self.live.total() > self.peak.total():
            self.peak = self.live.copy()

    def _leave(self, number: int, label: str, size: int) -> None:
        self.live[label] -= size
        del self._known[number]


class _Stage(TorchFunctionMode):
    """Lets meta tensors pass for those of `device`, with its fused attention and its autocast to `dtype`."""

    def __init__(self, device: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.device, self.dtype = torch.device(device), dtype

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        given = dict(kwargs or {})
        if func == Tensor.device.__get__:
            return self.device
        if func is Tensor.__bool__:
            return True  # whether all positions carry loss: the most that there can be
        if "device" in given:
            given["device"] = "meta"
        if func is F.linear and self.dtype != torch.float32:
            args = [one.to(self.dtype) if isinstance(one, Tensor) else one for one in args]
        if func is F.scaled_dot_product_attention:
            mask = given.get("attn_mask")
            mask = None if mask is None else mask.to(args[0].dtype)
            attend = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
            return attend(*args[:3], 0.0, bool(given.get("is_causal")), attn_mask=mask)[0]
        return func(*args, **given)


@contextlib.contextmanager
def _autocast(device: str, dtype: torch.dtype) -> Iterator[None]:
    """What code that asks sees of autocast, also on a device that this machine does not have."""
    before = torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)
    torch.set_autocast_enabled(device, dtype != torch.float32)
    torch.set_autocast_dtype(device, torch.bfloat16)
    try:
        yield
    finally:
        torch.set_autocast_enabled(device, before[0])
        torch.set_autocast_dtype(device, before[1])


def estimate(work: Workload, device: str, dtype: torch.dtype, process: float | None = None) -> Memory:
    """What training on `work` needs on a `device` ('cpu', 'cuda') with products in `dtype`.

    `process` is what is held before there is a model, in bytes; a usual value where it is not given. Very large steps are
    not rehearsed whole: memory is a straight line in the rows, and two smaller steps give it.
    """
    work, few = settled(work), REHEARSED // work.length // 2
    if few >= 1 and work.rows > 2 * few:
        one, two = (estimate(replace(work, rows=rows), device, dtype, process) for rows in (few, 2 * few))
        times = (work.rows - few) / few
        grown = {name: part + times * (two.parts[name] - part) for name, part in one.parts.items()}
        return Memory(**grown, operations=round(one.operations + times * (two.operations - one.operations)))
    kind = "cuda" if device == "cuda" else "cpu"
    worst, operations, moments = _rehearse(work, kind, dtype)
    peak = {name: float(size) for name, size in worst.items()}
    weights, late = peak["weights"], peak.get("backward", 0.0)
    parts = {
        "weights": weights,
        "gradients": min(weights, late),
        "optimizer": peak.get("optimizer", 0.0) + moments,
        "average": weights if work.optimizer.average else 0.0,
        "activations": peak.get("activations", 0.0),
        "logits": peak.get("logits", 0.0),
        "workspace": peak.get("workspace", 0.0) + max(0.0, late - weights),
    }
    kept = parts["weights"] + parts["optimizer"] + parts["average"]
    parts["checkpoint"] = COPIES * kept if kind == "cpu" else 0.0
    held = (PROCESS[kind] if process is None else process) + KERNELS[kind]
    return Memory(**parts, framework=held + SLACK[kind] * sum(parts.values()), operations=operations)


@functools.lru_cache(maxsize=8)
def settled(work: Workload) -> Workload:
    """`work` with the optimizer that `auto` takes at its size; a part of it would not always take the same."""
    if work.optimizer.name != "auto":
        return work
    with torch.device("meta"):
        model = Transformer(work.shape, work.head)
    with _Stage("cpu", torch.float32):
        name = _optimizer(model, work).settings.name
    return replace(work, optimizer=work.optimizer.model_copy(update={"name": name}))


def _optimizer(model: Transformer, work: Workload) -> Optimizer:
    """That of a meta model, without the average, which is counted by itself."""
    settings, rows = work.optimizer.model_copy(update={"average": 0.0}), functools.partial(row_counts, shape=work.shape)
    return Optimizer(model.named_parameters(), settings, rows, step_flops=work.flops)


@functools.lru_cache(maxsize=8)
def _rehearse(work: Workload, kind: str, dtype: torch.dtype) -> tuple[Counter[str], int, float]:
    """The worst moment of a step, its operations, and the bytes of AdamW's moments (which it makes itself, in place)."""
    ledger = _Ledger(rehearsed=True)
    with torch.device("meta"):
        model = Transformer(work.shape, work.head)
    for parameter in model.parameters():
        ledger.enter(parameter, "weights")
    batch = work.batch("meta")
    with _autocast(kind, dtype), _Stage(kind, dtype), ledger:
        ledger.label = "optimizer"
        optimizer = _optimizer(model, work)
        model.register_forward_hook(lambda *anything: setattr(ledger, "label", "logits"))
        for number in range(min(work.passes, 2)):  # from the second on, gradients are there beforehand
            before, ledger.label = ledger.operations, "activations"
            loss = work.objective(model, batch)
            ledger.label = "backward"
            loss.backward()  # type: ignore[no-untyped-call]
            if number == 1:
                ledger.operations += (ledger.operations - before) * (work.passes - 2)
        ledger.label = "workspace"
        optimizer.muon.step(1.0)
    by_adam = sum(p.numel() for group in optimizer.adam.param_groups for p in group["params"])
    return ledger.peak, ledger.operations, ADAM_BYTES * float(by_adam)


def bound(work: Workload, kind: str = "cpu") -> float:
    """Bytes that a step surely does not exceed, in no time: `estimate` takes a second, the first time."""
    shape, positions = work.shape, work.rows * work.length
    heads = (shape.num_heads + 2 * shape.num_kv_heads) * shape.head_dim
    layer = 24 * shape.hidden_size + 12 * heads + 12 * shape.intermediate_size
    square = work.rows * work.length**2 * (shape.num_heads if work.length <= LONGEST else 2.0 * work.apart)
    numbers = shape.num_layers * (positions * layer + square) + positions * 8 * shape.hidden_size
    weights = shape.matmul_parameters + shape.vocab_size * shape.hidden_size
    kind = "cuda" if kind == "cuda" else "cpu"
    head = 6 * chunk_positions(kind, shape.vocab_size) * shape.vocab_size
    return 4.0 * (numbers + 20 * weights + head) + KERNELS[kind]


def require_memory(work: Workload, team: Team, advice: Callable[[int], str], free: float | None = None) -> None:
    """Raises UserError where a step of `work` needs more than is free on the team's machine. Several processes, which may
    share a model out, are let pass: what each of them will hold is for `trivium plan --gpus` to say.

    `advice(rows)` says what to set so that a forward pass has that many rows, the most that fit; at least 1.
    """
    machine = team.machine
    kind = machine.device.type
    if team.ranks.size > 1 or kind not in ("cpu", "cuda"):
        return  # elsewhere what is free is not told
    if free is None:
        free = float(torch.cuda.mem_get_info(machine.device)[0]) if kind == "cuda" else free_bytes()

    def need(rows: int) -> float:
        return estimate(replace(settled(work), rows=rows), kind, machine.dtype, process=0.0).total

    if bound(work, kind) <= free or need(work.rows) <= free:
        return
    least = need(1)
    if least > free:
        raise UserError(
            f"the model with its optimizer needs about {least / 1e9:.1f} GB for a single row of {work.length} tokens, and "
            f"{free / 1e9:.1f} GB are free: make the model or the rows smaller, or free memory"
        )
    low, high = 1, work.rows - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if need(middle) <= free else (low, middle - 1)
    raise UserError(
        f"{work.rows:,} rows of {work.length} tokens at once need about {need(work.rows) / 1e9:.1f} GB, and "
        f"{free / 1e9:.1f} GB are free: the most that fit are {low:,} rows; {advice(low)}"
    )
