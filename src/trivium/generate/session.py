"""A session of the engine: requests join while others run, each step gives every live row a token, rows leave.

    session = engine.open()
    rows = session.add(Request(prompt, sampling=Sampling(32)))
    while session.busy:
        for row in session.step():  # the rows that got a token; `row.live` turns False with the last one
            ...

Prompts wait until a slot is free. A prompt that begins as what some slot holds (the same conversation, the same system
message) takes over those keys and values, and equal prompts that join together are computed once. A `fair` session admits
at once and computes prompts in pieces between the steps of the others, so that nobody waits long; the other kind is for
work that is known beforehand, and refills when a quarter of its slots is free.

Legend: S slots, P prompts, T tokens of a piece, B rows, V vocabulary.
"""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from trivium.base.errors import UserError
from trivium.generate.rows import Request, Row, uniforms
from trivium.generate.sampling import Sampling, choose
from trivium.model.architecture import Architecture
from trivium.model.decode import Pass

LIVE_SHARE = 0.75  # with fewer live slots than this, dead ones are refilled or dropped
PIECE, PIECES = 128, 8192  # tokens of prompts that one pass computes, in a fair session and otherwise
SHARED = 16  # tokens that two prompts must share for a copy of their keys and values to pay
ROOM, ROWS = 64, 8  # the cache grows to multiples of these
MANY = 12  # rows, from which on a step is for a multiple of ROWS


@dataclass(eq=False)
class Joining:
    """Rows of one prompt, the first of which computes it for all; `begun` once it has computed some."""

    rows: list[Row]
    begun: bool = False


class Session:
    """Made by `Engine.open`. `add` and `cancel` may be called from other threads than the one that calls `step`."""

    def __init__(
        self,
        decode: Pass,
        shape: Architecture,
        stops: Iterable[int],
        slots: int,
        default: tuple[Sampling, int],
        *,
        fair: bool,
        prefix: bool = False,
    ) -> None:
        self.shape, self.stops, self.slots = shape, frozenset(stops), slots
        self.sampling, self.seed, self.fair, self.prefix = *default, fair, prefix
        self._decoding = decode
        self._waiting: deque[Row] = deque()
        self._joining: list[Joining] = []
        self._rows: list[Row | None] = []  # of the first slots; those behind them are free
        self._cache = decode.cache(0, ROOM)
        self._lengths = torch.zeros(0, dtype=torch.long)  # (S,) tokens whose keys and values a slot holds
        self._book = torch.zeros(0, ROOM + 1, dtype=torch.long)  # (S, capacity + 1) those tokens, and the one to come

    @property
    def waiting(self) -> int:
        """Rows that have no slot yet."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Rows that have a slot."""
        return sum(row is not None for row in self._rows)

    @property
    def busy(self) -> bool:
        """Whether a step would do something."""
        return bool(self._waiting) or self.running > 0

    def add(self, request: Request, number: int = 0) -> list[Row]:
        """Queue a request; its rows, by sample. It draws as number `number` of its seed does.

        Raises UserError for a prompt that is empty, holds what is no token, or leaves no room for an answer.
        """
        sampling, prompt = request.sampling or self.sampling, request.prompt
        seed = self.seed if request.seed is None else request.seed
        stops = self.stops if request.stops is None else request.stops
        self._check(prompt)
        most = min(sampling.max_new_tokens, self.shape.max_positions - len(prompt))
        rows = [
            Row(
                request=number,
                sample=sample,
                prompt=prompt,
                sampling=sampling,
                stops=stops,
                most=most,
                uniforms=uniforms(sampling, most, seed, number, sample),
                constraint=request.grammar.start() if request.grammar else None,
                top=request.top,
            )
            for sample in range(request.samples)
        ]
        self._waiting.extend(rows)
        return rows

    def _check(self, prompt: tuple[int, ...]) -> None:
        shape = self.shape
        if not prompt:
            raise UserError("a prompt has no tokens; give it some text")
        if len(prompt) >= shape.max_positions:
            raise UserError(
                f"a prompt has {len(prompt)} tokens; the model reads at most {shape.max_positions - 1} and "
                "one more for an answer; shorten it"
            )
        if not 0 <= min(prompt) <= max(prompt) < shape.vocab_size:
            raise UserError(
                f"a prompt holds the token {min(prompt) if min(prompt) < 0 else max(prompt)}; this model's are 0 to "
                f"{shape.vocab_size - 1}: use its own tokenizer"
            )

    def cancel(self, row: Row) -> None:
        """Give up a row, whether it waits or runs; the next step forgets it and does not give it back."""
        row.cancelled, row.live = True, False
        with contextlib.suppress(ValueError):  # it runs already
            self._waiting.remove(row)

    @torch.inference_mode()
    def step(self) -> list[Row]:
        """One pass for the rows that run, and one for prompts that join; the rows that got a token each."""
        self._leave()
        self._admit()
        moved = self._prefill() if self._joining else []
        if self.fair or not moved:
            moved += self._decode([row for row in self._rows if row and row.tokens and row not in moved])
        return moved

    def _leave(self) -> None:
        """Forget rows that are done or cancelled; with many gaps and nobody to fill them, close them."""
        for joining in self._joining:
            joining.rows = [row for row in joining.rows if row.live]
        self._joining = [joining for joining in self._joining if joining.rows]
        self._rows = [row if row is not None and row.live else None for row in self._rows]
        if not self._waiting and self.running < LIVE_SHARE * len(self._rows):
            for row in [row for row in self._rows[self.running :] if row is not None]:
                self._move(row, self._rows.index(None))
        while self._rows and self._rows[-1] is None:
            self._rows.pop()

    def _move(self, row: Row, slot: int) -> None:
        self._copy(row.slot, [slot], int(self._lengths[row.slot]))
        self._book[slot] = self._book[row.slot]
        self._rows[row.slot], self._rows[slot], row.slot = None, row, slot

    def _copy(self, source: int, targets: list[int], length: int) -> None:
        """Slots `targets` hold the first `length` tokens of slot `source` from here on."""
        others = torch.tensor([slot for slot in targets if slot != source], dtype=torch.long)
        if length and len(others):
            self._cache.fork(source, others.to(self._cache.store.device), length)
            self._book[others, :length] = self._book[source, :length]
        self._lengths[torch.tensor(targets)] = length

    def _admit(self) -> None:
        """Give slots to waiting rows."""
        if self.running > (self.slots - 1 if self.fair else LIVE_SHARE * self.slots):
            return
        joined: dict[tuple[int, ...], Joining] = {}
        taken: list[Row] = []
        with contextlib.suppress(IndexError):  # the last one may be cancelled meanwhile
            while self._waiting and self.running + len(taken) < self.slots:
                taken.append(self._waiting.popleft())
        longest = max((len(row.prompt) + (0 if self.fair else row.most) for row in taken), default=0)
        self._make_room(self.running + len(taken), longest)
        for row in taken:
            if row.prompt in joined:
                self._seat(row, self._free())
                joined[row.prompt].rows.append(row)
                continue
            source, shared = self._known(row.prompt)
            free = source < len(self._rows) and self._rows[source] is None
            self._seat(row, source if free else self._free())
            self._begin_as(row, source, shared)
            joined[row.prompt] = Joining([row])
        self._joining += joined.values()

    def _begin_as(self, row: Row, source: int, shared: int) -> None:
        """A row's slot takes over the first `shared` tokens of slot `source`."""
        self._copy(source, [row.slot], shared)
        self._book[row.slot, : len(row.prompt)] = torch.tensor(row.prompt)

    def _free(self) -> int:
        return self._rows.index(None) if None in self._rows else len(self._rows)

    def _seat(self, row: Row, slot: int) -> None:
        if slot == len(self._rows):
            self._rows.append(row)
        self._rows[slot], row.slot = row, slot

    def _known(self, prompt: tuple[int, ...]) -> tuple[int, int]:
        """The slot that holds the longest beginning of a prompt, and its length (its last token is computed anyhow)."""
        length = min(len(prompt) - 1, self._book.shape[1])
        if self.prefix or length < SHARED or not len(self._lengths):  # a prefix's keys depend on all of it
            return 0, 0
        same = (self._book[:, :length] == torch.tensor(prompt[:length])).cumprod(dim=1).sum(dim=1)  # (S,)
        shared, slot = torch.minimum(same, self._lengths).max(dim=0)
        return (int(slot), int(shared)) if shared >= SHARED else (0, 0)

    def _make_room(self, slots: int, length: int) -> None:
        """Let the cache hold so many slots and tokens."""
        cache, limit = self._cache, self.shape.max_positions
        if slots > cache.slots:
            slots = min(max(_round(slots, ROWS), 2 * cache.slots), self.slots) if self.fair else slots
        if length > cache.capacity:
            length = min(max(_round(length, ROOM), cache.capacity * 3 // 2), limit)
        if slots <= cache.slots and length <= cache.capacity:
            return
        cache.grow(max(slots, cache.slots), max(length, cache.capacity))
        book = torch.zeros(cache.slots, cache.capacity + 1, dtype=torch.long)
        book[: len(self._book), : self._book.shape[1]] = self._book
        self._book = book
        self._lengths = torch.cat([self._lengths, torch.zeros(cache.slots - len(self._lengths), dtype=torch.long)])

    def _prefill(self) -> list[Row]:
        """Compute a piece of the joining prompts; rows whose prompt is done get their first token."""
        limit = PIECE if self.fair and not self.prefix else PIECES
        for joining in self._joining if self.fair else ():
            source, shared = self._known(joining.rows[0].prompt)
            if not joining.begun and shared > self._held(joining):  # what others have computed since it was admitted
                self._begin_as(joining.rows[0], source, shared)
        left = {id(joining): len(joining.rows[0].prompt) - self._held(joining) for joining in self._joining}
        if self.prefix:  # a prompt that sees itself whole is computed in one piece
            limit = max(limit, *left.values())
        order = self._joining if self.fair else sorted(self._joining, key=lambda joining: left[id(joining)])
        piece, part = 0, list[Joining]()
        for joining in order:  # as many as fit with all padded to the longest
            longer = max(piece, min(left[id(joining)], limit))
            if not part or longer * (len(part) + 1) <= limit:
                piece, part = longer, [*part, joining]
        for joining in part:
            joining.begun = True
        slots = torch.tensor([joining.rows[0].slot for joining in part])
        # a row near the model's last position goes back a little: padding must not pass that position
        held = self._lengths[slots].clamp(max=self.shape.max_positions - piece)
        prompts = torch.tensor([len(joining.rows[0].prompt) for joining in part])
        self._make_room(0, int(held.max()) + piece)
        tokens = self._book[slots[:, None], held[:, None] + torch.arange(piece)]  # (P, T)
        hidden = self._pass(tokens, held, slots, prompts if self.prefix else None)  # (P, T, D)
        self._lengths[slots] = torch.minimum(held + piece, prompts)
        done = (held + piece >= prompts).nonzero().squeeze(1)
        if not len(done):
            return []
        ends = hidden[done.to(hidden.device), (prompts - held - 1)[done].to(hidden.device)]
        finished = [part[number] for number in done.tolist()]
        for joining in finished:
            self._copy(joining.rows[0].slot, [row.slot for row in joining.rows], len(joining.rows[0].prompt))
        self._joining = [joining for joining in self._joining if joining not in finished]
        which = torch.tensor([number for number, joining in enumerate(finished) for _ in joining.rows])
        logits = self._decoding.logits(ends)  # (P, V)
        return self._advance([row for joining in finished for row in joining.rows], logits[which.to(logits.device)])

    def _held(self, joining: Joining) -> int:
        return int(self._lengths[joining.rows[0].slot])

    def _decode(self, rows: list[Row]) -> list[Row]:
        """A token for each of `rows`; gaps between and behind them compute something that nobody reads, which is cheaper
        than to gather the others' cache."""
        if not rows:
            return []
        count = len(self._rows)
        if count > MANY:  # few different numbers of rows: a matrix library keeps something for each
            count = min(_round(count, ROWS), self._cache.slots)
        lengths = self._lengths[:count]
        self._make_room(0, int(lengths.max()) + 1)
        lengths = self._lengths[:count]
        tokens = self._book[:count].gather(1, lengths[:, None])  # (B, 1)
        hidden = self._pass(tokens, lengths)[:, 0]  # (B, D)
        if len(rows) < count:
            hidden = hidden[torch.tensor([row.slot for row in rows], device=hidden.device)]
        self._lengths[torch.tensor([row.slot for row in rows])] += 1
        return self._advance(rows, self._decoding.logits(hidden))

    def _pass(
        self, tokens: Tensor, lengths: Tensor, slots: Tensor | None = None, prefix: Tensor | None = None
    ) -> Tensor:
        """Hidden states of `tokens` (B, T) that come after `lengths` (B,) in `slots` (B,), the first ones where None; the first
        `prefix` (B,) tokens of a slot see each other, where it is given."""
        device = self._cache.store.device
        positions = self._cache.enter(lengths, tokens.shape[1], None if slots is None else slots.to(device), prefix)
        return self._decoding.hidden(tokens.to(device), positions, self._cache)

    def _advance(self, rows: list[Row], logits: Tensor) -> list[Row]:
        chances = torch.tensor([row.uniforms[len(row.tokens)] for row in rows], device=logits.device)
        samplings = [row.sampling for row in rows]
        tokens, logprobs = choose(logits, chances, samplings, _allowed(rows, logits))
        self._likely(rows, logprobs)
        chosen = logprobs.gather(1, tokens[:, None]).squeeze(1)
        drawn = tokens.cpu()
        for row, token, logprob in zip(rows, drawn.tolist(), chosen.tolist(), strict=True):
            row.take(token, logprob)
        slots = torch.tensor([row.slot for row in rows])
        self._book[slots, self._lengths[slots]] = drawn
        return rows

    @staticmethod
    def _likely(rows: list[Row], logprobs: Tensor) -> None:
        most = max(row.top for row in rows)
        if not most:
            return
        values, ids = logprobs.topk(min(most, logprobs.shape[1]), dim=-1)
        for row, some, numbers in zip(rows, values.tolist(), ids.tolist(), strict=True):
            if row.top:
                row.likely.append(list(zip(numbers, some, strict=True))[: row.top])


def _allowed(rows: list[Row], logits: Tensor) -> Tensor | None:
    """Boolean (B, V) where a row is constrained."""
    if all(row.constraint is None for row in rows):
        return None
    result = torch.ones(logits.shape, dtype=torch.bool)
    for number, row in enumerate(rows):
        if row.constraint is not None:
            result[number] = row.constraint.allowed(logits.shape[1])
    return result.to(logits.device)


def _round(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
