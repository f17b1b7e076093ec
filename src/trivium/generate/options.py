"""How likely a model finds each of several continuations of a prompt: every prompt computed once, whatever follows it.

Prompts that begin alike (the same examples before each question) share the keys and values of that beginning. A row then
holds the rest of one prompt and, side by side, all its options, which do not see each other; the first token of every
option is read from one row of logits. Rows of similar length go together. The slow twin, a pass for each option, stands
in tests/reference.

Legend: B rows, T new tokens, P tokens of the shared beginning, S = P + T, K key and value heads, E head size, N places
that are read, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy
import torch
from torch import Tensor

from trivium.base.errors import UserError
from trivium.model.transformer import Transformer

TOKENS_AT_ONCE = 4096
PLACES_AT_ONCE = 1024  # rows of logits held together
LEAST_SHARED = 16  # tokens: a shorter beginning costs more to share than to compute again


@dataclass(frozen=True)
class Ask:
    """Token ids of a prompt and of what may follow it."""

    prompt: tuple[int, ...]
    options: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Told:
    """An option's log-probabilities, token by token, in nats; `greedy` tells whether each was the likeliest token there."""

    logprobs: tuple[float, ...]
    greedy: bool

    @property
    def total(self) -> float:
        """log p(option | prompt), in nats."""
        return sum(self.logprobs)


@torch.inference_mode()
def log_likelihoods(model: Transformer, asks: Sequence[Ask]) -> list[list[Told]]:
    """For each ask what the model tells of its options, in their order.

    Raises UserError for a prompt or an option without tokens, and where both are longer than the model reads.
    """
    for ask in asks:
        _require(ask, model.shape.max_positions)
    model.eval()
    found: list[list[Told]] = [[] for _ in asks]
    for shared, numbers in beginnings([ask.prompt for ask in asks]):
        kept = _Beginning.of(model, asks[numbers[0]].prompt[:shared]) if shared else None
        rows = {number: _row(asks[number], shared) for number in numbers}
        for group in _alike(rows):
            told = _pass(model, [rows[number] for number in group], kept)
            for number, one in zip(group, told, strict=True):
                found[number] = one
    return found


def _require(ask: Ask, limit: int) -> None:
    if not ask.prompt or not ask.options or not all(ask.options):
        raise UserError("a prompt or an option has no tokens; give each some text")
    longest = max(map(len, ask.options))
    if len(ask.prompt) + longest - 1 > limit:
        raise UserError(
            f"a prompt has {len(ask.prompt)} tokens and an option {longest}; the model reads {limit}: shorten the text, or ask "
            "with fewer examples"
        )


def beginnings(prompts: Sequence[tuple[int, ...]]) -> list[tuple[int, list[int]]]:
    """(tokens that the prompts of a group share at their beginning, numbers of those prompts); each prompt in one group.

    At least one token of each prompt is never shared. Prompts that share nothing are one group, which comes last.
    """
    groups: list[tuple[int, list[int]]] = []
    for number in sorted(range(len(prompts)), key=lambda one: prompts[one]):
        if groups:
            shared, members = groups[-1]
            first = prompts[members[0]]
            same = _common(first, prompts[number])
            if same >= LEAST_SHARED and 2 * same >= shared:
                groups[-1] = (min(shared, same) if len(members) > 1 else same, [*members, number])
                continue
        groups.append((0, [number]))
    alone = [number for shared, members in groups if not shared for number in members]
    return [group for group in groups if group[0]] + ([(0, alone)] if alone else [])


def _common(one: Sequence[int], two: Sequence[int]) -> int:
    """How many tokens two prompts have in common at their beginning, short of the last of either."""
    most = min(len(one), len(two)) - 1
    return next((place for place in range(most) if one[place] != two[place]), most)


@dataclass(frozen=True)
class _Row:
    """New tokens of one ask: `branch` is 0 in the prompt and counts the options; `reads` are, by option, the places in the
    row whose logits tell its tokens."""

    tokens: list[int]
    positions: list[int]
    branch: list[int]
    reads: list[list[int]]
    options: tuple[tuple[int, ...], ...]


def _row(ask: Ask, shared: int) -> _Row:
    tokens = list(ask.prompt[shared:])
    end, start = len(tokens) - 1, len(ask.prompt)
    positions, branch = list(range(shared, start)), [0] * len(tokens)
    reads = []
    for number, option in enumerate(ask.options, 1):
        first = len(tokens)
        tokens += option[:-1]
        positions += range(start, start + len(option) - 1)
        branch += [number] * (len(option) - 1)
        reads.append([end, *range(first, len(tokens))])
    return _Row(tokens, positions, branch, reads, ask.options)


def _alike(rows: dict[int, _Row]) -> Iterator[list[int]]:
    """Numbers of rows, shortest first, in groups of about `TOKENS_AT_ONCE` tokens with their padding."""
    group: list[int] = []
    for number in sorted(rows, key=lambda one: len(rows[one].tokens)):
        if group and (len(group) + 1) * len(rows[number].tokens) > TOKENS_AT_ONCE:
            yield group
            group = []
        group.append(number)
    if group:
        yield group


def _pass(model: Transformer, rows: Sequence[_Row], kept: _Beginning | None) -> list[list[Told]]:
    width = max(len(row.tokens) for row in rows)
    table = numpy.zeros((3, len(rows), width), numpy.int64)
    table[2] = -1
    for number, row in enumerate(rows):
        table[:, number, : len(row.tokens)] = row.tokens, row.positions, row.branch
    device = model.embedding.weight.device
    tokens, positions, branch = torch.from_numpy(table).to(device)  # (B, T) each
    if kept is None and not bool((branch > 0).any()):
        hidden = model(tokens)  # (B, T, D); padding stands behind everything that is read
    else:
        hidden = model(tokens, positions=positions, cache=_Joined(kept, positions, branch))
    return _read(model, hidden, rows)


def _read(model: Transformer, hidden: Tensor, rows: Sequence[_Row]) -> list[list[Told]]:
    """What stands at the places that the rows read; each place's logits are computed once."""
    width = hidden.shape[1]
    wanted = [
        (number * width + place, token)
        for number, row in enumerate(rows)
        for reads, option in zip(row.reads, row.options, strict=True)
        for place, token in zip(reads, option, strict=True)
    ]
    flat, targets = numpy.array(wanted).T
    places, which = numpy.unique(flat, return_inverse=True)  # (N,)
    states = hidden.flatten(0, 1)[torch.from_numpy(places).to(hidden.device)]  # (N, D)
    logprobs, best = numpy.empty(len(wanted)), numpy.empty(len(wanted), bool)
    order = numpy.argsort(which, kind="stable")
    for start in range(0, len(places), PLACES_AT_ONCE):
        logits = model.logits(states[start : start + PLACES_AT_ONCE]).float()  # (N, V)
        told, likeliest = logits.log_softmax(dim=-1), logits.argmax(dim=-1)
        left, right = numpy.searchsorted(which[order], [start, start + len(logits)])
        chosen = order[left:right]
        line = torch.from_numpy(which[chosen] - start).to(logits.device)
        token = torch.from_numpy(targets[chosen]).to(logits.device)
        logprobs[chosen] = told[line, token].cpu().numpy()
        best[chosen] = (likeliest[line] == token).cpu().numpy()
    found, at = [], 0
    for row in rows:
        line_of: list[Told] = []
        for option in row.options:
            part = slice(at, at + len(option))
            line_of.append(Told(tuple(logprobs[part].tolist()), bool(best[part].all())))
            at += len(option)
        found.append(line_of)
    return found


class _Beginning:
    """Keys and values of tokens that several prompts begin with, computed once: the cache of that one pass."""

    def __init__(self, tokens: Tensor) -> None:
        self.positions = torch.arange(tokens.shape[1], device=tokens.device)[None]  # (1, P)
        self.layers: list[tuple[Tensor, Tensor]] = []

    @classmethod
    def of(cls, model: Transformer, prompt: Sequence[int]) -> _Beginning:
        tokens = torch.tensor([prompt], device=model.embedding.weight.device)
        beginning = cls(tokens)
        model(tokens, cache=beginning)
        return beginning

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        assert layer == len(self.layers)
        self.layers.append((keys, values))
        return keys, values

    def mask(self, window: int) -> Tensor:
        before = self.positions[:, :, None] - self.positions[:, None, :]  # (1, P, P)
        seen = before >= 0
        return ((seen & (before < window)) if window else seen).unsqueeze(1)


class _Joined:
    """The cache of a pass behind a beginning: each row sees it, its own prompt, and of the options only the same one."""

    def __init__(self, kept: _Beginning | None, positions: Tensor, branch: Tensor) -> None:
        self.kept = kept
        length = positions.shape[1]
        places = torch.arange(length, device=positions.device)
        same = (branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None])
        own = (places[None, :] <= places[:, None]) & same & (branch >= 0)[:, None, :]
        own = own | torch.eye(length, dtype=torch.bool, device=positions.device)  # padding sees itself
        self.before = positions[:, :, None] - positions[:, None, :]  # (B, T, T)
        if kept is not None:
            shared = positions[:, :, None] - kept.positions[:, None, :]  # (B, T, P)
            self.before = torch.cat([shared, self.before], dim=2)
            own = torch.cat([torch.ones_like(shared, dtype=torch.bool), own], dim=2)
        self.seen = own  # (B, T, S)

    def extend(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        if self.kept is None:
            return keys, values
        before = [one.expand(len(keys), -1, -1, -1) for one in self.kept.layers[layer]]  # (B, K, P, E)
        return torch.cat([before[0], keys], dim=2), torch.cat([before[1], values], dim=2)

    def mask(self, window: int) -> Tensor:
        seen = (self.seen & (self.before < window)) if window else self.seen
        return seen.unsqueeze(1)  # (B, 1, T, S)
