"""The rounds section: what each round asked, how well its reward model agrees, and how its model is liked by fresh ratings.

A round's win rate is measured by the rating after it, so it stands in the next round's folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trivium.journey.record import round_folders
from trivium.journey.report_read import Reader, Run
from trivium.journey.report_values import count, label, number, percent, plain
from trivium.journey.report_words import RATER


@dataclass(frozen=True)
class RoundRow:
    """A round, in words; what is not known yet is empty."""

    name: str
    ratings: str
    agrees: str
    distance: str
    wins: str
    judged_by: str


@dataclass(frozen=True)
class Rounds:
    """The rounds, what they come to in a sentence, and what could not be read."""

    rows: tuple[RoundRow, ...]
    sentence: str
    faults: tuple[str, ...]


def rounds(run: Run) -> Rounds | None:
    """The rounds of a run; None where it has only the first."""
    later = round_folders(run.folder)
    if not later:
        return None
    reader = Reader(run.folder)
    folders = [run.folder, *later]
    measured = [reader.mapping(folder / "rate" / "win_rate.json") for folder in folders[1:]]
    rows = [
        _row(reader, folder, place, measured[place - 1] if place <= len(measured) else {})
        for place, folder in enumerate(folders, 1)
        if (folder / "align").is_dir() or (folder / "reward").is_dir()
    ]
    return Rounds(tuple(rows), _sentence([one for one in measured if _wins(one)]), tuple(reader.faults))


def _row(reader: Reader, folder: Path, place: int, measured: dict[str, Any]) -> RoundRow:
    rate, reward, align = (_figures(reader, folder / name) for name in ("rate", "reward", "align"))
    pairs, accuracy, ceiling = (
        number(rate.get("pairs")),
        number(reward.get("heldout_accuracy")),
        number(reward.get("ceiling")),
    )
    most = f" (ceiling {percent(ceiling)})" if ceiling is not None else ""
    kl = number(align.get("kl"))
    return RoundRow(
        name=f"Round {place}",
        ratings=f"{count(pairs)} by {_who(rate.get('rater'), rate.get('raters'))}" if pairs is not None else "not yet",
        agrees=f"{percent(accuracy)}{most}" if accuracy is not None else "not measured",
        distance=f"{plain(kl)} nats" if kl is not None else "not measured",
        wins=_wins(measured) or "not measured yet",
        judged_by=_who(measured.get("rater"), None) if measured else "",
    )


def _figures(reader: Reader, folder: Path) -> dict[str, Any]:
    found = reader.mapping(folder / "trivium" / "stage.json").get("figures")
    return found if isinstance(found, dict) else {}


def _who(rater: Any, people: Any) -> str:
    if rater == "human":
        several = number(people)
        return "people" if several is None else "one person" if several == 1 else f"{count(several)} people"
    return f"the {RATER}" if str(rater).startswith("simulated") else label(rater or "somebody")


def _wins(measured: dict[str, Any]) -> str:
    value, low, high = (number(measured.get(name)) for name in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return ""
    return f"{percent(value)} ({percent(low)} to {percent(high)})"


def _sentence(measured: list[dict[str, Any]]) -> str:
    if not measured:
        return ""
    newest, before = measured[-1], _wins(measured[-2]) if len(measured) > 1 else "50%, by definition"
    whose = "people" if newest.get("rater") == "human" else f"the {RATER}"
    return (
        f"Of {count(newest.get('items'))} held-out requests, {whose} preferred the newest measured model's answer to the "
        f"fine-tuned one's in {_wins(newest)}; before that round it was {before}."
    )
