"""Model folders by path, or by name on the Hugging Face hub: the network is asked only where a name is given.

Of a name only configuration, tokenizer and safetensors come, all of one commit, into the cache of `huggingface_hub`; no
pickle and no code. Without a network the cache does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trivium.base.errors import CheckpointError, MissingExtra
from trivium.base.hub import PATIENCE, Base, HubModel, cut_short, not_there, refusal
from trivium.model.architecture import Architecture
from trivium.model.families import read_shape
from trivium.model.weight_files import require_folder, require_safe

PATTERNS = ["*.json", "*.safetensors", "*.jinja", "*.txt"]
DEEPER = ["*/*"]  # other forms of the same weights


def find_model(base: Base) -> Path:
    """The folder at a path; of a name on the hub the folder that it was fetched to, which is called after its commit.

    Raises CheckpointError where the path is a file or the hub does not give it; MissingExtra where its library is not there.
    """
    if not isinstance(base, HubModel):
        require_folder(base)
        return base
    try:
        import huggingface_hub
    except ImportError:
        raise MissingExtra("huggingface_hub", "hub", f"fetching the model '{base.hub}'") from None
    try:  # what follows would wait for longer
        commit = huggingface_hub.HfApi().model_info(base.hub, revision=base.revision, timeout=PATIENCE).sha
    except Exception as error:  # the library raises many kinds, those of its network library among them
        refused = refusal(error, base.hub, base.revision)
        folder = None if refused else _from_cache(huggingface_hub, base)
        if folder is None:
            raise _fault(base, refused or not_there(error)) from None
        return folder
    try:
        _take(huggingface_hub, base, base.revision, ["config.json"])  # the cache keeps which commit that is
        return _take(huggingface_hub, base, commit, PATTERNS)
    except Exception as error:
        raise _fault(base, refusal(error, base.hub, base.revision) or cut_short(error)) from None


def shape_at(folder: Path) -> Architecture:
    """The shape of the model in a folder, by its config.json and the names of its files alone. Raises CheckpointError where it
    cannot be gone on from."""
    require_safe(folder)
    return read_shape(folder)[2]


def called(base: Base, folder: Path) -> str:
    """How records call a base that was found in `folder`: its path, or its name and commit."""
    return f"{base.hub}@{folder.name}" if isinstance(base, HubModel) else str(base)


def _take(library: Any, base: HubModel, revision: str | None, patterns: list[str], **options: Any) -> Path:
    where = library.snapshot_download(
        base.hub, revision=revision, allow_patterns=patterns, ignore_patterns=DEEPER, **options
    )
    return Path(where)


def _from_cache(library: Any, base: HubModel) -> Path | None:
    try:
        folder = _take(library, base, base.revision, PATTERNS, local_files_only=True)
    except Exception:  # not there
        return None
    return folder if (folder / "config.json").is_file() and any(folder.glob("*.safetensors")) else None


def _fault(base: HubModel, told: str) -> CheckpointError:
    return CheckpointError(f"model {base.hub}: {told}")
