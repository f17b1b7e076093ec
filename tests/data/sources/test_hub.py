"""A dataset by its name on the hub: gathered from a hub on the loopback, from the cache alone, and what is told where neither
has it. What asks the network runs in a process of its own, since the library reads its address when it is imported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.data.fake_hub import FakeHub, serving
from trivium.base.config import validate
from trivium.base.errors import DataError, RecipeError
from trivium.journey.check import look_at
from trivium.stages.gather import GatherSettings, depends_on, run

pytest.importorskip("huggingface_hub")
GATHER = """
import json, sys
from pathlib import Path
from trivium.base.config import validate
from trivium.base.errors import TriviumError
from trivium.base.progress import Context
from trivium.stages.gather import GatherSettings, run
for number, source in enumerate(json.load(sys.stdin)):
    try:
        settings = validate(GatherSettings, {"sources": [{"kind": "hub", **source}]}, "recipe")
        run(settings, Context(Path(sys.argv[1], str(number)), {}))
        print(json.dumps(None))
    except TriviumError as error:
        print(json.dumps(str(error)))
"""
CARD = """---
license: cc-by-4.0
configs:
- config_name: plain
  default: true
  data_files: [{split: train, path: plain/train-*}, {split: test, path: plain/test.jsonl}]
- config_name: lists
  data_files: lists/*.json
---
Text below.
"""


def lines(*texts: str) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def publish(hub: FakeHub, first: str = "One") -> str:
    return hub.publish(
        "owner/name",
        {
            "README.md": CARD.encode(),
            "name.py": b"raise SystemExit('code of a dataset was run')",
            "plain/train-0.jsonl": lines(*(f"{first} sentence, number {number}." for number in range(50))),
            "plain/train-1.jsonl": lines(*(f"Another sentence, number {number}." for number in range(50))),
            "plain/test.jsonl": lines("Kept for testing."),
            "lists/a.json": json.dumps([{"body": f"Row {number} of a list."} for number in range(60)]).encode(),
            "lists/b.json": b'{"body": "A row of lines."}\n{"body": "Another row of lines."}\n',
        },
    )


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with serving() as server:
        yield server


def gathered(out: Path, hub: FakeHub, *sources: dict[str, Any], **environment: str) -> list[str | None]:
    """What is said where each source, gathered alone into OUT/NUMBER, cannot be had; None where it was."""
    told = hub.told(GATHER, out / "home", str(out), said=json.dumps(sources), **environment)
    return [json.loads(line) for line in told]


def texts(folder: Path) -> set[str]:
    files = folder.glob("documents/*.jsonl")
    return {json.loads(line)["text"] for file in files for line in file.read_text("utf-8").splitlines()}


def test_what_is_meant_is_fetched_recorded_and_found_again_without_a_network(tmp_path: Path, hub: FakeHub) -> None:
    old, new = publish(hub), publish(hub, "Two")
    plain, lists = {"dataset": "owner/name"}, {"dataset": "owner/name", "subset": "lists", "text_field": "body"}
    pinned = {**plain, "revision": old, "name": "mine", "license": "MIT", "only": ["plain/train-0*"]}
    assert gathered(tmp_path, hub, plain, lists, pinned) == [None, None, None]
    assert texts(tmp_path / "0") == {f"{word} sentence, number {n}." for word in ("Two", "Another") for n in range(50)}
    rows = {f"Row {n} of a list." for n in range(60)} | {"A row of lines.", "Another row of lines."}
    assert texts(tmp_path / "1") == rows
    assert texts(tmp_path / "2") == {f"One sentence, number {number}." for number in range(50)}
    assert not [path for path in hub.asked if path.endswith((".py", "test.jsonl"))]
    for folder, name, revision, license in (("0", "name", new, "cc-by-4.0"), ("2", "mine", old, "MIT")):
        events = map(json.loads, (tmp_path / folder / "manifest.jsonl").read_text().splitlines())
        event = next(event for event in events if event["event"] == "source")
        told = {key: event[key] for key in ("name", "kind", "dataset", "revision", "license")}
        assert told == {"name": name, "kind": "hub", **plain, "revision": revision, "license": license}
        source = json.loads((tmp_path / folder / "gather.json").read_text())["sources"][name]
        assert (source["kind"], source["revision"], source["license"]) == ("hub", revision, license)
    identities = [json.loads(line)["id"] for line in (tmp_path / "0/documents/train.jsonl").read_text().splitlines()]
    assert identities[0].startswith("name/plain/train-0.jsonl#") and new not in "".join(identities)

    publish(hub, "Three")  # which nobody is asked for
    hub.asked.clear()
    again = tmp_path / "again"
    (again / "home").parent.mkdir()
    (again / "home").symlink_to(tmp_path / "home")
    test = {**plain, "part": "test"}
    told = gathered(again, hub, plain, pinned, test, HF_HUB_OFFLINE="1")
    assert told[:2] == [None, None] and hub.asked == []
    for folder, earlier in (("0", "0"), ("1", "2")):
        for file in ("train.jsonl", "valid.jsonl"):
            same = [(tmp_path / one / "documents" / file).read_bytes() for one in (earlier, f"again/{folder}")]
            assert same[0] == same[1]
    assert told[2] and told[2].startswith("dataset owner/name: the hub did not give it (HF_HUB_OFFLINE keeps")


def test_what_the_hub_refuses_is_told_with_what_to_do(tmp_path: Path, hub: FakeHub) -> None:
    publish(hub)
    hub.publish("owner/closed", {".gitattributes": b"", "a.txt": b"Text."})
    hub.gated.add("owner/closed")
    told = gathered(
        tmp_path,
        hub,
        {"dataset": "owner/none"},
        {"dataset": "owner/name", "revision": "v9"},
        {"dataset": "owner/closed"},
        {"dataset": "owner/name", "fetch_gigabytes": 1e-6},
    )
    expected = [
        "dataset owner/none: the hub has none of this name, or it is private; mend the name",
        "dataset owner/name: has no revision 'v9'; give a branch, a tag or a commit",
        "dataset owner/closed: is given only to those who accept its terms: do so at https://",
        "dataset owner/name: 2 files of 3.88e-06 GB are more than fetch_gigabytes, which is 1e-06; name fewer",
    ]
    assert [str(one)[: len(start)] for one, start in zip(told, expected, strict=True)] == expected


def test_a_check_asks_nobody_and_the_key_says_nothing_of_the_hub() -> None:
    settings = validate(GatherSettings, {"sources": [{"kind": "hub", "dataset": "owner/not-here"}]}, "recipe")
    assert look_at(settings.sources[0]) == [] and depends_on(settings) is None


def test_without_a_network_it_is_told_at_once(tmp_path: Path) -> None:
    from trivium.base.progress import Context

    settings = validate(GatherSettings, {"sources": [{"kind": "hub", "dataset": "owner/not-here"}]}, "recipe")
    with pytest.raises(DataError, match=r"^dataset owner/not-here: the hub did not give it .* give a copy by its path"):
        run(settings, Context(tmp_path, {}))


@pytest.mark.parametrize("name", ["", "/etc", "a/b/c", "../up", "a b", "https://huggingface.co/datasets/a/b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(
        RecipeError, match="dataset': should be a name such as owner/name; a folder is a source of kind"
    ):
        validate(GatherSettings, {"sources": [{"kind": "hub", "dataset": name}]}, "recipe")
