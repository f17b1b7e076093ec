"""The simulated rater of the little world: a hidden utility, and noisy choices that follow from it.

No trainer sees the utility; ratings carry prompts, answers and choices only, and the evaluator alone reads it to say
what a reward model and a policy are truly worth. The rater likes an answer that names what it was asked about, has a
few vivid words, a turn and a warm close, and is neither short nor long:

    utility = clip(
          0.5 * (persons asked for and named) / (persons asked for)  -  0.75 * [no person asked for is named]
        + 0.5 * (things asked for and named) / (things asked for)    -  0.75 * [no thing asked for is named]
        - 0.75 * min(other persons named, 2)
        + 0.65 * min(vivid, 4)        vivid: distinct vivid words, at most 2 a sentence, in sentences of 4 words or more
        - 0.5 * crammed               crammed: vivid words beyond the second of a sentence
        + 0.7 * [turn]                "but", "suddenly", or "then" with "surprise" after it
        + 0.5 * [warm close]          the last sentence has a warm word and ends with . ! or ?
        - 0.15 * (words below 14 or above 32)
        - 0.6 * (repeated three-word runs)  -  0.3 * (uses of a content word beyond its third)
        - 0.5 * [does not end with . ! or ?]  -  1.5 * [did not end by itself],
        -4, 5)

Each penalty has a trap in view: lists of vivid words, praise said again and again, other people's names, length.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random

from trivium.world.vivid import VIVID, WARM

RATER = "simulated:world"
TEMPERATURE = 0.8
NOISE = 0.05  # share of choices made by a coin
LOW, HIGH = -4.0, 5.0
SHORTEST, LONGEST = 14, 32

_WORD = re.compile(r"[A-Za-z']+")
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")


def utility(prompt: str, answer: str, ended: bool = True) -> float:
    """The hidden worth of `answer` to the open request `prompt`, from -4 to 5; the formula stands in the header.

    `ended` says that the answer stopped by itself rather than at a length limit.
    """
    words = _words(answer)
    total = _topic(prompt, words) + _vividness(answer) + _turn(words) + _close(answer) + _length(words) + _repeats(words)
    if not answer.rstrip().endswith((".", "!", "?")):
        total -= 0.5
    if not ended:
        total -= 1.5
    return min(max(total, LOW), HIGH)


def prefer(first: float, second: float) -> float:
    """The chance that the rater prefers the answer with utility `first` to the one with `second`."""
    return (1 - NOISE) / (1 + math.exp((second - first) / TEMPERATURE)) + NOISE / 2


def judge(
    prompt: str, first: str, second: str, random: Random, ended: tuple[bool, bool] = (True, True)
) -> int:
    """Which answer the rater prefers, 0 for `first` and 1 for `second`; one draw from `random`."""
    chance = prefer(utility(prompt, first, ended[0]), utility(prompt, second, ended[1]))
    return 0 if random.random() < chance else 1


def ceiling(pairs: Iterable[tuple[float, float]]) -> float:
    """The expected accuracy of the best possible predictor of the rater on pairs of utilities: mean of max(p, 1 - p)."""
    chances = [prefer(first, second) for first, second in pairs]
    assert chances, "no pairs to rate"
    return sum(max(chance, 1 - chance) for chance in chances) / len(chances)


def _words(text: str) -> list[str]:
    return [word.removesuffix("'s") for word in _WORD.findall(text.lower())]


def _topic(prompt: str, words: Sequence[str]) -> float:
    asked, named = set(_words(prompt)), set(words)
    total = 0.0
    for wanted in (asked & PEOPLE, asked & TOPICS):
        if wanted:
            found = len(wanted & named)
            total += 0.5 * found / len(wanted) - (0.75 if not found else 0.0)
    return total - 0.75 * min(len((named & PEOPLE) - asked), 2)


def _vividness(answer: str) -> float:
    seen: set[str] = set()
    crammed = 0
    for sentence in _SENTENCE.findall(answer):
        words = _words(sentence)
        vivid = [word for word in words if word in VIVID]
        crammed += max(0, len(vivid) - 2)
        if len(words) >= 4:
            seen.update(vivid[:2])
    return 0.65 * min(len(seen), 4) - 0.5 * crammed


def _turn(words: Sequence[str]) -> float:
    surprise = "then" in words and "surprise" in words[words.index("then") :]
    return 0.7 if surprise or "but" in words or "suddenly" in words else 0.0


def _close(answer: str) -> float:
    last = _SENTENCE.findall(answer.strip())[-1:]
    warm = bool(last) and last[0].endswith((".", "!", "?")) and not WARM.isdisjoint(_words(last[0]))
    return 0.5 if warm else 0.0


def _length(words: Sequence[str]) -> float:
    return -0.15 * (max(SHORTEST - len(words), 0) + max(len(words) - LONGEST, 0))


def _repeats(words: Sequence[str]) -> float:
    runs = Counter(zip(words, words[1:], words[2:], strict=False))
    uses = Counter(word for word in words if word not in SMALL)
    return -0.6 * sum(count - 1 for count in runs.values()) - 0.3 * sum(max(count - 3, 0) for count in uses.values())
