"""Gathering: what is written, what is dropped, and that a failure or a stop leaves nothing half-written."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from trivium.base.config import validate
from trivium.base.errors import DataError, Interrupted, RecipeError, UserError
from trivium.base.progress import Context, Progress
from trivium.data.find import _either
from trivium.data.formats import SUFFIXES
from trivium.stages.gather import UNITS, GatherSettings, run


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def gather(
    folder: Path, *sources: dict[str, Any], valid_share: float = 0.1, strict: bool = False, **context: Any
) -> dict[str, Any]:
    content = {"sources": list(sources), "valid_share": valid_share, "strict": strict}
    return run(validate(GatherSettings, content, "recipe"), Context(folder, {}, **context))


def everything(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and UNITS not in path.parts  # finished units of work stay, so that they need not be done again
    }


@pytest.fixture
def texts(tmp_path: Path) -> Path:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a.jsonl").write_text("\n".join(json.dumps({"text": f"Document {n}, naïve."}) for n in range(300)))
    (folder / "b.txt").write_text("Document 3, naïve.")
    (folder / "c.png").write_text("x")
    (tmp_path / "i.jsonl").write_text(
        "\n".join(json.dumps({"instruction": f"Say {n}.", "output": f"{n}"}) for n in range(60))
    )
    return folder


def test_what_is_written_and_counted(tmp_path: Path, texts: Path) -> None:
    seen: list[Progress] = []
    sources = ({"kind": "files", "path": str(texts)}, {"kind": "instructions", "path": str(tmp_path / "i.jsonl")})
    figures = gather(tmp_path / "out", *sources, report=seen.append)
    train, valid = rows(tmp_path / "out/documents/train.jsonl"), rows(tmp_path / "out/documents/valid.jsonl")
    assert len(train) + len(valid) == figures["documents"] == 300
    assert set(train[0]) == {"id", "text", "source", "license", "meta"}
    assert len({row["id"] for row in train + valid}) == 300
    assert figures["bytes"] == sum(len(row["text"].encode()) for row in train + valid)
    assert figures["instructions"] == 60 and figures["prompts"] == 0 and figures["dropped"] == 2
    assert set(rows(tmp_path / "out/instructions/train.jsonl")[0]) - {"verifiable"} == {"messages", "family"}
    heldout = rows(tmp_path / "out/instructions/heldout.jsonl")
    assert heldout and set(heldout[0]) == {"messages", "answer", "family", "level", "verifiable"}
    assert not (tmp_path / "out/prompts").exists()
    content = json.loads((tmp_path / "out/gather.json").read_text())
    assert content["train"]["documents"] == len(train) and content["valid"]["documents"] == len(valid)
    other = f"not {_either(SUFFIXES)}"
    assert content["dropped"] == {"exact duplicate (documents)": 1, other: 1}
    assert content["names"][other] == [str(texts / "c.png")]
    assert content["by_kind"] == {"jsonl": {"documents": 300, "bytes": figures["bytes"]}}
    assert content["sources"]["texts"] == {
        "kind": "files",
        "license": "unknown",
        "split": "documents",
        "files": 2,
    }
    assert "exact duplicate (documents): 1, for example texts/b.txt" in [step.note for step in seen]
    assert all(0 <= step.done <= step.total for step in seen)


def test_the_same_files_give_the_same_bytes_whatever_the_seed(tmp_path: Path, texts: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("three", 2)):
        gather(tmp_path / name, {"kind": "files", "path": str(texts)}, seed=seed)
    one, two, three = (everything(tmp_path / name) for name in ("one", "two", "three"))
    for name in ("documents/train.jsonl", "documents/valid.jsonl"):
        assert one[name] == two[name] == three[name]


def test_two_sources_of_one_name_stay_apart(tmp_path: Path) -> None:
    for place in ("x", "y"):
        (tmp_path / place / "docs").mkdir(parents=True)
        (tmp_path / place / "docs/a.txt").write_text(f"Words from {place}. " * 9)
    gather(tmp_path / "out", *({"kind": "files", "path": str(tmp_path / place / "docs")} for place in ("x", "y")))
    content = json.loads((tmp_path / "out/gather.json").read_text())
    assert list(content["sources"]) == list(content["by_source"]) == ["docs", "docs-2"]
    assert {row["id"] for row in rows(tmp_path / "out/documents/train.jsonl")} == {"docs/a.txt", "docs-2/a.txt"}


def test_files_of_earlier_settings_and_of_killed_runs_go_away(tmp_path: Path, texts: Path) -> None:
    out = tmp_path / "out"
    gather(out, {"kind": "files", "path": str(texts)}, {"kind": "instructions", "path": str(tmp_path / "i.jsonl")})
    (out / "documents/.train.jsonl.part").write_text('{"half')
    gather(out, {"kind": "files", "path": str(texts)})
    left = {"documents/train.jsonl", "documents/valid.jsonl", "gather.json", "manifest.jsonl", "steps/documents.jsonl"}
    assert set(everything(out)) == left | {"steps/dropped.jsonl"}  # b.txt repeats a row
    assert not (out / UNITS).exists()


def test_a_fault_leaves_what_was_there(tmp_path: Path, texts: Path) -> None:
    out = tmp_path / "out"
    gather(out, {"kind": "files", "path": str(texts)})
    before = everything(out)
    (texts / "z.jsonl").write_text('{"text": "fine"}\n{"text": 7}\n')
    with pytest.raises(DataError, match=r"z\.jsonl:2: field 'text': should be text, is 7"):
        gather(out, {"kind": "files", "path": str(texts)}, strict=True)
    assert everything(out) == before


def test_stopping_is_obeyed_and_leaves_nothing_half_written(tmp_path: Path, texts: Path) -> None:
    with pytest.raises(Interrupted, match="stopped after 0 of 1 units of work; the same command goes on"):
        gather(tmp_path / "out", {"kind": "files", "path": str(texts)}, stopping=lambda: True)
    assert everything(tmp_path / "out") == {}


@pytest.mark.parametrize(
    ("content", "share", "fault"),
    [
        ("", 0.1, r"no document is left to train on \(empty file: 1\)"),
        ("x", 0.1, "0 documents fell to training and 1 to validation"),
        ("\n".join(f"line {n}" for n in range(30)), 1e-6, "nothing to validate with; change gather.valid_share"),
    ],
)
def test_nothing_left_on_a_side_is_an_error(tmp_path: Path, content: str, share: float, fault: str) -> None:
    (tmp_path / "a.txt").write_text(content)
    with pytest.raises(UserError, match=fault):
        gather(
            tmp_path / "out",
            {"kind": "files", "path": str(tmp_path / "a.txt"), "split": "auto" if share > 0.01 else "documents"},
            valid_share=share,
        )


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ({"kind": "fles", "path": "x"}, "fles"),
        ({"kind": "files"}, r"sources\[0\].path.*required"),
        ({"kind": "files", "path": "x", "lisence": "MIT"}, "did you mean 'license'"),
        ({"kind": "files", "path": "x", "broken": "skip"}, r"sources\[0\].broken"),
        ({"kind": "world", "tokens": 1}, r"sources\[0\].tokens.*1000"),
    ],
)
def test_a_source_that_makes_no_sense_is_refused(tmp_path: Path, source: dict[str, Any], fault: str) -> None:
    with pytest.raises(RecipeError, match=fault):
        gather(tmp_path / "out", source)
    with pytest.raises(RecipeError, match="sources"):
        gather(tmp_path / "out")


def test_a_full_disk_is_told_as_one(tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(UserError, match="the disk is full"):
        gather(tmp_path / "out", {"kind": "files", "path": str(texts)})
    assert everything(tmp_path / "out") == {}


def test_gathering_needs_no_torch() -> None:
    code = "import sys, trivium.stages.gather, trivium.stages.tokenize, trivium.tokenizer; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env={"PYTHONPATH": "src"}, check=False).returncode == 0


def test_the_world_gives_as_much_as_is_asked_for(tmp_path: Path) -> None:
    source = {
        "kind": "world",
        "tokens": 5000,
        "instructions": 80,
        "heldout_instructions": 30,
        "prompts": 20,
        "heldout_prompts": 7,
    }
    gather(tmp_path / "out", source, valid_share=0.2, seed=3)
    out = tmp_path / "out"
    train = sum(len(row["text"]) for row in rows(out / "documents/train.jsonl"))
    valid = sum(len(row["text"]) for row in rows(out / "documents/valid.jsonl"))
    assert 17_500 <= train < 20_500 and 3_500 <= valid < 6_500
    counts = {
        name: len(rows(out / f"{name}.jsonl"))
        for name in ("instructions/train", "instructions/heldout", "prompts/train", "prompts/heldout")
    }
    assert counts == {"instructions/train": 80, "instructions/heldout": 30, "prompts/train": 20, "prompts/heldout": 7}
    taught, asked = rows(out / "instructions/train.jsonl"), rows(out / "instructions/heldout.jsonl")
    assert all(row["messages"][-1]["role"] == "assistant" for row in taught)
    assert all(row["messages"][-1]["role"] == "user" and row["answer"] for row in asked)
    assert {row["level"] for row in asked} == {"phrasing", "entity", "task"}
    assert not {json.dumps(row["messages"][:-1]) for row in taught} & {json.dumps(row["messages"]) for row in asked}
    requests = rows(out / "prompts/train.jsonl")
    assert set(requests[0]) == {"id", "messages", "kind"} and len({row["id"] for row in requests}) == 20
    content = json.loads((out / "gather.json").read_text())
    assert set(content["by_source"]) == {"world"} and len(content["by_kind"]) > 3


def test_a_world_that_has_said_everything_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from itertools import repeat

    from trivium.world.prompts import prompt

    monkeypatch.setattr("trivium.world.prompts.prompts", lambda seed, split: repeat(prompt(seed, split, 0)))
    source = {"kind": "world", "tokens": 1000, "instructions": 0, "heldout_instructions": 0, "prompts": 5}
    with pytest.raises(UserError, match="the world has only 1 different train prompts; lower 'prompts'"):
        gather(tmp_path / "out", source)


def test_nothing_stays_of_a_file_that_grows_without_measure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trivium.data.opened.FREE_GROWTH", 3 << 20)
    folder = tmp_path / "texts"
    folder.mkdir()
    packed = gzip.compress(b"a line of a bomb\n" * 300_000) + gzip.compress(
        b"what it says of itself is the size of this"
    )
    (folder / "bomb.txt.gz").write_bytes(packed)
    (folder / "fine.jsonl").write_text("".join(json.dumps({"text": f"Document {n}."}) + "\n" for n in range(60)))
    figures = gather(tmp_path / "out", {"kind": "files", "path": str(folder)})
    assert figures["documents"] == 60 and figures["dropped"] == 1
    content = json.loads((tmp_path / "out/gather.json").read_text())
    assert content["faults"] == ["files that grow without measure"]
    assert content["names"][content["faults"][0]][0].startswith(f"{folder / 'bomb.txt.gz'}: grows to more than")


def test_every_file_that_could_not_be_read_is_named_and_of_the_rest_the_first_ones(tmp_path: Path) -> None:
    for number in range(30):
        (tmp_path / f"{number:02}.txt").write_bytes(b"caf\xe9")
    (tmp_path / "fine.jsonl").write_text(
        "".join(json.dumps({"text": f"Document {n % 60}."}) + "\n" for n in range(120))
    )
    gather(tmp_path / "out", {"kind": "files", "path": str(tmp_path)})
    content = json.loads((tmp_path / "out/gather.json").read_text())
    assert [len(content["names"][name]) for name in (*content["faults"], "exact duplicate (documents)")] == [30, 10]


def test_a_name_that_is_no_utf_8_is_a_name(tmp_path: Path) -> None:
    from trivium.journey.hashes import FileHashes, hash_sources

    path = tmp_path / "texts" / os.fsdecode(b"caf\xe9.txt")
    path.parent.mkdir()
    path.write_text("One paragraph.\n" * 40)
    gather(tmp_path / "out", {"kind": "files", "path": str(tmp_path / "texts")})
    assert hash_sources([tmp_path / "texts"], FileHashes(tmp_path / "memory"))
    assert rows(tmp_path / "out/documents/train.jsonl")[0]["id"].endswith("caf\\udce9.txt")


def test_a_language_that_is_not_sure_is_not_claimed(tmp_path: Path) -> None:
    pytest.importorskip("py3langid")
    english = "The old mill stands beside the river, and the people of the village are glad of it every autumn."
    texts = [*(f"{english} {number}" for number in range(30)), "x9 7f 0q"]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    settings = {"sources": [{"kind": "files", "path": str(tmp_path / "a.jsonl")}], "language": {"identify": True}}
    run(validate(GatherSettings, settings, "recipe"), Context(tmp_path / "out", {}))
    content = json.loads((tmp_path / "out/gather.json").read_text())
    assert content["languages"] == {"en": 30, "unsure": 1}
