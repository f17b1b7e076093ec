"""How likely answers are, under the policy and under the reference that it is held to.

The reference is another copy of the model that the policy started as, or the policy without its low-rank changes; what it says of
an answer never changes, so it may be computed once, and is kept beside the checkpoints.
Legend: B answers (rows), T tokens.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from trivium.base.files import write_atomic
from trivium.loss.language import linear_log_likelihoods
from trivium.model.lora import without_changes
from trivium.model.transformer import Transformer
from trivium.rl.pairs import Block, Judged, row_blocks
from trivium.train.distributed import Team
from trivium.train.step import on_device

FILE = "reference.safetensors"
AT_ONCE = 64  # answers in a forward pass that needs no gradient


def answer_log_likelihoods(model: Transformer, block: Block) -> Tensor:
    """log p of each row's answer given what stands before it, in nats, float32 (B,)."""
    hidden = model(block.tokens[:, :-1])  # (B, T-1, D)
    columns = torch.arange(1, block.tokens.shape[1], device=block.tokens.device)
    mask = (columns >= block.starts[:, None]) & (columns < block.lengths[:, None])  # (B, T-1)
    if torch.is_autocast_enabled(hidden.device.type):
        hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
    return linear_log_likelihoods(hidden, model.output_weight, block.tokens[:, 1:], mask).sum(dim=1)


@dataclass(frozen=True)
class Reference:
    """What the policy is compared with: the model `frozen`, or the `policy` itself without its low-rank changes."""

    policy: Transformer
    frozen: Transformer | None

    @contextlib.contextmanager
    def model(self) -> Iterator[Transformer]:
        """The model that computes it, without gradients."""
        with torch.no_grad(), contextlib.nullcontext() if self.frozen else without_changes(self.policy):
            yield self.frozen or self.policy

    def log_likelihoods(self, block: Block) -> Tensor:
        """Those of a block's answers, (B,)."""
        with self.model() as model:
            return answer_log_likelihoods(model, block)


def log_likelihoods_of(
    requests: Sequence[Judged],
    measure: Callable[[Block], Tensor],
    pad: int,
    team: Team,
    look: Callable[[], None] = lambda: None,
) -> list[Tensor]:
    """What `measure` gives for every answer of the requests, a tensor (answers,) each; every process of the team computes a
    share. `look` is called between two passes."""
    answers = [answer for request in requests for answer in request.answers]
    starts = [start for request in requests for start in request.starts or (0,) * len(request.answers)]
    blocks, places = row_blocks(answers, starts, pad, max(1, -(-len(answers) // AT_ONCE)))
    found = [torch.empty(0, device=team.machine.device)]
    for place in team.ranks.share(len(blocks)):
        look()
        with torch.no_grad(), team.machine.autocast():
            found.append(measure(on_device(blocks[place], team.machine.device)))
    every = team.rows(torch.cat(found)[:, None]).squeeze(1).cpu().index_select(0, places)  # (B,)
    return list(torch.split(every, [len(request.answers) for request in requests]))


def kept_log_likelihoods(
    folder: Path, requests: Sequence[Judged], reference: Reference, pad: int, team: Team, look: Callable[[], None]
) -> list[Tensor]:
    """`log_likelihoods_of` the reference; read from `folder` where they were computed before."""
    path = folder / FILE
    sizes = [len(request.answers) for request in requests]
    if team.agree(path.exists()):
        return list(torch.split(load_file(path)["answers"], sizes))
    found = log_likelihoods_of(requests, reference.log_likelihoods, pad, team, look)
    if team.ranks.first:
        write_atomic(path, to_bytes({"answers": torch.cat(found).contiguous()}))
    return found
