"""Which language a text is in, by py3langid, with a score: the probability among the languages that it knows.

The first characters decide: more of them cost time and change little. What is short or mixed gets a low score, which is
kept, so that nothing has to be decided here.
"""

from __future__ import annotations

import functools
from typing import Any

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import MissingExtra

CHARACTERS = 2000


class LanguageSettings(Settings):
    """Whether languages are told apart, and which are kept."""

    identify: bool = Field(default=False, description="tell each document's language, with a score")
    keep: tuple[str, ...] = Field(default=(), description="languages (en, de, ...) that are kept; all if none is named")
    least_score: float = Field(default=0.65, ge=0, le=1, description="a language to keep must be as sure as this")


def identify(text: str) -> tuple[str, float]:
    """(ISO 639-1 code, probability). Raises MissingExtra without py3langid."""
    label, score = _identifier().classify(text[:CHARACTERS])
    return str(label), round(float(score), 4)


@functools.cache
def _identifier() -> Any:
    try:
        from py3langid.langid import LanguageIdentifier
    except ImportError:
        raise MissingExtra("py3langid", "data", "telling languages apart") from None
    return LanguageIdentifier.from_model_file("data/model.npz.xz", norm_probs=True)  # the one that it carries
