"""What makes a step quicker on a GPU and changes nothing but rounding: the quickest kernel for attention, and torch.compile for
the blocks and for the chunks of the head's loss.

Blocks are compiled one for all: they differ in their weights alone (regional compilation). That takes the better part of a
minute, so `compile: auto` first takes some steps without and looks at how many are left. A compiler that fails costs one
line: training goes on without it. On the CPU auto means off; what the blocks compute is the same there (docs/scale.md).
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from trivium.base.device import Machine
from trivium.base.words import Batch, Documents
from trivium.loss.language import chunk_by, nats_and_gradient
from trivium.model.kernels import BACKENDS, fastest, measured, preferring, reads_documents
from trivium.model.transformer import Block, Transformer, undropped
from trivium.train.distributed import Team

WARM = 5  # steps before auto decides, of which the first are slow
COMPILING = 60.0  # seconds that compiling is taken to last
SAVED = 0.2  # share of a step's time that it is taken to save, at the least
ROWS = 8  # of a batch, by which kernels are compared


class Compiled:
    """`plain` as torch.compile makes it, or itself from the first time on that this fails: `tell` then hears why."""

    def __init__(self, plain: Callable[..., Any], name: str, tell: Callable[[str], None]) -> None:
        self.plain, self.name, self.tell = plain, name, tell
        self.failed = False
        self._fast: Callable[..., Any] = torch.compile(plain)

    def __call__(self, *given: Any) -> Any:
        if not self.failed:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter(
                        "ignore", UserWarning
                    )  # it looks at gradients of what is no leaf, and says so
                    return self._fast(*given)
            except torch.OutOfMemoryError:
                raise
            except Exception as error:  # whatever it was: if it was not the compiler's, the next line raises it too
                self.give_up(error)
        return self.plain(*given)

    def give_up(self, error: Exception) -> None:
        """Be `plain` from now on."""
        self.failed = True
        first = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        self.tell(f"{self.name} cannot be compiled here ({first[:200]}); training goes on without")


class Speedup:
    """How the steps of one training are computed; `tell` hears a sentence about every choice. `fixed` says that batches have few
    sizes, as rows that are not filled up have."""

    def __init__(
        self, model: Transformer, team: Team, machine: Machine, tell: Callable[[str], None], fixed: bool
    ) -> None:
        self.model, self.team, self.machine, self.tell, self.fixed = model, team, machine, tell, fixed
        self.attention: str | None = None  # the kernel's name, '' for PyTorch's own choice; None before the first step
        self.blocks: Compiled | None = None
        self.head: Compiled | None = None
        self._rehearsed = False
        self._decided = self.machine.compile != "auto" or self.machine.device.type != "cuda"
        self._seen = 0
        if self.machine.compile == "on":
            self._compile()

    @property
    def told(self) -> str:
        """How a step is computed, where that was chosen, for the records."""
        compiled = self.blocks is not None and not self.blocks.failed
        return ", ".join(part for part in (self.attention, "compiled" if compiled else "") if part)

    @contextlib.contextmanager
    def applied(self, batches: Sequence[Any]) -> Iterator[None]:
        """While the block runs, a step on `batches`, all is computed as was chosen; nothing of it stays on the model."""
        if self.attention is None:
            self.attention = self._choose_attention(batches)
        blocks = [block for block in self.model.blocks if isinstance(block, Block)] if self.blocks else []
        try:
            for block in blocks:
                block.__dict__["forward"] = functools.partial(self._forward, block)  # inside of any hooks
            head = None if self.head is None or self.head.failed else self.head
            with preferring(self.attention if self.attention in BACKENDS else ""), chunk_by(head):
                yield
        finally:
            for block in blocks:
                block.__dict__.pop("forward", None)

    def consider(self, left: int, seconds: float) -> None:
        """Take note of a step that took so many seconds, of which `left` are to come; all processes call it."""
        self._seen += 1
        if self._decided or self._seen < WARM:
            return
        self._decided = True
        rest = left * seconds
        if self.team.agree(rest * SAVED > COMPILING):
            self.tell(f"{left:,} steps of {seconds:.2g} s are left: the blocks are compiled now, in about a minute")
            self._compile()
        else:
            self.tell(f"{left:,} steps of {seconds:.2g} s are left, too few for compiling; compile: on would do it")

    def _compile(self) -> None:
        self.blocks = Compiled(block_forward, "a block", self.tell)
        self.head = Compiled(nats_and_gradient, "the loss", self.tell)

    def _choose_attention(self, batches: Sequence[Any]) -> str:
        """The quickest kernel for rows like these on a GPU."""
        shape, device = self.model.shape, self.machine.device
        if device.type != "cuda":
            return ""
        batch = next((one for one in batches if isinstance(one, Batch)), None)
        if batch is None or batch.prefix is not None or not shape.causal:
            return ""
        if isinstance(batch.segments, Documents):
            with self.machine.autocast():
                if reads_documents(device, shape):
                    self.tell("attention by FlashAttention over documents (torch.nn.attention.varlen)")
                    return "varlen"
            self.tell("attention by masks of documents: this PyTorch, GPU or precision has no kernel over documents")
        if batch.segments is not None:
            return ""
        rows, length = batch.tokens.shape
        sizes = (min(rows, ROWS), length, shape.num_heads, shape.num_kv_heads, shape.head_dim)
        times = measured(sizes, device, self.machine.dtype)
        found = fastest(times, self.fixed and not any(shape.layer_windows))  # with masks cuDNN is not compared
        listed = ", ".join(f"{name} {time:.2f}" for name, time in times.items())
        self.tell(f"attention by {found or 'PyTorch as it likes'}; measured, in ms forwards and backwards: {listed}")
        return found

    def _forward(self, block: Block, *given: Any) -> Any:
        """In the place of a block's own forward."""
        *read, cache, drop, ragged = given
        plain = cache is None and drop is undropped and ragged is None
        if self.blocks is None or self.blocks.failed or not plain:
            return Block.forward(block, *given)
        if not self._rehearsed:
            self._rehearse(read)
        return self.blocks(block, *read)

    def _rehearse(self, read: Sequence[Any]) -> None:
        """Forwards and backwards through a block that is none of the model's: a compiler may fail at the backward pass alone,
        where it is too late to go on without."""
        assert self.blocks is not None
        self._rehearsed = True
        device = next(one for one in read if isinstance(one, Tensor)).device
        with torch.device("meta"):
            spare = Block(self.model.shape, 1)
        spare.to_empty(device=device)  # whatever its numbers are
        given = [
            one.detach().requires_grad_() if isinstance(one, Tensor) and one.requires_grad else one for one in read
        ]
        learned = [one for one in given if isinstance(one, Tensor) and one.requires_grad]
        try:
            found = self.blocks(spare, *given)
            total = sum(one.float().sum() for one in tree_leaves(found) if isinstance(one, Tensor))
            with torch.autocast(device.type, enabled=False):
                torch.autograd.grad(cast(Tensor, total), [*learned, *spare.parameters()])
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            self.blocks.give_up(error)


def block_forward(block: Block, hidden: Tensor, added: Tensor | None, rotation: Any, mask: Any) -> Any:
    """What is compiled: a block where nothing is cached or dropped."""
    return Block.forward(block, hidden, added, rotation, mask, None)
