"""Names on the Hugging Face hub, as a recipe gives them, and what is said where the hub does not give what they name.

What a dataset stands for `trivium/data/hub.py` finds out, what a model does `trivium/model/hub.py`.
"""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator

from trivium.base.config import Settings

NAME = re.compile(r"[\w][\w.-]*(/[\w.-]+)?")
PATIENCE = 10.0  # seconds that the hub has for its first answer


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
        if not is_name(dataset):
            raise ValueError("should be a name such as owner/name; a folder is a source of kind files")
        return dataset

    @property
    def short_name(self) -> str:
        """The name without its owner."""
        return self.dataset.rpartition("/")[2]


class HubModel(Settings):
    """A model on the hub. It is fetched when its stage runs, and by nothing before."""

    hub: str = Field(description="its name on the hub, such as owner/name")
    revision: str | None = Field(
        default=None, min_length=1, description="a commit, a tag or a branch; the newest state if not given"
    )

    @field_validator("hub")
    @classmethod
    def _is_a_name(cls, hub: str) -> str:
        if not is_name(hub):
            raise ValueError("should be a name such as owner/name; a folder is given by its path alone")
        return hub


Base = Path | HubModel  # a model to go on from: its folder, or its name


def is_name(text: str) -> bool:
    """Whether something on the hub can be called so."""
    return bool(NAME.fullmatch(text)) and ".." not in text


def refusal(error: Exception, page: str, revision: str | None) -> str | None:
    """What to do where the hub was reached and says no (`page` is where its terms stand); None where it was not reached."""
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return (
            f"is given only to those who accept its terms: do so at https://huggingface.co/{page}, then `hf auth login`, and "
            "run again"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return "the hub has none of this name, or it is private; mend the name (owner/name), or `hf auth login`"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"has no revision '{revision}'; give a branch, a tag or a commit, or leave it out for the newest"
    return None


def not_there(error: Exception) -> str:
    """What to do where neither the hub nor the cache has it."""
    return (
        f"the hub did not give it ({_reason(error)}), and the files are not whole in this machine's cache; run this once with "
        "a network, or give a copy by its path, without the hub"
    )


def cut_short(error: Exception) -> str:
    """What to do where some has come."""
    return f"could not be fetched whole ({_reason(error)}); run again, what has come is kept"


def _reason(error: Exception) -> str:
    if type(error).__name__ == "OfflineModeIsEnabled":
        return "HF_HUB_OFFLINE keeps the network off"
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
