"""Every format gives its text, and everything that can be wrong with a file is counted and named while the rest goes on."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.data.formats import making
from trivium.base.errors import DataError
from trivium.base.words import Document
from trivium.data.ledger import Ledger
from trivium.data.pieces import Part
from trivium.data.sources.files import FilesSource, documents_of

for _library in ("pyarrow", "lxml", "trafilatura", "fastwarc", "pypdf", "zstandard"):
    pytest.importorskip(_library)

TEXTS = ("A river runs to the sea, slowly.", "Bäume wachsen 中文.", "Third, <|endoftext|> said the text.")
RIVER = "A river is water that runs downhill, and it carries sand and stones with it on its long way."


def read(path: Path, ledger: Ledger | None = None, part: Part | None = None, **settings: object) -> list[Document]:
    source = FilesSource.model_validate({"path": path, **settings})
    return list(documents_of(source, "s", path, ledger or Ledger(), part))


def texts(path: Path, **settings: object) -> list[str]:
    return [document.text for document in read(path, **settings)]  # type: ignore[arg-type]


@pytest.mark.parametrize("packed", ["", ".gz", ".zst"])
@pytest.mark.parametrize("kind", [".jsonl", ".csv", ".tsv", ".txt"])
def test_rows_and_texts_packed_or_not(tmp_path: Path, kind: str, packed: str) -> None:
    between = "\t" if kind == ".tsv" else ","
    data = {
        ".jsonl": making.jsonl(TEXTS),
        ".txt": "\n".join(TEXTS).encode(),
    }.get(
        kind, ("id" + between + "text\n" + "".join(f'{n}{between}"{text}"\n' for n, text in enumerate(TEXTS))).encode()
    )
    pack: Callable[[bytes], bytes] = {"": bytes, ".gz": gzip.compress, ".zst": making.zstd}[packed]
    cut = len(data) // 2  # two members after one another are one stream
    path = tmp_path / f"a{kind}{packed}"
    path.write_bytes(pack(data[:cut]) + pack(data[cut:]))
    assert texts(path) == (["\n".join(TEXTS)] if kind == ".txt" else list(TEXTS))
    assert read(path)[0].meta == {"kind": kind[1:]}


def test_parquet_and_a_saved_dataset(tmp_path: Path) -> None:
    making.parquet(tmp_path / "a.parquet", TEXTS)
    making.arrow(tmp_path / "b.arrow", TEXTS)
    assert texts(tmp_path / "a.parquet") == texts(tmp_path / "b.arrow") == list(TEXTS)
    (second,) = read(tmp_path / "a.parquet", part=Part(1, 2, 2))
    assert (second.id, second.text) == ("s/a.parquet#3", TEXTS[2])


def test_a_part_of_a_file_has_the_names_that_the_whole_gives(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(making.jsonl(TEXTS))
    middle = len(making.jsonl(TEXTS[:1]))
    parts = [*read(path, part=Part(0, middle, 0)), *read(path, part=Part(middle, path.stat().st_size, 1))]
    assert parts == read(path)


def test_pages_lose_what_is_around_them(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(making.PAGE.format(text=RIVER))
    (text,) = texts(tmp_path / "a.html")
    assert RIVER in text and "evil" not in text and "cookies" not in text
    (every,) = texts(tmp_path / "a.html", pages="all")
    assert RIVER in every and "About" in every and "evil" not in every


@pytest.mark.parametrize("name", ["a.warc", "a.warc.gz"])
def test_web_archives(tmp_path: Path, name: str) -> None:
    pages = [making.PAGE.format(text=f"{RIVER} Number {n}.") for n in range(3)]
    (tmp_path / name).write_bytes(making.warc(pages) if name.endswith("gz") else making.plain_warc(pages))
    documents = read(tmp_path / name)
    assert [f"Number {n}." in document.text for n, document in enumerate(documents)] == [True] * 3
    assert documents[1].meta == {"kind": "warc", "url": "http://example.org/1", "at": "2026-01-01T00:00:00Z"}


def test_books_and_documents(tmp_path: Path) -> None:
    making.epub(tmp_path / "a.epub", ["First words.", "Second words."])
    making.docx(tmp_path / "b.docx", ["One.", "Two."])
    making.pdf(tmp_path / "c.pdf", "Hello from a page")
    assert texts(tmp_path / "a.epub") == ["C0\nFirst words.\n\nC1\nSecond words."]
    assert texts(tmp_path / "b.docx") == ["One.\nTwo."]
    assert texts(tmp_path / "c.pdf") == ["Hello from a page"]


def _cut(data: bytes) -> bytes:
    return data[: len(data) * 2 // 3]


def _random(size: int) -> list[str]:
    import hashlib

    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(size)]


def bad_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", b" " * (80 << 20))


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;"><!ENTITY s SYSTEM "file:///etc/passwd">]>'
FAULTS: dict[str, tuple[str, Callable[[Path], object], str]] = {
    "cut gzip": ("a.jsonl.gz", lambda p: p.write_bytes(_cut(gzip.compress(making.jsonl(_random(200))))), "cut off"),
    "cut zstd": ("a.jsonl.zst", lambda p: p.write_bytes(_cut(making.zstd(making.jsonl(_random(200))))), "cut off"),
    "cut packed warc": ("a.warc.gz", lambda p: p.write_bytes(making.warc(["x" * 900] * 9)[:-40]), "cut off"),
    "cut warc": ("a.warc", lambda p: p.write_bytes(making.plain_warc(["x" * 900] * 9)[:-300]), "cut off: record 9"),
    "warc cut in a head": ("a.warc", lambda p: p.write_bytes(making.plain_warc(["x" * 900] * 9)[:-1050]), "cut off: "),
    "warc with small letters": (
        "a.warc.gz",
        lambda p: p.write_bytes(
            gzip.compress(making.plain_warc(["x" * 900]).replace(b"Content-Length", b"content-length"))
        ),
        "in a form that the reader does not know",
    ),
    "warc cut behind": ("a.warc", lambda p: p.write_bytes(making.plain_warc(["x" * 900] * 9)[:-2]), "does not end"),
    "bomb in zstd": ("a.txt.zst", lambda p: p.write_bytes(making.zstd(b"a" * (90 << 20))), "grows to more than 200"),
    "long row": ("a.csv", lambda p: p.write_bytes(b"text\n" + b"a" * (65 << 20)), "a.csv:2: longer than 64 MiB"),
    "bomb in gzip": ("a.txt.gz", lambda p: p.write_bytes(gzip.compress(b"a" * (90 << 20))), "grows to more than 200"),
    "bomb in zip": ("a.docx", bad_zip, "would grow from"),
    "entities in docx": ("a.docx", lambda p: making.docx(p, ["&b;"], ENTITIES), "declares entities"),
    "entities in epub": ("a.epub", lambda p: making.epub(p, ["&s;"], ENTITIES), "declares entities"),
    "locked pdf": ("a.pdf", lambda p: making.pdf(p, "secret", "pw"), "encrypted"),
    "no pdf": ("a.pdf", lambda p: p.write_bytes(b"<html></html>"), "is not a PDF file although its name ends in .pdf"),
    "broken pdf": ("a.pdf", lambda p: p.write_bytes(b"%PDF-1.4\nnothing"), "not a PDF that can be read"),
    "no zip": ("a.epub", lambda p: p.write_bytes(b"PKnothing"), "not a zip archive"),
    "latin-1": ("a.txt", lambda p: p.write_bytes("café".encode("latin-1")), "byte 0xe9 at byte 3"),
    "NUL": ("a.txt", lambda p: p.write_bytes(b"ab\0c"), "a NUL byte at byte 2"),
    "UTF-16": ("a.csv", lambda p: p.write_bytes("text\nx\n".encode("utf-16")), "this is UTF-16"),
    "no column": ("a.csv", lambda p: p.write_text("body\nx\n"), "field 'text': missing; there are: body"),
    "no parquet column": (
        "a.parquet",
        lambda p: making.parquet(p, ["x"], "body"),
        "field 'text': missing; there are: body",
    ),
    "cut parquet": ("a.parquet", lambda p: (making.parquet(p, TEXTS), p.write_bytes(_cut(p.read_bytes()))), "damaged"),
    "open quote": ("a.csv", lambda p: p.write_text('text\n"never closed\n'), "not CSV"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_wrong_with_a_file_is_named_and_stops_only_who_asked_for_it(tmp_path: Path, name: str) -> None:
    file, make, fault = FAULTS[name]
    path = tmp_path / file
    make(path)
    ledger = Ledger(strict=False)
    read(path, ledger)
    named = [text for reason in ledger.dropped for text in ledger.names[reason]]
    assert any(text.startswith(str(tmp_path)) and fault in text for text in named), named
    with pytest.raises(DataError, match=r"^[^\n]+$"):
        read(path)


def test_rows_that_are_wrong_are_left_out_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id,text\n1,good\n2,too,many\n3\n4,fine\n")
    (tmp_path / "b.jsonl").write_text('{"text": "good"}\n{"text": }\n{"text": 5}\n[]\n{"text": "fi\\ud800ne\\u0000"}\n')
    making.parquet(tmp_path / "c.parquet", ["good", None, "fine"])
    for name, wrong in (("a.csv", 2), ("b.jsonl", 3), ("c.parquet", 1)):
        ledger = Ledger(strict=False)
        found = [document.text for document in read(tmp_path / name, ledger)]
        assert found == ["good", "fi\ufffdne" if name == "b.jsonl" else "fine"]
        assert ledger.dropped == {"rows that could not be read": wrong}
    assert ledger.names["rows that could not be read"][0].startswith(f"{tmp_path / 'c.parquet'}:2: field 'text'")


def test_a_bomb_of_zstandard_is_never_held_whole(tmp_path: Path) -> None:
    zstandard = pytest.importorskip("zstandard")
    packer = zstandard.ZstdCompressor(write_content_size=False).compressobj()  # which says nothing of its size
    parts = [packer.compress(b"A" * (1 << 20)) for _ in range(300)]
    (tmp_path / "a.txt.zst").write_bytes(b"".join(parts) + packer.flush())
    tracemalloc.start()
    ledger = Ledger(strict=False)
    read(tmp_path / "a.txt.zst", ledger)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert ledger.dropped == {"files that grow without measure": 1} and peak < 150 << 20


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(making.jsonl(TEXTS))
    ledger = Ledger(strict=False)
    documents = documents_of(FilesSource(path=path), "s", path, ledger)
    next(documents)
    with open(path, "ab") as file:
        file.write(making.jsonl(["more"]))
    list(documents)
    assert ledger.dropped == {"files that changed while they were read": 1}


def test_names_that_hold_anything(tmp_path: Path) -> None:
    strange = Path(os.fsdecode(os.fsencode(tmp_path) + b"/new\nline \xff.txt"))
    strange.write_text("words")
    (document,) = read(strange)
    assert document.id.encode("utf-8") == b"s/new\nline \\udcff.txt"
    strange.write_bytes(b"\xff\xfe")
    ledger = Ledger(strict=False)
    read(strange, ledger)
    ((named,),) = ledger.names.values()
    assert "new\\nline" in named and "\n" not in named


def test_a_missing_library_names_its_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "pypdf", None)
    making_needs = tmp_path / "a.pdf"
    making_needs.write_bytes(b"%PDF-1.4")
    with pytest.raises(ValueError, match=r"reading PDF files needs pypdf.*pip install 'trivium-lm\[data\]'"):
        read(making_needs, Ledger(strict=False))
