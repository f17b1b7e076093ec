"""How much is asked about what a model remembers. No torch here: recipes are checked without it."""

from __future__ import annotations

from pydantic import Field

from trivium.base.config import Settings


class PrivacySettings(Settings):
    """What a model remembers of its training data, beside what it says of data that it never saw."""

    documents: int = Field(
        default=200, ge=20, description="training documents, and as many held-out ones, that are asked for"
    )
    prefix: int = Field(default=50, ge=1, description="tokens of a document that are shown")
    suffix: int = Field(default=50, ge=1, description="tokens that are then to come")
    queries: int = Field(default=100, ge=1, description="tries that the probability of an extraction is told for")
    least_share: float = Field(default=0.2, gt=0, le=1, description="of a text's tokens, the unlikeliest: Min-K%")
    candidates: int = Field(
        default=1000, ge=100, description="random secrets that one of more than three digits is ranked among"
    )
    tokens: int = Field(default=32, ge=4, description="of a document that a masked model is asked for, at most")
