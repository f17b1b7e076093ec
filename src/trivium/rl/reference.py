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
from trivium.model.ragged import ragged, read
from trivium.model.transformer import Transformer
from trivium.rl.pairs import Block, Judged, block_of
from trivium.train.distributed import Team
from trivium.train.step import on_device

FILE = "reference.safetensors"
AT_ONCE = 64  # answers in a forward pass that needs no gradient


def answer_log_likelihoods(model: Transformer, block: Block) -> Tensor:
    """log p of each row's answer given what stands before it, in nats, float32 (B,)."""
    columns = torch.arange(block.tokens.shape[1], device=block.tokens.device)
    before = (columns >= block.starts[:, None] - 1) & (columns < block.lengths[:, None] - 1)  # (B, T)
    hidden = read(model, ragged(block.tokens, block.lengths, before))  # (N, D), N tokens of answers
    if torch.is_autocast_enabled(hidden.device.type):
        hidden = hidden.to(torch.get_autocast_dtype(hidden.device.type))
    found = linear_log_likelihoods(hidden, model.output_weight, block.tokens[:, 1:][before[:, :-1]])  # (N,)
    return found.new_zeros(len(before)).index_add(0, before.nonzero()[:, 0], found)


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
    firsts = range(0, len(answers), AT_ONCE)
    found = [torch.empty(0, device=team.machine.device)]
    for place in team.ranks.share(len(firsts)):
        look()
        some = slice(firsts[place], firsts[place] + AT_ONCE)
        with torch.no_grad(), team.machine.autocast():
            found.append(measure(on_device(block_of(answers[some], starts[some], pad), team.machine.device)))
    every = team.rows(torch.cat(found)[:, None]).squeeze(1).cpu()  # (B,)
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
