"""The simulated rater of the little world: a hidden utility, and noisy choices that follow from it.

No trainer sees the utility; ratings carry prompts, answers and choices only, and the evaluator alone reads it to say
what a reward model and a policy are truly worth. The rater likes an answer that names what it was asked about, has a
few vivid words, a turn and a warm close, and is neither short nor long:

    utility = clip(
          0.4 * [the person asked for is named, else -2]  +  0.4 * [the thing asked for is named, else -2]
        + 0.3 * [the town asked for is named]  -  0.75 * min(other persons named, 2)
        + 0.6 * min(vivid, 4)         vivid: distinct vivid words, at most 2 a sentence, in sentences of 4 words or more
        - 0.5 * crammed               crammed: vivid words beyond the second of a sentence
        + 0.7 * [turn]                "but", "suddenly", or "then" with "surprise" after it
        + 0.5 * [warm close]          the last sentence has a warm word and ends with . ! or ?
        + 0.03 * min(words above 14, 10)  -  0.15 * (words below 14 or above 32)
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

from trivium.world import lexicon
from trivium.world.families_open import TOPICS

RATER = "simulated:world"
TEMPERATURE = 0.6
NOISE = 0.05  # share of choices made by a coin
LOW, HIGH = -4.0, 5.0
SHORTEST, LONGEST = 14, 32

WARM = frozenset(["happy", "warm", "friend", "friends", "love", "loves", "together", "smiled", "smiles", "laughed"])
VIVID = frozenset(lexicon.VIVID.all)
# Words that say little; saying them often is no fault.
_SMALL = frozenset([
    "a", "an", "the", "and", "or", "of", "to", "in", "on", "at", "by", "for", "from", "with", "as", "is", "was",
    "are", "were", "be", "it", "he", "she", "they", "i", "we", "you", "him", "her", "his", "them", "there", "that",
    "this", "then", "had", "has", "have", "not", "but",
])  # fmt: skip
_PEOPLE = frozenset(name.lower() for name in lexicon.NAMES.all)
_TOWNS = frozenset(town.lower() for town in lexicon.TOWNS.all)
_TOPICS = frozenset(topic for topics in TOPICS.values() for topic in topics.all)

_WORD = re.compile(r"[A-Za-z']+")
_SENTENCE = re.compile(r"[^.!?]+[.!?]*")


def utility(prompt: str, answer: str, ended: bool = True) -> float:
    """The hidden worth of `answer` to the open request `prompt`, from -4 to 5; the formula stands in the header.

    `ended` says that the answer stopped by itself rather than at a length limit.
    """
    words = _words(answer)
    total = _topic(prompt, words) + _vividness(answer) + _turn(words)
    total += _close(answer) + _length(words) + _repeats(words)
    if not answer.rstrip().endswith((".", "!", "?")):
        total -= 0.5
    if not ended:
        total -= 1.5
    return min(max(total, LOW), HIGH)


def prefer(first: float, second: float) -> float:
    """The chance that the rater prefers the answer with utility `first` to the one with `second`."""
    return (1 - NOISE) / (1 + math.exp((second - first) / TEMPERATURE)) + NOISE / 2


def judge(prompt: str, first: str, second: str, random: Random, ended: tuple[bool, bool] = (True, True)) -> int:
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
    for wanted in (asked & _PEOPLE, asked & _TOPICS):
        if wanted:
            total += 0.4 if wanted & named else -0.8
    if asked & _TOWNS & named:
        total += 0.3
    return total - 0.75 * min(len((named & _PEOPLE) - asked), 2)


def _vividness(answer: str) -> float:
    seen: set[str] = set()
    crammed = 0
    for sentence in _SENTENCE.findall(answer):
        words = _words(sentence)
        vivid = [word for word in words if word in VIVID]
        crammed += max(0, len(vivid) - 2)
        if len(words) >= 4:
            seen.update(vivid[:2])
    return 0.6 * min(len(seen), 4) - 0.5 * crammed


def _turn(words: Sequence[str]) -> float:
    surprise = "then" in words and "surprise" in words[words.index("then") :]
    return 0.7 if surprise or "but" in words or "suddenly" in words else 0.0


def _close(answer: str) -> float:
    last = _SENTENCE.findall(answer.strip())[-1:]
    warm = bool(last) and last[0].endswith((".", "!", "?")) and not WARM.isdisjoint(_words(last[0]))
    return 0.5 if warm else 0.0


def _length(words: Sequence[str]) -> float:
    outside = max(SHORTEST - len(words), 0) + max(len(words) - LONGEST, 0)
    return 0.03 * min(max(len(words) - SHORTEST, 0), 10) - 0.15 * outside


def _repeats(words: Sequence[str]) -> float:
    runs = Counter(zip(words, words[1:], words[2:], strict=False))
    uses = Counter(word for word in words if word not in _SMALL)
    return -0.6 * sum(count - 1 for count in runs.values()) - 0.3 * sum(max(count - 3, 0) for count in uses.values())
