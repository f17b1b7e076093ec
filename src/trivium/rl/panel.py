"""Is it learning? What the figures of an alignment say, in plain words: live, and in the report.

Read from the metrics alone, so it can be asked at any time, of a running stage or an old one. It stops nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

State = Literal["early", "learning", "unclear", "fooled", "worse"]
Row = Mapping[str, Any]

ANSWERS: dict[State, str] = {
    "early": "too early to tell",
    "learning": "yes",
    "unclear": "not clearly",
    "fooled": "no, it fools the reward",
    "worse": "no, it earns less than before",
}
SURE = 2.0  # standard errors
NEAR_BUDGET = 0.8
MUCH_ALIKE = 0.5  # of the groups
LOW_ENTROPY, HIGH_ENTROPY = 0.3, 2.0  # of what it was in the beginning
LONGER, REPEATS = 1.5, 0.1
FEW_END = 0.5


@dataclass(frozen=True)
class Panel:
    """The answer, a summary in one line, and sentences about what was seen; `warnings` are what should be looked after."""

    state: State
    summary: str
    seen: tuple[str, ...]
    warnings: tuple[str, ...]


def panel(rows: Sequence[Row], kl_budget: float = 0.0) -> Panel:
    """What `rows` of an alignment's metrics say, up to the newest one. Rows may lack anything, or hold what is no number."""
    looks = [_Look.of(row) for row in rows if _number(row, "heldout_reward") is not None]
    if not rows:
        return Panel("early", f"is it learning? {ANSWERS['early']}", (), ())
    state, seen = _judged(looks) if len(looks) > 1 else ("early", [])
    warnings = [*_warnings(rows, kl_budget), *_fooled(looks, state)]
    kl, step = _mean(rows[-3:], "kl"), _number(rows[-1], "step")
    parts = [f"is it learning? step {step or 0:.0f}: {ANSWERS[state]}", *seen]
    if kl is not None:
        parts.append(f"KL {kl:.1f} nats" + (f" of {kl_budget:g}" if kl_budget else ""))
    return Panel(state, "; ".join([*parts, *warnings[-1:]]), tuple(seen), tuple(warnings))


@dataclass(frozen=True)
class _Look:
    """A look at requests kept aside; `wins` of `pairs` where there were fresh ratings."""

    step: float
    reward: float
    error: float
    wins: float | None
    pairs: float

    @classmethod
    def of(cls, row: Row) -> _Look:
        known = {key: _number(row, key) for key in ("step", "heldout_reward", "heldout_error", "fresh_wins")}
        pairs = max(1.0, _number(row, "fresh_pairs") or 1.0)
        reward, error = known["heldout_reward"] or 0.0, known["heldout_error"] or 0.0
        return cls(known["step"] or 0.0, reward, error, known["fresh_wins"], pairs)

    @property
    def wins_error(self) -> float:
        """The standard error of the share of wins; never quite zero, for a few wins prove little."""
        share = ((self.wins or 0.0) * self.pairs + 1.0) / (self.pairs + 2.0)
        return math.sqrt(max(share * (1.0 - share), 0.0) / self.pairs)


def _judged(looks: Sequence[_Look]) -> tuple[State, list[str]]:
    """The state, and the sentences that it rests on: the first look against the newest, and fresh ratings where there are."""
    first, last = looks[0], looks[-1]
    rise, error = last.reward - first.reward, math.hypot(first.error, last.error)
    seen = [f"reward on requests kept aside {first.reward:.2f} -> {last.reward:.2f}"]
    if last.wins is None:
        return ("learning" if rise > SURE * error else "worse" if rise < -SURE * error else "unclear"), seen
    seen.append(f"the simulated rater prefers it to the tuned model in {last.wins:.0%} of {last.pairs:.0f} pairs")
    best = _best(looks)
    lost = (best.wins or 0.0) - last.wins > SURE * math.hypot(last.wins_error, best.wins_error)
    beaten = last.wins < 0.5 - SURE * last.wins_error
    if (lost or beaten) and last.reward >= best.reward - SURE * error:
        return "fooled", seen
    if last.wins > 0.5 + SURE * last.wins_error and not lost:
        return "learning", seen
    return ("worse" if lost or beaten else "unclear"), seen


def _best(looks: Sequence[_Look]) -> _Look:
    return max(looks, key=lambda look: look.wins or 0.0)


def _fooled(looks: Sequence[_Look], state: State) -> list[str]:
    if state != "fooled":
        return []
    best, last = _best(looks), looks[-1]
    return [
        f"over-optimised: the reward went from {best.reward:.2f} at step {best.step:.0f} to {last.reward:.2f}, while the rater's "
        f"choices fell from {best.wins or 0.0:.0%} to {last.wins or 0.0:.0%}: raise kl_weight, set kl_budget, or learn a new "
        "reward from fresh ratings"
    ]


def _warnings(rows: Sequence[Row], kl_budget: float) -> list[str]:
    few = max(1, min(5, len(rows) // 2))
    first, last = rows[:few], rows[-few:]

    def ends(key: str) -> tuple[float, float] | None:
        before, now = _mean(first, key), _mean(last, key)
        return None if before is None or now is None else (before, now)

    told = []
    kl = _mean(last, "kl")
    if kl is not None and kl_budget and kl > NEAR_BUDGET * kl_budget:
        told.append(f"KL is at {kl:.1f} of its budget of {kl_budget:g} nats")
    if (found := ends("entropy")) and found[1] < LOW_ENTROPY * found[0]:
        told.append(f"entropy fell from {found[0]:.2f} to {found[1]:.2f} nats: all answers are becoming one")
    elif found and found[1] > HIGH_ENTROPY * found[0]:
        told.append(f"entropy rose from {found[0]:.2f} to {found[1]:.2f} nats: the answers are becoming noise")
    if (found := ends("length")) and found[1] > LONGER * found[0]:
        told.append(f"answers grew from {found[0]:.0f} to {found[1]:.0f} tokens: is length what is paid?")
    if (found := ends("repetition")) and found[1] > found[0] + REPEATS:
        told.append(f"{found[1]:.0%} of an answer repeats itself, {found[0]:.0%} at first")
    alike = _mean(last, "zero_spread")
    if alike is not None and alike > MUCH_ALIKE:
        told.append(
            f"in {alike:.0%} of the groups all answers earn the same and teach nothing: raise answers_per_prompt"
        )
    ended = _mean(last, "ended")
    if ended is not None and ended < FEW_END:
        told.append(f"{ended:.0%} of the answers end by themselves: raise max_new_tokens")
    if unscored := _mean(last, "unscored"):
        told.append(f"{unscored:.0%} of the answers could not be scored")
    if skipped := _number(rows[-1], "skipped"):
        told.append(f"{skipped:.0f} updates were left out, their gradient was not finite")
    return told


def _number(row: Row, key: str) -> float | None:
    value = row.get(key)
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None  # type: ignore[arg-type]


def _mean(rows: Sequence[Row], key: str) -> float | None:
    known = [value for row in rows if (value := _number(row, key)) is not None]
    return sum(known) / len(known) if known else None
