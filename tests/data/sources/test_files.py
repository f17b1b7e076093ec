"""The user's files as documents: both ways of splitting, long documents, and every fault with its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from trivium.base.errors import DataError
from trivium.data.intake import Intake, Item
from trivium.data.ledger import Ledger
from trivium.data.sources.files import FilesSource, read


def gather(path: Path, share: float = 0.1, seed: int = 0, **settings: Any) -> tuple[list[Item], Intake]:
    intake = Intake(seed, share)
    return list(read(FilesSource(path=path, **settings), "mine", intake)), intake


def texts(items: list[Item], split: str) -> list[str]:
    return [item.row["text"] for item in items if item.split == split]


def test_the_tail_of_a_single_file_is_nanogpts_split(tmp_path: Path) -> None:
    data = "".join(f"Line {n}, naïve 中文.\n" for n in range(777))
    (tmp_path / "input.txt").write_text(data, encoding="utf-8")
    items, intake = gather(tmp_path / "input.txt", share=0.1)
    assert texts(items, "train") == [data[: int(len(data) * 0.9)]]
    assert texts(items, "valid") == [data[int(len(data) * 0.9) :]]
    assert intake.facts["mine"] == {"split": "tail", "files": 1}
    assert len({item.row["id"] for item in items}) == 2


def test_the_tail_is_taken_of_every_file_and_across_pieces(tmp_path: Path) -> None:
    parts = {
        name: "".join(f"{name}{n}{end}" for n in range(count))
        for name, end, count in (("a", " ", 900), ("b", "\n", 1234), ("c", " ", 9))
    }
    for name, text in parts.items():
        (tmp_path / f"{name}.txt").write_text(text)
    items, _ = gather(tmp_path, share=0.25, max_document_megabytes=0.001)
    for name, text in parts.items():
        mine = [item for item in items if item.row["id"].startswith(f"mine/{name}.txt")]
        assert "".join(texts(mine, "train")) == text[: int(len(text) * 0.75)]
        assert "".join(texts(mine, "valid")) == text[int(len(text) * 0.75) :]
    assert len({item.row["id"] for item in items}) == len(items) > 10


def test_many_documents_are_split_by_the_hash_of_their_names(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"document {n}"}) for n in range(400)]
    (tmp_path / "d.jsonl").write_text("\n".join(rows))
    items, intake = gather(tmp_path / "d.jsonl", share=0.1)
    assert intake.facts["mine"]["split"] == "documents"
    train, valid = texts(items, "train"), texts(items, "valid")
    assert len(train) + len(valid) == 400 and not set(train) & set(valid)
    assert 20 <= len(valid) <= 60
    with open(tmp_path / "d.jsonl", "a") as file:  # a new document moves no other to the other side
        file.write("\n" + json.dumps({"text": "new"}))
    again, _ = gather(tmp_path / "d.jsonl", share=0.1)
    assert set(train) <= set(texts(again, "train")) and set(valid) <= set(texts(again, "valid"))
    other, _ = gather(tmp_path / "d.jsonl", share=0.1, seed=1)  # nor does another seed
    assert texts(other, "valid") == texts(again, "valid")


def test_few_documents_or_none_on_one_side_mean_the_tail(tmp_path: Path) -> None:
    for count, share, expected in ((19, 0.5, "tail"), (20, 0.5, "documents"), (30, 1e-9, "tail")):
        (tmp_path / "d.jsonl").write_text("\n".join(json.dumps({"text": f"document {n}"}) for n in range(count)))
        assert gather(tmp_path / "d.jsonl", share=share)[1].facts["mine"]["split"] == expected
    assert gather(tmp_path / "d.jsonl", split="documents", share=0.5)[1].facts["mine"]["split"] == "documents"


def test_documents_say_where_they_come_from(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/a.md").write_text("# Title\n" * 50)
    (tmp_path / "b.jsonl").write_text('\n{"body": "first"}\n\n{"body": "second one"}\n')
    items, _ = gather(tmp_path, text_field="body", license="CC-BY-4.0", share=0.01, split="tail")
    rows = {item.row["id"]: item.row for item in items}
    assert {"mine/b.jsonl#2", "mine/b.jsonl#4", "mine/sub/a.md"} <= set(rows)
    assert rows["mine/sub/a.md"]["meta"] == {"kind": "md"}
    assert {row["license"] for row in rows.values()} == {"CC-BY-4.0"} and {row["source"] for row in rows.values()} == {
        "mine"
    }


def test_duplicates_blanks_and_empty_files_are_counted_and_named(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(
        "\n".join(json.dumps({"text": text}) for text in ("one", "two", "one", " \n", "two "))
    )
    (tmp_path / "b.txt").write_text("one")
    (tmp_path / "c.txt").write_text("")
    (tmp_path / "d.txt").write_text(" \n ")
    items, intake = gather(tmp_path, split="documents", share=0.3)
    assert sorted(item.row["text"] for item in items) == ["one", "two", "two "]
    assert intake.ledger.dropped == {"exact duplicate (documents)": 2, "blank text": 1, "empty file": 2}
    assert intake.ledger.names["empty file"] == [str(tmp_path / "c.txt"), str(tmp_path / "d.txt")]
    assert intake.ledger.names["exact duplicate (documents)"] == ["mine/a.jsonl#3", "mine/b.txt"]


def test_counts_are_not_doubled_by_looking_first(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"caf\xe9 " * 40)
    (tmp_path / "b.jsonl").write_text('{"text": "lone \\ud800 one"}')
    _, intake = gather(tmp_path, broken="replace")
    assert intake.ledger.mended == {"broken UTF-8 replaced": 40, "lone surrogates replaced": 1}


def test_long_documents_are_cut_and_nothing_is_lost(tmp_path: Path) -> None:
    text = "".join(f"Paragraph {n} goes on.\n\n" for n in range(300))
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps({"text": part}) for part in (text, "short")))
    items, _ = gather(tmp_path, max_document_megabytes=0.002, split="documents", share=0.5)
    pieces = [item.row["text"] for item in items if item.row["text"] != "short"]
    assert "".join(pieces) == text and len(pieces) == 4 and max(map(len, pieces)) <= 2000
    assert [item.row["id"] for item in items][:2] == ["mine/a.jsonl#1", "mine/a.jsonl#1.2"]


@pytest.mark.parametrize(
    ("name", "content", "fault"),
    [
        (
            "a.jsonl",
            b'{"text": "ok"}\n{"text": }\n',
            r"a\.jsonl:2: not JSON \(Expecting value at column 10\); mend the line",
        ),
        (
            "a.jsonl",
            b'{"text": "ok"}\n{"title": "x", "body": "y"}\n',
            r"a\.jsonl:2: field 'text': missing; there are: title, body",
        ),
        ("a.jsonl", b'{"text": ["ok"]}\n', r"a\.jsonl:1: field 'text': should be text, is \[\"ok\"\]"),
        ("a.jsonl", b'{"text": null}\n', r"a\.jsonl:1: field 'text': should be text, is null"),
        ("a.jsonl", b'"text"\n', r"a\.jsonl:1: a row is a JSON object, this is a str"),
        (
            "a.jsonl",
            b'{"text": "ok"}\n{"text": "caf\xe9"}\n',
            r"a\.jsonl:2: byte 0xe9 at byte 13 of the line is not UTF-8",
        ),
        ("a.jsonl", b'{"text": "o\x00k"}\n', r"a\.jsonl:1: a NUL byte at byte 11 of the line"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", r"a\.txt: a NUL byte at byte 8 of the file: a binary file"),
        ("a.txt", b"", r"nothing to read: the file is empty or blank; add text"),
        ("a.jsonl", b"\n\n", r"nothing to read: the file is empty or blank; add text"),
    ],
)
def test_bad_files_are_named_in_one_sentence(tmp_path: Path, name: str, content: bytes, fault: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=fault) as caught:
        gather(tmp_path)
    assert "\n" not in str(caught.value) and str(caught.value).startswith(str(tmp_path))


def test_a_row_too_large_for_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trivium.data.rows.MOST_LINE_BYTES", 1 << 20)
    (tmp_path / "a.jsonl").write_text('{"text": "ok"}\n{"text": "' + "x" * (2 << 20) + '"}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: longer than 1 MiB; cut the row"):
        gather(tmp_path)


def test_files_of_one_name_in_several_folders_of_a_pattern_stay_apart(tmp_path: Path) -> None:
    for place in ("x/1", "x/2", "y/1"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "a.txt").write_text(f"Words of {place}.")
    items, _ = gather(tmp_path / "*/*/a.txt", split="documents", share=0.5)
    assert {item.row["id"] for item in items} == {"mine/x/1/a.txt", "mine/x/2/a.txt", "mine/y/1/a.txt"}


def test_only_chooses_and_as_rows_reads_json_of_either_form(tmp_path: Path) -> None:
    for name, content in (
        ("a/list.json", '[{"text": "one"}, {"text": "two"}, {"other": 3}]'),
        ("a/lines.json", '{"text": "three"}\n{"text": "four"}\n'),
        ("a/other.txt", "never"),
        ("list.json", '[{"text": "never either"}]'),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    intake = Intake(0, 0.1, Ledger(strict=False))
    source = FilesSource(path=tmp_path, only=("a/*.json",), as_rows=("*.json",), split="documents")
    items = list(read(source, "mine", intake))
    assert {item.row["text"] for item in items} == {"one", "two", "three", "four"}
    assert {item.row["meta"]["kind"] for item in items} == {"json"}
    assert intake.ledger.dropped == {"rows that could not be read": 1}
    assert intake.ledger.names["rows that could not be read"][0].startswith(f"{tmp_path}/a/list.json[2]: field 'text'")
