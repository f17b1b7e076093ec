"""The course of a policy gradient: what happens around its updates, the same for every algorithm.

    course = Course(players, settings, context, {"policy": Learner(players.layout, optimizer)})
    for step in course.steps():
        ...                                      # draw, score, update: the algorithm
        course.end(step, every, figures)         # guards, looks, metrics, checkpoints; may stop the steps

It owns the order of things, never what is learned. All processes run it in step.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor

from trivium.base.errors import Interrupted
from trivium.base.progress import Context, MetricsFile, Progress, read_metrics
from trivium.optim.optimizer import Optimizer
from trivium.rl.guards import Guards
from trivium.rl.looks import Looks
from trivium.rl.panel import panel
from trivium.rl.players import Players
from trivium.rl.settings import PolicySettings
from trivium.train import checkpoint
from trivium.train.best import Best
from trivium.train.fit import pieces_of, take_over
from trivium.train.layout import Layout


@dataclass(frozen=True)
class Learner:
    """A model that learns, and its optimizer."""

    layout: Layout
    optimizer: Optimizer


class Remembers(Protocol):
    """Something with numbers that the next step depends on, such as a controller."""

    def state(self) -> dict[str, Any]: ...
    def load_state(self, state: dict[str, Any]) -> None: ...


class Course:
    """The steps of one alignment, from its newest checkpoint on. The learner `policy` is the model that is left."""

    def __init__(
        self,
        players: Players,
        settings: PolicySettings,
        context: Context,
        learners: Mapping[str, Learner],
        controllers: Mapping[str, Remembers] | None = None,
    ) -> None:
        self.players, self.settings, self.context = players, settings, context
        self.learners, self.team = learners, players.team
        self.guards = Guards(settings.kl_budget)
        self._remembered: dict[str, Remembers] = {"guards": self.guards, **(controllers or {})}
        self._state = context.folder / "trivium" / "state"
        self._path = context.folder / "trivium" / "metrics.jsonl"
        self._looks = Looks(players, settings, context.seed)
        self._best = Best(self._state, "max", patience=settings.steps + 1)
        self.done, self._seconds, self._over = self._resume()
        first = context.ranks.first
        self._metrics = MetricsFile(self._path, keep_until=self.done) if first else None
        self._saved = time.monotonic()

    def steps(self) -> Iterator[int]:
        """The 0-based steps that are left."""
        while self.done < self.settings.steps and not self._over:
            self._started = time.perf_counter()
            yield self.done

    def end(self, step: int, rewards: Tensor, figures: Mapping[str, float]) -> None:
        """Note a step with the rewards (B,) of everybody's answers and its figures, at least `kl`, `reward` and `length`.

        Raises TrainingError where a guard stops it, Interrupted (with everything saved) where the user does.
        """
        settings, context = self.settings, self.context
        self.guards.check_rewards(step + 1, rewards)
        self.done = step + 1
        self._seconds += time.perf_counter() - self._started
        self._over = self.guards.spent(figures["kl"])
        row: dict[str, Any] = {"step": self.done, "seconds": round(self._seconds, 3), **figures}
        row["skipped"] = self.guards.skipped
        looking = bool(settings.look_every and self.players.looks) and (
            self.done % settings.look_every == 0 or self.done == settings.steps or self._over
        )
        if looking:
            row |= self._look()
        if self._metrics:
            self._metrics.write(**row)
        shown = {key: row[key] for key in ("reward", "kl", "length")}
        context.report(Progress(context.folder.name, self.done, settings.steps, figures=shown))
        if looking and context.ranks.first:
            self._tell(panel(read_metrics(self._path), settings.kl_budget).summary)
        if self._over:
            self._tell(f"stopped at step {self.done}: the KL is over its budget of {settings.kl_budget} nats")
        self._save()

    def leave(self) -> None:
        """Make the policy the one that is to be left: that of the best look, or of the last step."""
        self.learners["policy"].optimizer.swap_in_average()
        if self.settings.keep == "best" and self.context.ranks.first and self._best.looks():
            step = self._best.restore(self.players.policy)
            if step < self.done:
                self._tell(f"the best look was after step {step} of {self.done}; its model is kept")

    def _look(self) -> dict[str, float]:
        started = time.perf_counter()
        found = self._looks.look()
        score = found.get("fresh_wins", found["heldout_reward"] - self.settings.kl_weight * found["heldout_kl"])
        if self.context.ranks.first and self.settings.keep == "best":
            self._best.look(self.done, score if math.isfinite(score) else math.nan, self.players.policy)
        return {**found, "seconds_look": round(time.perf_counter() - started, 3)}

    def _tell(self, note: str) -> None:
        self.context.report(Progress(self.context.folder.name, self.done, self.settings.steps, note=note))

    def _save(self) -> None:
        first = self.context.ranks.first
        late = first and time.monotonic() - self._saved > checkpoint.CHECKPOINT_SECONDS
        stopping, due = self.team.sum(self.context.stopping(), late)
        if stopping or due:
            pieces = {
                f"{name}.{own}": piece
                for name, learner in self.learners.items()
                for own, piece in pieces_of(learner.layout, learner.optimizer).items()
            }
            facts = {name: remembered.state() for name, remembered in self._remembered.items()}
            saver = checkpoint.Saver(self._state, self.team)
            saver.save(self.done, pieces, {"seconds": self._seconds, "over": self._over, **facts})
            saver.finish()
            self._saved = time.monotonic()
        if stopping:
            raise Interrupted(f"stopped after step {self.done} of {self.settings.steps}; everything is saved")

    def _resume(self) -> tuple[int, float, bool]:
        found, notes = checkpoint.load_newest(self._state, team=self.team)
        self.done = 0
        for note in notes:
            self._tell(note)
        if found is None:
            return 0, 0.0, False
        for name, learner in self.learners.items():
            take_over(learner.layout, learner.optimizer, found.tensors.under(f"{name}."))
        for name, remembered in self._remembered.items():
            remembered.load_state(found.facts[name])
        self.done = found.step
        self._tell(f"going on from step {found.step} of {self.settings.steps}")
        return found.step, float(found.facts["seconds"]), bool(found.facts["over"])
