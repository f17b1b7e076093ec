"""A model by its name on the hub: fetched from a hub on the loopback, found in the cache alone, and what is told without it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data.fake_hub import FakeHub, serving
from trivium.base.hub import HubModel
from trivium.model.hub import called, find_model

pytest.importorskip("huggingface_hub")

FIND = """
import sys
from trivium.base.errors import TriviumError
from trivium.base.hub import HubModel
from trivium.model.hub import find_model
for name, _, revision in (word.partition("@") for word in sys.argv[1:]):
    try:
        print(find_model(HubModel(hub=name, revision=revision or None)))
    except TriviumError as error:
        print(error)
"""
FILES = {
    "config.json": b"{}", "model.safetensors": b"weights", "tokenizer.json": b"{}", "pytorch_model.bin": b"pickle",
    "modeling.py": b"raise SystemExit", "onnx/model.safetensors": b"another form", "README.md": b"words",
}  # fmt: skip


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as made:
        yield made


def test_what_a_model_needs_is_fetched_at_one_commit_and_found_again_without_a_network(
    tmp_path: Path, hub: FakeHub
) -> None:
    old, new = (hub.publish("owner/name", {**FILES, "config.json": text}, "models") for text in (b"{}", b"[]"))
    folders = [Path(line) for line in hub.told(FIND, tmp_path, "owner/name", f"owner/name@{old}")]
    assert [folder.name for folder in folders] == [new, old]
    assert called(HubModel(hub="owner/name"), folders[0]) == f"owner/name@{new}"
    assert [(folder / "config.json").read_bytes() for folder in folders] == [b"[]", b"{}"]
    names = {path.relative_to(folders[0]).as_posix() for path in folders[0].rglob("*") if path.is_file()}
    assert names == {"config.json", "model.safetensors", "tokenizer.json"}
    assert not [path for path in hub.asked if path.endswith((".bin", ".py"))]
    hub.publish("owner/name", FILES, "models")  # which nobody is asked for
    hub.asked.clear()
    assert hub.told(FIND, tmp_path, "owner/name", f"owner/name@{old}", HF_HUB_OFFLINE="1") == [
        str(one) for one in folders
    ]
    assert hub.asked == []


def test_what_the_hub_refuses_and_what_is_nowhere_is_told_with_what_to_do(tmp_path: Path, hub: FakeHub) -> None:
    hub.publish("owner/name", FILES, "models")
    none, revision = hub.told(FIND, tmp_path, "owner/none", "owner/name@none")
    assert none == (
        "model owner/none: the hub has none of this name, or it is private; mend the name (owner/name), or `hf auth login`"
    )
    assert revision.startswith("model owner/name: has no revision 'none'; give a branch")
    (offline,) = hub.told(FIND, tmp_path, "owner/other", HF_HUB_OFFLINE="1")
    assert offline.startswith(
        "model owner/other: the hub did not give it (HF_HUB_OFFLINE keeps the network off), and the"
    )


def test_a_folder_is_itself_and_a_name_is_one(tmp_path: Path) -> None:
    assert find_model(tmp_path) == tmp_path and called(tmp_path, tmp_path) == str(tmp_path)
    for name in ("../up", "a/b/c", "", "/root"):
        with pytest.raises(ValueError, match="should be a name such as owner/name"):
            HubModel(hub=name)


def test_without_the_library_its_line_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(Exception, match=r"fetching the model 'owner/name' .*trivium-lm\[hub\]"):
        find_model(HubModel(hub="owner/name"))
