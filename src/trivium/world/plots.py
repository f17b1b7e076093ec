"""What a plot is: the steps of a story, each told in one of several ways, plain or vivid.

Slots: {name} {he} {him} {his} is the person, {friend} {fhe} {fhim} {fhis} a friend, {third} somebody else; {He}, {His},
{FHe}, {FHis} begin a sentence. {v1} to {v4} are an adjective and a space in a vivid story and nothing in a plain one;
{w1} to {w4} are vivid adjectives, for vivid sentences only. The plots themselves are in `plots_*`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Step:
    """The ways to tell one step; a vivid story prefers the `vivid` ones where there are some. "" leaves it out."""

    plain: tuple[str, ...]
    vivid: tuple[str, ...] = ()


def step(*plain: str, vivid: tuple[str, ...] = ()) -> Step:
    """A step from its plain tellings."""
    return Step(plain, vivid)


@dataclass(frozen=True)
class Plot:
    """A goal, a problem, an attempt, a turn and an end. Every story of the plot has every step that is not ""."""

    name: str
    steps: tuple[Step, ...]
