"""Model folders by path, or by name on the Hugging Face hub: the network is asked only where a name is given."""

from __future__ import annotations

import re
from pathlib import Path

from trivium.base.errors import CheckpointError, MissingExtra

NAME = re.compile(r"[\w.-]+(/[\w.-]+)?")
PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.txt"]  # no pickles, no code


def find_model(place: Path | str) -> Path:
    """The folder at a path; for the name of a model on the hub, the folder that it was fetched to (once).

    Raises CheckpointError where there is neither, or the hub cannot be reached; MissingExtra where its library is not there.
    """
    folder = Path(place)
    if folder.is_dir():
        return folder
    name = folder.as_posix()
    if not NAME.fullmatch(name) or name.startswith("."):
        raise CheckpointError(
            f"{folder}: there is no such folder; give a model folder, or a name on the hub such as owner/name"
        )
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise MissingExtra("huggingface_hub", "hub", f"fetching the model '{name}'") from None
    try:
        return Path(snapshot_download(name, allow_patterns=PATTERNS))
    except Exception as error:  # the library raises many kinds, those of its network library among them
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise CheckpointError(
            f"'{name}' is no folder here, and the hub did not give it ({reason}): check the name and the network, or give the "
            "folder of a copy"
        ) from None
