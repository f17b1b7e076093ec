"""What the server counts, in Prometheus' form: `prometheus_client` in one place."""

from __future__ import annotations

from collections.abc import Callable

from trivium.base.errors import MissingExtra

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
STEPS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Counts:
    """Counters of one server. Raises MissingExtra where the library is not installed."""

    def __init__(self) -> None:
        try:
            from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
        except ImportError:
            raise MissingExtra("prometheus_client", "web", "the server") from None
        own = self.registry = CollectorRegistry()
        self._tokens = Counter("trivium_generated_tokens", "Tokens drawn", ["model"], registry=own)
        self._prompts = Counter("trivium_prompt_tokens", "Tokens of prompts", ["model"], registry=own)
        self._step = Histogram("trivium_step_seconds", "Time of a step", ["model"], registry=own, buckets=STEPS)
        self._first = Histogram("trivium_first_token_seconds", "To the first token", registry=own, buckets=SECONDS)
        self._jobs = Counter("trivium_prompts_answered", "Prompts, by how they ended", ["model", "how"], registry=own)
        self._took = Histogram("trivium_prompt_seconds", "Time of a prompt's answers", registry=own, buckets=SECONDS)
        self._http = Counter("trivium_http_answers", "Answers, by path and status", ["path", "status"], registry=own)
        self._rows = Gauge("trivium_answers_in_work", "Answers that wait or are being written", registry=own)

    def follow(self, rows: Callable[[], int]) -> None:
        """Where the number of answers in work is read."""
        self._rows.set_function(rows)

    def stepped(self, model: str, tokens: int, seconds: float) -> None:
        """A step gave so many tokens."""
        self._tokens.labels(model).inc(tokens)
        self._step.labels(model).observe(seconds)

    def began(self, model: str, prompt: int, seconds: float) -> None:
        """A prompt of so many tokens got its first token."""
        self._prompts.labels(model).inc(prompt)
        self._first.observe(seconds)

    def ended(self, model: str, how: str, seconds: float) -> None:
        """A prompt's answers are over."""
        self._jobs.labels(model, how).inc()
        self._took.observe(seconds)

    def answered(self, path: str, status: int) -> None:
        """An HTTP answer was sent; `path` is one of the server's own."""
        self._http.labels(path, str(status)).inc()

    def text(self) -> bytes:
        """All of it, as Prometheus reads it."""
        from prometheus_client import generate_latest

        return generate_latest(self.registry)
