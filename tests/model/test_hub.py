"""Model folders by path or by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from trivium.base.errors import CheckpointError
from trivium.model.hub import find_model


def test_a_folder_is_itself_and_what_is_neither_folder_nor_name_is_told(tmp_path: Path) -> None:
    assert find_model(tmp_path) == tmp_path
    with pytest.raises(CheckpointError, match="there is no such folder; give a model folder, or a name on the hub"):
        find_model(tmp_path / "nothing" / "here")


def test_a_name_without_a_network_fails_with_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def unreachable(name: str, **options: object) -> str:
        raise ConnectionError("no route to the hub\nand much more")

    monkeypatch.setattr(hub, "snapshot_download", unreachable)
    with pytest.raises(
        CheckpointError, match=r"'owner/name' is no folder here.*\(no route to the hub\).*folder of a copy"
    ):
        find_model("owner/name")
