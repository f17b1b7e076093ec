"""The name of a dataset on the Hugging Face hub, as a recipe gives it. What it stands for `trivium/data/hub.py` finds out."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from trivium.base.config import Settings

NAME = re.compile(r"[\w][\w.-]*(/[\w.-]+)?")


class HubDataset(Settings):
    """A dataset on the hub. It is fetched when its stage runs, and by nothing before."""

    dataset: str = Field(description="its name on the hub, such as owner/name")
    revision: str | None = Field(
        default=None, min_length=1, description="a commit, a tag or a branch; the newest state if not given"
    )
    subset: str | None = Field(
        default=None, min_length=1, description="which of its subsets, as its card or a folder is named"
    )
    fetch_gigabytes: float = Field(
        default=20.0, gt=0, description="files that are larger than this together are refused, not fetched"
    )

    @field_validator("dataset")
    @classmethod
    def _is_a_name(cls, dataset: str) -> str:
        if not NAME.fullmatch(dataset) or ".." in dataset:
            raise ValueError("should be a name such as owner/name; a folder is a source of kind files")
        return dataset

    @property
    def short_name(self) -> str:
        """The name without its owner."""
        return self.dataset.rpartition("/")[2]
