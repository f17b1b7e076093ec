"""The decoding engine: rows join and leave a static cache; a prompt is computed once however many answers it gets.

Requests wait in a queue. Free slots are filled by prefilling the distinct prompts of the next requests together and
copying their keys and values to each answer's slot; then every step gives one token to each live row. Rows that stopped
make room for waiting ones; when none wait, the batch shrinks. Its slow twin, which recomputes everything for each
token, stands in tests/reference.

Legend: S slots, P distinct prompts, T prompt tokens, V vocabulary.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from trivium.base.errors import UserError
from trivium.base.seeds import torch_random
from trivium.generate.sampling import Sampling, draw
from trivium.model.cache import SlotCache
from trivium.model.transformer import Transformer

LIVE_SHARE = 0.75  # with fewer live slots than this, dead ones are refilled or dropped


@dataclass(frozen=True)
class Request:
    """`prompt` token ids, to be answered `samples` times."""

    prompt: tuple[int, ...]
    samples: int = 1


@dataclass(eq=False)
class Row:
    """One answer in the making. `tokens` include the stop token that ended it; `logprobs` are those of the draws."""

    request: int
    sample: int
    prompt: tuple[int, ...]
    uniforms: Tensor
    tokens: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    ended: bool = False
    live: bool = True


class Engine:
    """Decodes requests with one model, which it leaves as it was."""

    def __init__(self, model: Transformer, stops: Iterable[int], slots: int = 128) -> None:
        self.model, self.stops, self.slots = model, frozenset(stops), slots

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.embedding.weight.device

    def run(self, requests: Sequence[Request], sampling: Sampling, seed: int, first: int = 0) -> list[list[Row]]:
        """All answers, by request and sample. The first request draws as number `first` of this seed does, whatever
        process it is drawn in."""
        answers: list[list[Row]] = [[] for _ in requests]
        for row in self.stream(requests, sampling, seed, first):
            if not row.live:
                answers[row.request].append(row)
        return [sorted(rows, key=lambda row: row.sample) for rows in answers]

    def stream(self, requests: Sequence[Request], sampling: Sampling, seed: int, first: int = 0) -> Iterator[Row]:
        """Each row every time it got a token; `live` turns False with its last one.

        Raises UserError for a prompt that is empty or leaves no room for an answer.
        """
        capacity = self._capacity(requests, sampling)
        waiting = deque(
            Row(number, sample, request.prompt, _uniforms(sampling, seed, first + number, sample))
            for number, request in enumerate(requests)
            for sample in range(request.samples)
        )
        rows: list[Row | None] = [None] * min(self.slots, len(waiting))
        cache = SlotCache(self.model.shape, len(rows), capacity, self.model.embedding.weight)
        while waiting or any(rows):
            free = [slot for slot, row in enumerate(rows) if row is None]
            scarce = len(rows) - len(free) < LIVE_SHARE * len(rows)
            if waiting and free and scarce:
                taken = free[: len(waiting)]
                for slot in taken:
                    rows[slot] = waiting.popleft()
                moved = self._prefill([(slot, rows[slot]) for slot in taken], cache, sampling)  # type: ignore[misc]
            else:
                if scarce:
                    keep = [slot for slot, row in enumerate(rows) if row is not None]
                    cache.compact(torch.tensor(keep, device=cache.keys.device))
                    rows = [rows[slot] for slot in keep]
                moved = self._decode(rows, cache, sampling)
            yield from moved
            rows = [row if row is not None and row.live else None for row in rows]

    def _capacity(self, requests: Sequence[Request], sampling: Sampling) -> int:
        longest = max((len(request.prompt) for request in requests), default=1)
        if any(not request.prompt for request in requests):
            raise UserError("a prompt has no tokens; give it some text")
        room = self.model.shape.max_positions - longest
        if room < 1:
            raise UserError(
                f"a prompt has {longest} tokens; the model reads at most {self.model.shape.max_positions - 1} and "
                "one more for an answer; shorten it"
            )
        return longest + min(sampling.max_new_tokens, room)

    @torch.inference_mode()
    def _prefill(self, joining: list[tuple[int, Row]], cache: SlotCache, sampling: Sampling) -> list[Row]:
        device = cache.keys.device
        leaders: dict[tuple[int, ...], int] = {}
        for slot, row in joining:
            leaders.setdefault(row.prompt, slot)
        order = {prompt: number for number, prompt in enumerate(leaders)}
        longest = max(len(prompt) for prompt in leaders)
        tokens = torch.zeros(len(leaders), longest, dtype=torch.long)  # (P, T)
        for prompt, number in order.items():
            tokens[number, : len(prompt)] = torch.tensor(prompt)
        slots = torch.tensor(list(leaders.values()), device=device)
        positions = cache.enter(torch.zeros(len(leaders), dtype=torch.long, device=device), longest, slots)
        hidden = self.model(tokens.to(device), positions=positions, cache=cache)  # (P, T, D)
        ends = torch.tensor([len(prompt) - 1 for prompt in leaders], device=device)
        logits = self.model.logits(hidden[torch.arange(len(leaders), device=device), ends])  # (P, V)
        target = torch.tensor([slot for slot, _ in joining], device=device)
        source = torch.tensor([leaders[row.prompt] for _, row in joining], device=device)
        cache.fork(source, target, longest)
        which = torch.tensor([order[row.prompt] for _, row in joining], device=device)
        return self._advance([row for _, row in joining], logits[which], sampling)

    @torch.inference_mode()
    def _decode(self, rows: Sequence[Row | None], cache: SlotCache, sampling: Sampling) -> list[Row]:
        device = cache.keys.device
        # a dead slot computes at position 0 of nothing; cheaper than gathering the live ones' cache
        lengths = torch.tensor([len(r.prompt) + len(r.tokens) - 1 if r else 0 for r in rows], device=device)
        last = torch.tensor([r.tokens[-1] if r else 0 for r in rows], device=device)
        positions = cache.enter(lengths, 1)
        hidden = self.model(last[:, None], positions=positions, cache=cache)  # (S, 1, D)
        live = [slot for slot, row in enumerate(rows) if row is not None]
        alive = hidden[:, 0] if len(live) == len(rows) else hidden[torch.tensor(live, device=device), 0]
        logits = self.model.logits(alive)
        return self._advance([row for row in rows if row is not None], logits, sampling)

    def _advance(self, rows: list[Row], logits: Tensor, sampling: Sampling) -> list[Row]:
        uniforms = (
            torch.stack([row.uniforms[len(row.tokens)] for row in rows]) if sampling.temperature else logits[:, 0]
        )
        tokens, logprobs = draw(logits, uniforms, sampling)
        room = self.model.shape.max_positions
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs.tolist(), strict=True):
            row.tokens.append(token)
            row.logprobs.append(logprob)
            row.ended = token in self.stops
            full = len(row.tokens) >= sampling.max_new_tokens or len(row.prompt) + len(row.tokens) >= room
            row.live = not (row.ended or full)
        return rows


def _uniforms(sampling: Sampling, seed: int, request: int, sample: int) -> Tensor:
    if sampling.temperature == 0.0:
        return torch.empty(0)
    generator = torch_random(seed, "draw", request, sample)
    return torch.rand(sampling.max_new_tokens, generator=generator)
