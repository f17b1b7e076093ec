"""The one thread that decodes: jobs join and leave while others run, and every step gives each live row a token.

Callers live in an event loop. They hand over a `Job`, and read what it says from its `Mail`; nothing else is shared. A
session (one for each model that is asked) that fails takes its own jobs with it, and no others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from trivium.apps.web.api.faults import ApiError, told
from trivium.apps.web.api.spoken import Drawn, Spoken
from trivium.generate.rows import Request, Row

NEVER = float("-inf")
LOOKING = 0.05  # seconds between two looks for jobs whose time is over
Finish = Literal["stop", "length"]


class Session(Protocol):
    """What decodes: `trivium.generate.session.Session`."""

    @property
    def busy(self) -> bool:
        """Whether a step would do something."""

    def add(self, request: Request) -> list[Row]:
        """Queue a request."""

    def cancel(self, row: Row) -> None:
        """Give up a row."""

    def step(self) -> list[Row]:
        """A token for each live row."""


class Watch(Protocol):
    """Who counts."""

    def stepped(self, model: str, tokens: int, seconds: float) -> None:
        """A step was made."""

    def began(self, model: str, prompt: int, seconds: float) -> None:
        """A job's first token came after that many seconds."""

    def ended(self, model: str, how: str, seconds: float) -> None:
        """A job is over: done, cancelled, late or failed."""


@dataclass(frozen=True)
class Told:
    """What one answer of a job says next; `finish` comes with the last of it."""

    index: int
    text: str
    drawn: Sequence[Drawn] = ()
    finish: Finish | None = None


class Mail:
    """What the thread tells one caller, in the caller's own event loop."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self._come = asyncio.Event()
        self.told: deque[Told | ApiError] = deque()

    def wake(self) -> None:
        """Say that something has come; in the loop."""
        self._come.set()

    async def read(self) -> list[Told]:
        """Everything that has come since. Raises ApiError where the job failed."""
        while not self.told:
            self._come.clear()
            await self._come.wait()
        found: list[Told] = []
        while self.told:
            one = self.told.popleft()
            if isinstance(one, ApiError):
                if not found:
                    raise one
                self.told.appendleft(one)
                break
            found.append(one)
        return found


@dataclass(eq=False)
class Job:
    """A prompt and its answers, numbered from `first`. `each` says whether every token is told at once, or all at the end."""

    model: str
    request: Request
    spoken: list[Spoken]
    mail: Mail
    deadline: float
    each: bool = True
    first: int = 0
    at: float = field(default_factory=time.monotonic)
    began: bool = False
    rows: list[Row] = field(default_factory=list)
    open: int = 0
    tokens: int = 0  # drawn for all its answers


def rows_of(jobs: Sequence[Job]) -> int:
    """How many answers that are."""
    return sum(job.request.samples for job in jobs)


async def pieces(jobs: Sequence[Job], rows: int) -> AsyncIterator[list[Told]]:
    """What jobs with one mail tell, until their `rows` answers are over."""
    while rows:
        found = await jobs[0].mail.read()
        rows -= sum(one.finish is not None for one in found)
        yield found


class Scheduler:
    """Decodes for everyone. `open_session` gives the session of a model that is loaded."""

    def __init__(self, open_session: Callable[[str], Session], most_rows: int, watch: Watch) -> None:
        self._open_session, self._most, self._watch = open_session, most_rows, watch
        self._sessions: dict[str, Session] = {}
        self._owners: dict[Row, tuple[Job, int]] = {}
        self._new: list[Job] = []
        self._given_up: list[Job] = []
        self._jobs: set[Job] = set()
        self._rows = 0
        self._look_again = 0.0
        self._closing = self._abandon = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="decoding", daemon=True)

    def start(self) -> None:
        """Begin to decode."""
        self._thread.start()

    @property
    def rows(self) -> int:
        """Answers that wait or are being written."""
        return self._rows

    def submit(self, jobs: Sequence[Job]) -> None:
        """Take jobs in, all or none. Raises ApiError where too many wait, or where the server is about to end."""
        count = rows_of(jobs)
        with self._changed:
            if self._closing:
                raise ApiError(503, "the server is about to end; ask another one", code="shutting_down", wait=5)
            if self._rows + count > self._most:
                sentence = f"{self._rows} answers are being written or wait, of {self._most} that may; ask again later"
                raise ApiError(503, sentence, code="overloaded", wait=2)
            self._rows += count
            self._new += jobs
            self._changed.notify()

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Nobody reads these any more; what is over already stays as it is."""
        with self._changed:
            self._given_up += jobs
            self._changed.notify()

    def stop(self, patience: float) -> None:
        """Take nothing new, finish what runs for at most so many seconds, and end the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(patience)
        with self._changed:
            self._abandon = True
            self._changed.notify()
        self._thread.join(10)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not (self._new or self._given_up or self._owners or self._closing):
                    self._changed.wait()
                new, self._new = self._new, []
                gone, self._given_up = self._given_up, []
                if self._closing and not (new or gone or self._owners):
                    return
            for job in new:
                self._begin(job)
            for job in gone:
                self._end(job, "cancelled")
            if self._abandon:
                self._wake(self._drop(set(self._jobs), "cancelled", "the server has ended"))
            touched = {job for model in list(self._sessions) for job in self._step(model)}
            self._wake(touched | self._late())

    def _begin(self, job: Job) -> None:
        self._jobs.add(job)
        job.open = job.request.samples
        try:
            if job.model not in self._sessions:
                self._sessions[job.model] = self._open_session(job.model)
            job.rows = self._sessions[job.model].add(job.request)
        except Exception as error:
            self._fail(job, told(error), "failed")
            self._wake({job})
            return
        for index, row in enumerate(job.rows):
            self._owners[row] = (job, index)

    def _step(self, model: str) -> set[Job]:
        """One step of a model's session; the jobs that it said something of."""
        session = self._sessions[model]
        if not session.busy:
            return set()
        started = time.perf_counter()
        try:
            moved = session.step()
        except Exception as error:
            fault = told(error)
            del self._sessions[model]
            failed = {job for job in self._jobs if job.model == model}
            for job in failed:
                self._fail(job, fault, "failed")
            return failed
        touched = {self._take(row) for row in moved if row in self._owners}
        self._watch.stepped(model, len(moved), time.perf_counter() - started)
        return {job for job in touched if job.each or not job.open}

    def _take(self, row: Row) -> Job:
        """Tell a row's newest token."""
        job, index = self._owners[row]
        fault = getattr(row.constraint, "fault", None)
        if fault is not None:
            self._end(job, "failed")
            job.mail.told.append(fault)
            return job
        spoken = job.spoken[index]
        if not job.began:
            job.began = True
            self._watch.began(job.model, len(row.prompt), time.monotonic() - job.at)
        job.tokens += 1
        text = ""
        drawn: list[Drawn] = []
        if not row.ended:
            likely = row.likely[-1] if row.likely else []
            top = tuple((token, logprob) for token, logprob in likely if logprob > NEVER)
            text, drawn = spoken.add(Drawn(row.tokens[-1], row.logprobs[-1], top))
        finish: Finish | None = "stop" if row.ended or spoken.stopped else None if row.live else "length"
        if finish:
            rest, more = spoken.end()
            text, drawn = text + rest, drawn + more
            if spoken.stopped:
                finish = "stop"
            if row.live:
                self._sessions[job.model].cancel(row)
            self._forget(job, row)
        if text or drawn or finish:
            job.mail.told.append(Told(job.first + index, text, drawn, finish))
        if not job.open:
            self._close(job, "done")
        return job

    def _forget(self, job: Job, row: Row) -> None:
        if self._owners.pop(row, None):
            self._count(job, 1)

    def _count(self, job: Job, rows: int) -> None:
        """So many of a job's answers are over."""
        job.open -= rows
        with self._changed:
            self._rows -= rows

    def _end(self, job: Job, how: str) -> None:
        """Give up whatever of a job is not over."""
        if job not in self._jobs:
            return
        for row in job.rows:
            if row in self._owners:
                self._sessions[job.model].cancel(row)
                self._forget(job, row)
        self._count(job, job.open)
        self._close(job, how)

    def _close(self, job: Job, how: str) -> None:
        self._jobs.discard(job)
        self._watch.ended(job.model, how, time.monotonic() - job.at)

    def _fail(self, job: Job, fault: ApiError, how: str) -> None:
        for row in job.rows:
            self._owners.pop(row, None)
        self._count(job, job.open)
        self._close(job, how)
        job.mail.told.append(fault)

    def _late(self) -> set[Job]:
        """Jobs whose time is over, given up."""
        now = time.monotonic()
        if now < self._look_again:
            return set()
        self._look_again = now + LOOKING
        late = {job for job in self._jobs if now > job.deadline}
        sentence = "this took longer than a request may; ask for less, or ask again when fewer do"
        return self._drop(late, "late", sentence) if late else late

    def _drop(self, jobs: set[Job], how: str, sentence: str) -> set[Job]:
        for job in jobs:
            self._end(job, how)
            job.mail.told.append(ApiError(503, sentence, code="timeout" if how == "late" else "shutting_down"))
        return jobs

    @staticmethod
    def _wake(jobs: set[Job]) -> None:
        """One call into each event loop, however many callers it has."""
        by_loop: dict[asyncio.AbstractEventLoop, list[Mail]] = {}
        for job in jobs:
            by_loop.setdefault(job.mail.loop, []).append(job.mail)
        for loop, mails in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake_all, mails)


def _wake_all(mails: list[Mail]) -> None:
    for mail in mails:
        mail.wake()
