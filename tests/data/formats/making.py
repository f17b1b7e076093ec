"""Small files of every format, made with the formats' own libraries or by hand."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

PAGE = (
    "<html><head><title>T</title><script>var evil = 1;</script></head><body>"
    "<nav><a href='/x'>Home</a> <a href='/y'>About</a></nav>"
    "<article><h1>Rivers</h1><p>{text}</p><p>Most rivers end in a sea, and some of them end in a lake or in sand.</p></article>"
    "<footer>Copyright and cookies</footer></body></html>"
)
WORDS = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def jsonl(texts: Sequence[str]) -> bytes:
    return "".join(json.dumps({"text": text}) + "\n" for text in texts).encode()


def zstd(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor().compress(data)


def parquet(path: Path, texts: Sequence[str | None], column: str = "text", group: int = 2) -> None:
    import pyarrow
    from pyarrow import parquet as library

    library.write_table(pyarrow.table({column: list(texts)}), path, row_group_size=group)


def arrow(path: Path, texts: Sequence[str]) -> None:
    import pyarrow

    table = pyarrow.table({"text": list(texts)})
    with pyarrow.OSFile(str(path), "wb") as file, pyarrow.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table)


def warc(pages: Sequence[str]) -> bytes:
    records = []
    for number, page in enumerate(pages):
        body = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n\r\n" + page.encode()
        head = (
            f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: http://example.org/{number}\r\n"
            f"WARC-Date: 2026-01-01T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:{number}>\r\n"
            f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        records.append(head.encode() + body + b"\r\n\r\n")
    return b"".join(gzip.compress(record) for record in records)


def plain_warc(pages: Sequence[str]) -> bytes:
    return gzip.decompress(warc(pages))


def epub(path: Path, chapters: Sequence[str], entity: str = "") -> None:
    with zipfile.ZipFile(path, "w") as book:
        book.writestr(
            "META-INF/container.xml", '<container><rootfiles><rootfile full-path="O/p.opf"/></rootfiles></container>'
        )
        items = "".join(f'<item id="c{n}" href="c{n}.xhtml"/>' for n in range(len(chapters)))
        spine = "".join(f'<itemref idref="c{n}"/>' for n in range(len(chapters)))
        book.writestr("O/p.opf", f"<package><manifest>{items}</manifest><spine>{spine}</spine></package>")
        for number, text in enumerate(chapters):
            book.writestr(f"O/c{number}.xhtml", f"{entity}<html><body><h1>C{number}</h1><p>{text}</p></body></html>")


def docx(path: Path, paragraphs: Sequence[str], before: str = "") -> None:
    body = "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in paragraphs)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as document:
        document.writestr(
            "word/document.xml", f'{before}<w:document xmlns:w="{WORDS}"><w:body>{body}</w:body></w:document>'
        )


def pdf(path: Path, text: str, password: str = "") -> None:
    import pypdf
    from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

    writer = pypdf.PdfWriter()
    page = writer.add_blank_page(300, 300)
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
        }
    )
    page[NameObject("/Resources")] = DictionaryObject(
        {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
    )
    stream = DecodedStreamObject()
    stream.set_data(f"BT /F1 12 Tf 10 100 Td ({text}) Tj ET".encode())
    page[NameObject("/Contents")] = writer._add_object(stream)
    if password:
        writer.encrypt(password)
    memory = io.BytesIO()
    writer.write(memory)
    path.write_bytes(memory.getvalue())
