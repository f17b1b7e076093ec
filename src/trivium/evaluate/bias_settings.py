"""Which bias sets are measured. No torch here: recipes are checked without it."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from trivium.base.config import Settings


class BiasSettings(Settings):
    """Sets of sentences that differ in whom they are about. You supply the files; a small set of ours comes with the code."""

    own: bool = Field(default=True, description="the pairs that come with Trivium: few, plain, for a first look")
    crows_pairs: Path | None = Field(default=None, description="CSV in the form of CrowS-Pairs")
    stereoset: Path | None = Field(default=None, description="JSON in the form of StereoSet's dev.json")
    bbq: Path | None = Field(default=None, description="JSON lines in the form of BBQ: a file, a folder or a pattern")
    winogender: Path | None = Field(default=None, description="TSV in the form of Winogender's all_sentences.tsv")
    items: int = Field(default=2000, ge=1, description="of each set at most, the first ones")
