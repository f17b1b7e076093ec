"""Documents as people exchange them: PDF (pypdf), EPUB and Word (both are zip files of XML, read with lxml).

XML is parsed without a network and without resolving entities; a document type declaration in a Word file is refused.
An archive that grows without measure is refused before it is unpacked.
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from trivium.base.errors import DataError, MissingExtra
from trivium.data.formats.web import all_text
from trivium.data.ledger import Ledger
from trivium.data.opened import FREE_GROWTH, MOST_GROWTH
from trivium.data.pieces import MOST_PAGE_BYTES, Part, Piece, Wanted
from trivium.data.text import clean

MOST_ARCHIVE = 512 << 20  # bytes of all that is in one
WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
DUBLIN = "{http://purl.org/dc/elements/1.1/}"


def read_pdf(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """The text of all pages. Raises DataError where the file is encrypted or damaged."""
    try:
        import pypdf
    except ImportError:
        raise MissingExtra("pypdf", "data", "reading PDF files") from None
    try:
        reader = pypdf.PdfReader(file)
        if reader.is_encrypted:
            raise DataError("encrypted; decrypt it or take it out of the source", file=file)
        pages = []
        for number, page in enumerate(reader.pages, 1):
            try:
                pages.append(page.extract_text())
            except Exception as error:
                fault = DataError(
                    f"cannot be read ({type(error).__name__}: {error})"[:300], file=f"{file}#page{number}"
                )
                ledger.fault("pages that could not be read", fault)
    except DataError:
        raise
    except Exception as error:  # what pypdf raises depends on the damage
        raise DataError(f"not a PDF that can be read ({type(error).__name__}: {error})"[:300], file=file) from None
    text = "\n\n".join(page.strip() for page in pages if page.strip())
    yield Piece("", clean(text.replace("\0", ""), str(file), ledger), {"pages": len(pages)})


def read_epub(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """The book's text, chapters in the order of its spine. Raises DataError where it is none."""
    with _archive(file) as book:
        container = _xml(book, "META-INF/container.xml", file)
        root = container.find(".//{*}rootfile")
        if root is None or not root.get("full-path"):
            raise DataError("not an EPUB: META-INF/container.xml names no package", file=file)
        package_name = root.get("full-path")
        package = _xml(book, package_name, file)
        items = {item.get("id"): item.get("href") for item in package.iterfind(".//{*}manifest/{*}item")}
        chapters = []
        for reference in package.iterfind(".//{*}spine/{*}itemref"):
            name = items.get(reference.get("idref"))
            if name:
                name = posixpath.normpath(posixpath.join(posixpath.dirname(package_name), unquote(name)))
                try:
                    chapters.append(all_text(_xml(book, name, file, recover=True)))
                except DataError as error:
                    ledger.fault("chapters that could not be read", error)
        found = {name: package.findtext(f".//{DUBLIN}{name}") for name in ("title", "language", "rights")}
    text = "\n\n".join(chapter for chapter in chapters if chapter)
    yield Piece("", clean(text, str(file), ledger), {name: value for name, value in found.items() if value})


def read_docx(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """The paragraphs of a Word file, those of tables among them. Raises DataError where it is none."""
    with _archive(file) as document:
        tree = _xml(document, "word/document.xml", file)
    paragraphs = []
    for paragraph in tree.iter(f"{WORD}p"):
        words = []
        for element in paragraph.iter(f"{WORD}t", f"{WORD}tab", f"{WORD}br"):
            words.append(
                element.text or "" if element.tag == f"{WORD}t" else "\t" if element.tag == f"{WORD}tab" else "\n"
            )
        paragraphs.append("".join(words))
    yield Piece("", clean("\n".join(paragraphs).strip("\n"), str(file), ledger))


def _archive(file: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise DataError(f"not a zip archive that can be read ({error}); get the file again", file=file) from None
    sizes = [(entry.file_size, entry.compress_size) for entry in archive.infolist()]
    whole, packed = sum(size for size, _ in sizes), sum(size for _, size in sizes)
    if whole > MOST_ARCHIVE or (whole > FREE_GROWTH and whole > MOST_GROWTH * max(packed, 1)):
        archive.close()
        raise DataError(f"would grow from {packed:,} to {whole:,} bytes; take it out of the source", file=file)
    return archive


def _xml(archive: zipfile.ZipFile, name: str, file: Path, recover: bool = False) -> Any:
    """An entry as an lxml tree; entities are not resolved and a document type declaration is refused outside chapters."""
    try:
        from lxml import etree
    except ImportError:
        raise MissingExtra("lxml", "data", "reading EPUB and Word files") from None
    where = f"{file}!{name}"
    try:
        with archive.open(name) as entry:
            data = entry.read(MOST_PAGE_BYTES + 1)
    except (KeyError, zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, EOFError) as error:
        raise DataError(f"cannot be read ({error}); get the file again", file=where) from None
    except Exception as error:  # zlib.error
        raise DataError(f"damaged ({error}); get the file again", file=where) from None
    if len(data) > MOST_PAGE_BYTES:
        raise DataError(f"longer than {MOST_PAGE_BYTES >> 20} MiB; take the file out of the source", file=where)
    if b"<!ENTITY" in data:
        raise DataError("declares entities, which are not followed; take the file out of the source", file=where)
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, recover=recover)
    try:
        tree = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        reason = f"not XML that can be read ({error.msg if isinstance(error, SyntaxError) else error}"[:200]
        raise DataError(f"{reason}); get the file again or take it out of the source", file=where) from None
    if tree is None:
        raise DataError("not XML that can be read; get the file again or take it out of the source", file=where)
    return tree
