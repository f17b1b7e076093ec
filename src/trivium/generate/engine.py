"""The decoding engine: rows join and leave a static cache; a prompt is computed once however many answers it gets.

`run` and `stream` answer requests that are all known; `open` gives a session that requests can join at any time, on which
both are built. The slow twin, which recomputes everything for each token, stands in tests/reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import torch

from trivium.generate.rows import Request, Row
from trivium.generate.sampling import Sampling
from trivium.generate.session import Session
from trivium.model.decode import Pass, decoding_pass
from trivium.model.transformer import Transformer

__all__ = ["Engine", "Request", "Row", "Session"]


class Engine:
    """Decodes requests with one model, which it leaves as it was. A token of `stops` ends an answer.

    In float32 log-probabilities are those of the model to rounding, and a session's weights are those of the time when it was
    opened. In bfloat16, which is faster where the processor has it, log-probabilities are off by some thousandths, and the
    weights are copies from the first session, or from the first after `renew`. They must not change while one is in use.
    With `prefix` the tokens of a prompt see all of it, as a model that was trained so needs it.
    """

    def __init__(
        self,
        model: Transformer,
        stops: Iterable[int],
        slots: int = 128,
        dtype: torch.dtype = torch.float32,
        *,
        prefix: bool = False,
    ) -> None:
        self.model, self.stops, self.slots, self.dtype = model, frozenset(stops), slots, dtype
        self.prefix = prefix
        self._copies: Pass | None = None

    def renew(self) -> None:
        """Take the model's weights anew for the sessions to come."""
        self._copies = None

    def _pass(self) -> Pass:
        if self.dtype == torch.float32:
            return decoding_pass(self.model)
        if self._copies is None:
            self._copies = decoding_pass(self.model, self.dtype)
        return self._copies

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.embedding.weight.device

    def open(self, sampling: Sampling | None = None, seed: int = 0, *, fair: bool = True) -> Session:
        """A session; `sampling` and `seed` are those of requests that bring none. A `fair` one is for requests that come
        at any time, see `session`."""
        default = sampling or Sampling(), seed
        return Session(self._pass(), self.model.shape, self.stops, self.slots, default, fair=fair, prefix=self.prefix)

    def run(self, requests: Sequence[Request], sampling: Sampling, seed: int, first: int = 0) -> list[list[Row]]:
        """All answers, by request and sample. The first request draws as number `first` of this seed does, whatever
        process it is drawn in."""
        answers: list[list[Row]] = [[] for _ in requests]
        for row in self.stream(requests, sampling, seed, first):
            if not row.live:
                answers[row.request - first].append(row)
        return [sorted(rows, key=lambda row: row.sample) for rows in answers]

    def stream(self, requests: Sequence[Request], sampling: Sampling, seed: int, first: int = 0) -> Iterator[Row]:
        """Each row every time it got a token; `live` turns False with its last one. `sampling` and `seed` are those of
        requests that bring none, and `row.request` counts from `first`.

        Raises UserError for a prompt that is empty or leaves no room for an answer.
        """
        session = self.open(sampling, seed, fair=False)
        for number, request in enumerate(requests):
            session.add(request, first + number)
        while session.busy:
            yield from session.step()
