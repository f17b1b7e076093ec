"""What a story is worth: pictures, a turn, and no word said for its own sake. A verifiable reward, with no model in it.

It is not what the simulated rater likes: the rater judges the result, and no trainer reads it.
"""

from __future__ import annotations

import re

from trivium.world.lexicon import VIVID

TURNS = ("but", "suddenly", "then", "surprise", "however", "until")
MOST_PICTURES = 4


def imagination(prompt: str, answer: str, reference: str | None = None) -> float:
    """From 0 to 2: up to 1 for four different vivid words, 0.5 for a turn, 0.5 for keeping to what was asked; and 0.25 less for
    every three words in a row that are said again, down to 0."""
    words = re.findall(r"[a-z']+", answer.lower())
    pictures = len(set(words) & set(VIVID.all))
    asked = re.findall(r"[A-Z][a-z]+", prompt)[1:]
    runs = list(zip(words, words[1:], words[2:], strict=False))
    again = len(runs) - len(set(runs))
    worth = min(pictures, MOST_PICTURES) / MOST_PICTURES
    worth += 0.5 * any(word in words for word in TURNS)
    worth += 0.5 * all(name in answer for name in asked) if asked else 0.5
    return max(0.0, worth - 0.25 * again)
