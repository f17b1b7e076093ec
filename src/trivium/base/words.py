"""The words that cross layers: frozen dataclasses with documented shapes, never bare dictionaries.

Legend: B rows, T tokens in a row. Tensors are torch tensors; this module does not import torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Role = Literal["system", "user", "assistant"]
MEASURE = "measure"  # the split of pairs that compare two models: nothing is trained on them, or chosen by them


@dataclass(frozen=True)
class Document:
    """One text with where it comes from. `meta` holds what only its source knows (labels, entities, path)."""

    id: str
    text: str
    source: str
    license: str = "unknown"
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: Role
    content: str


@dataclass(frozen=True)
class Example:
    """One supervised conversation: loss falls on what the assistant says, and on the end of its turn."""

    messages: tuple[Message, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Documents:
    """Where documents begin that lie one after the other in B rows of T tokens, as kernels over them read it.

    `numbers`: int64 (B, T), the document of each token in its row; `starts`: int32 (C + 1,), in the flat B * T, the last one
    B * T itself (maybe several times: documents without tokens); `longest`: no document has more tokens.
    """

    numbers: Tensor
    starts: Tensor
    longest: int


@dataclass(frozen=True)
class Batch:
    """What one forward pass reads.

    `tokens`, `targets`: int64 (B, T), `targets[b, t]` is the token to predict at `tokens[b, t]`;
    `weights`: float32 (B, T), 0 where nothing is learned;
    `segments`: int64 (B, T) document number inside the row, or the same as Documents, or None where a row is one document
    (padding at the right then needs no mask, because a causal model never looks right);
    `positions`: int64 (B, T), or None for 0..T-1;
    `prefix`: bool (B, T), True on tokens that all of their row sees, or None where a row is read from left to right;
    `places`: int64 (N,), where among all B * T weights are not 0 (and some where they are, to a round number), or None
    where nobody has looked: looking makes a GPU wait.
    """

    tokens: Tensor
    targets: Tensor
    weights: Tensor
    segments: Tensor | Documents | None = None
    positions: Tensor | None = None
    prefix: Tensor | None = None
    places: Tensor | None = None


@dataclass(frozen=True)
class MaskedBatch:
    """What one forward pass of a masked model reads.

    `tokens`: int64 (B, T), some of them hidden; `real`: bool (B, T), False on padding; `types`: int64 (B, T), 0 on the first
    text and 1 on the second; `places`: int64 (N,), of the hidden tokens among all B * T; `targets`: int64 (N,), what stood
    there; `weights`: float32 (N,); `relations`: int64 (B,), 0 where the second text follows the first, 1 where not, or None
    where there are no pairs; `relation_weight`: what a pair's loss counts beside a token's.
    """

    tokens: Tensor
    real: Tensor
    types: Tensor
    places: Tensor
    targets: Tensor
    weights: Tensor
    relations: Tensor | None = None
    relation_weight: float = 0.0


@dataclass(frozen=True)
class Preference:
    """One judgement: for `prompt`, `chosen` was preferred to `rejected` by `rater` at time `at` (ISO 8601)."""

    prompt: tuple[Message, ...]
    chosen: str
    rejected: str
    rater: str
    at: str


@dataclass(frozen=True)
class Rollout:
    """Sampled answers, right-padded.

    `tokens`: int64 (B, T); `logprobs`: float32 (B, T), of each token under the sampling distribution at the
    sampling temperature; `mask`: bool (B, T), True on the tokens that the model chose, its end token included;
    `ended`: bool (B,), the model stopped by itself rather than at the length limit.
    """

    tokens: Tensor
    logprobs: Tensor
    mask: Tensor
    ended: Tensor


@dataclass(frozen=True)
class Rows:
    """What a model with a head reads.

    `tokens`, `types`: int64 (B, T); `real`: bool (B, T), False on padding; `types` tell a pair's first text (0) from its
    second (1). A tagger may also read spelling: `words` int64 (B, T) is the row of `letters` (W + 1, C) that each token
    belongs to, 0 for none. A span finder may also read `asked` int64 (B, T): 1 on tokens of words that the question has too.
    `packed`, where that spares much padding, int64 (P, Q): several rows after each other in one, as places in the flat (B T),
    -1 where nothing stands.
    """

    tokens: Tensor
    real: Tensor
    types: Tensor
    words: Tensor | None = None
    letters: Tensor | None = None
    asked: Tensor | None = None
    packed: Tensor | None = None


@dataclass(frozen=True)
class TaskBatch:
    """Labelled rows. What `targets` are depends on the head: int64 (B,) for one label, float32 (B, L) for any number of them,
    float32 (B,) for a number, int64 (B, T) for tags, int64 (B, 2) for the first and last token of an answer.

    `weights` float32, (B,) or for tags (B, T): 0 where nothing is learned; `allowed` bool (B, T): where an answer may be;
    `shares` float32 (I, B), where texts have several rows each: what of each row is in each text; targets and weights are then
    of I texts instead of B rows. What dropout draws follows from `seed`.
    """

    rows: Rows
    targets: Tensor
    weights: Tensor
    seed: int
    allowed: Tensor | None = None
    shares: Tensor | None = None


@dataclass(frozen=True)
class StageResult:
    """What a finished stage leaves: its name, key, folder and headline figures; `how` is how it came to be."""

    stage: str
    key: str
    folder: Path
    figures: Mapping[str, Any]
    how: Literal["made", "reused", "resumed", "continued"]
    seconds: float
