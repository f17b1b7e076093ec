"""Labelled items of a dataset by its name on a hub on the loopback, in a process of its own (see the test of the source)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.fake_hub import serving
from trivium.data.tasks import faults_of
from trivium.task.declaration import HubData, Task

READ = """
import json, sys
from trivium.base.errors import TriviumError
from trivium.data.tasks import read
from trivium.task.declaration import Task
for content in json.load(sys.stdin):
    try:
        splits = read(Task.model_validate(content), 0)
        texts = [[item.text for item in items] for items in (splits.train, splits.valid, splits.test)]
        print(json.dumps({"names": splits.names, "texts": texts, "facts": splits.facts}))
    except TriviumError as error:
        print(json.dumps(str(error)))
"""


def parquet(path: Path, texts: list[str]) -> bytes:
    pyarrow = pytest.importorskip("pyarrow")
    table = pyarrow.table({"text": texts, "label": [number % 2 for number in range(len(texts))]})
    features = {"text": {"dtype": "string", "_type": "Value"}, "label": {"names": ["no", "yes"], "_type": "ClassLabel"}}
    noted = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pytest.importorskip("pyarrow.parquet").write_table(noted, path)
    return path.read_bytes()


def test_the_splits_are_the_dataset_s_and_labels_have_their_names(tmp_path: Path) -> None:
    pytest.importorskip("huggingface_hub")
    train = [[f"train {part} {number}" for number in range(10)] for part in range(2)]
    task: dict[str, Any] = {
        "kind": "classify",
        "data": {"dataset": "owner/mood", "valid": "validation", "test": "test"},
    }
    rows = "".join(json.dumps({"text": text, "label": text[-1]}) + "\n" for text in ("x a", "y b", "z a", "u b", "v a"))
    with serving() as hub:
        files = {f"data/train-0000{part}.parquet": parquet(tmp_path / "t", texts) for part, texts in enumerate(train)}
        further = {"data/validation-0.parquet": ["a valid one"] * 2, "data/test-0.parquet": ["a test"] * 2}
        files |= {name: parquet(tmp_path / "t", texts) for name, texts in further.items()}
        commit = hub.publish("owner/mood", {".gitattributes": b"", **files, "mood.py": b"raise SystemExit"})
        hub.publish("owner/rows", {".gitattributes": b"", "a.json": rows.encode()})
        tasks = [task, {"kind": "classify", "data": {"dataset": "owner/rows", "valid_share": 0.4, "test_share": 0.0}}]
        asked = [*tasks, {"kind": "classify", "data": {"dataset": "owner/mood", "test": "tests"}}]
        told = hub.told(READ, tmp_path / "home", said=json.dumps(asked))
    found, lines, fault = map(json.loads, told)
    assert found["names"] == ["no", "yes"]
    assert found["texts"] == [train[0] + train[1], ["a valid one"] * 2, ["a test"] * 2]
    assert (found["facts"]["dataset"], found["facts"]["revision"]) == ("owner/mood", commit)
    assert lines["names"] == ["a", "b"] and sum(map(len, lines["texts"])) == 5
    assert fault.startswith("dataset owner/mood: has no split 'tests'; by the names of its files there are: ")


def test_a_name_is_enough_and_a_check_asks_nobody() -> None:
    task = Task.model_validate({"kind": "classify", "data": {"dataset": "owner/not-here"}})
    assert isinstance(task.data, HubData) and task.data.train == "train"
    assert faults_of(task) == []
