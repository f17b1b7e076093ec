"""Reading text: nothing is lost by cutting, what is not text is refused with its place, memory stays bounded."""

from __future__ import annotations

import tracemalloc
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base.errors import DataError
from trivium.data.ledger import Ledger
from trivium.data.text import clean, cut, cut_text, read_text


@settings(deadline=None, max_examples=300)
@given(st.text(st.sampled_from("ab \n中🙂\u0301"), max_size=300), st.integers(8, 60))
def test_pieces_join_to_the_text_and_keep_to_the_size(text: str, most: int) -> None:
    pieces = [piece.decode("utf-8") for piece in cut(BytesIO(text.encode()), most)]
    assert "".join(pieces) == text == "".join(cut_text(text, most))
    assert all(0 < len(piece.encode()) <= most for piece in pieces)


def test_cuts_are_where_a_reader_would_cut() -> None:
    paragraphs = "one two three.\nfour five.\n\nsix seven\neight nine ten"
    assert cut_text(paragraphs, 40)[0] == "one two three.\nfour five.\n\n"
    assert cut_text("one two three.\nfour five six seven", 24)[0] == "one two three.\n"
    assert cut_text("one two three four", 12) == ["one two", " three four"]
    assert cut_text("中文字中文字", 8) == ["中文", "字中", "文字"]


def read(path: Path, most: int = 1000, broken: str = "refuse") -> tuple[str, Ledger]:
    ledger = Ledger()
    return "".join(read_text(path, most, broken, ledger)), ledger  # type: ignore[arg-type]


def test_bytes_come_through_as_they_are(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("", "plain\r\nlines\rand\ttabs\n", "e\u0301 \u00e9 \ufb01 \ufffd \ufeff", "\ufeffmark in the middle"):
        for mark in ("", "\ufeff"):
            path.write_bytes((mark + text).encode())
            found, ledger = read(path)
            assert found == (text if mark else text.removeprefix("\ufeff"))
            assert not ledger.mended


@pytest.mark.parametrize("prefix", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("most", [50, 5000])
def test_what_is_not_utf8_is_refused_with_its_byte(tmp_path: Path, prefix: bytes, most: int) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(prefix + b"good words " * 30 + b"caf\xe9 and more")
    with pytest.raises(
        DataError, match=rf"a\.txt: byte 0xe9 at byte {len(prefix) + 333} of the file is not UTF-8.*broken: replace"
    ):
        read(path, most)
    text, ledger = read(path, most, "replace")
    assert text == "good words " * 30 + "caf\ufffd and more"
    assert ledger.mended == {"broken UTF-8 replaced": 1} and ledger.names == {"broken UTF-8 replaced": [str(path)]}


def test_replacements_are_counted_without_those_that_were_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufffd \ufffd".encode() + b" \xff\xfe " + "\ufffd".encode() + b" \xe4\xb8")
    text, ledger = read(path, broken="replace")
    assert text == "\ufffd \ufffd \ufffd\ufffd \ufffd \ufffd"
    assert ledger.mended == {"broken UTF-8 replaced": 3}


@pytest.mark.parametrize("broken", ["refuse", "replace"])
def test_binary_files_are_refused(tmp_path: Path, broken: str) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"text, then" + bytes([0]) + b"not")
    with pytest.raises(DataError, match=r"a\.txt: a NUL byte at byte 10 of the file: a binary file"):
        read(path, broken=broken)
    path.write_bytes("words".encode("utf-16"))
    with pytest.raises(DataError, match="UTF-16"):
        read(path, broken=broken)


def test_files_that_cannot_be_opened_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "none.txt")
    with pytest.raises(DataError, match="cannot be read"):
        read(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(DataError, match=r"a\.txt: cannot be read \(Permission denied\); make it readable"):
        read(tmp_path / "a.txt")


def test_a_huge_line_is_read_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with open(path, "wb") as file:
        for _ in range(30):
            file.write(b"x" * 1_000_000)
    tracemalloc.start()
    count = sum(len(piece) for piece in read_text(path, 500_000, "refuse", Ledger()))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 30_000_000
    assert peak < 8_000_000


def test_lone_surrogates_are_replaced_and_counted() -> None:
    ledger = Ledger()
    assert clean("a\ud800b\udfff \ud83d\ude42 \ufffd", "here", ledger) == "a\ufffdb\ufffd \U0001f642 \ufffd"
    assert ledger.mended == {"lone surrogates replaced": 2} and ledger.names == {"lone surrogates replaced": ["here"]}
