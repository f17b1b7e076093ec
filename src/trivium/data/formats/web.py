"""Web pages: what a page is about, without menus, advertisements and the like (trafilatura), or all of its text (lxml).

Nothing is fetched, no script runs, no entity is resolved. A page without any main text gives nothing and is counted.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError, MissingExtra
from trivium.data.ledger import Ledger
from trivium.data.opened import open_data
from trivium.data.pieces import MOST_PAGE_BYTES, Part, Piece, Wanted
from trivium.data.text import clean

BLOCKS = frozenset(
    [
        "address",
        "article",
        "aside",
        "blockquote",
        "br",
        "dd",
        "div",
        "dl",
        "dt",
        "figcaption",
        "figure",
        "footer",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hr",
        "li",
        "main",
        "nav",
        "ol",
        "p",
        "pre",
        "section",
        "table",
        "td",
        "th",
        "tr",
        "ul",
    ]
)
UNSEEN = frozenset(("script", "style", "template", "noscript", "head"))
NO_TEXT = "pages without a main text"


def read_html(file: Path, part: Part | None, wanted: Wanted, ledger: Ledger) -> Iterator[Piece]:
    """The page's text. Raises DataError where it is too large or cannot be parsed."""
    with open_data(file) as opened:
        data = opened.read(MOST_PAGE_BYTES + 1)
    if len(data) > MOST_PAGE_BYTES:
        raise DataError(f"longer than {MOST_PAGE_BYTES >> 20} MiB; a page is parsed as a whole, so cut it", file=file)
    text = page_text(data, wanted.main_text, str(file))
    if text:
        yield Piece("", clean(text, str(file), ledger))
    else:
        ledger.drop(NO_TEXT, str(file))


def page_text(data: bytes, main: bool, name: str) -> str:
    """The text of an HTML page: its main text, or all of it; '' where there is none. Raises DataError."""
    if data[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        data = data.replace(b"\0", b"")
    try:
        return (_extract()(data) or "") if main else all_text(_parse_html(data))
    except MissingExtra:
        raise
    except Exception as error:  # the parser and the extractor raise whatever a page drives them to
        raise DataError(f"not a page that can be read ({type(error).__name__}: {error})"[:300], file=name) from None


def all_text(root: Any) -> str:
    """Every visible text under an lxml element, blocks on lines of their own. Walks without recursion."""
    parts: list[str] = []
    hidden = 0
    from lxml import etree

    if root is None:
        return ""
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag.rpartition("}")[2].lower() if isinstance(element.tag, str) else "script"
        if event == "start":
            hidden += tag in UNSEEN
            if tag in BLOCKS:
                parts.append("\n")
            if not hidden and element.text:
                parts.append(" ".join(element.text.split("\n")) if tag != "pre" else element.text)
        else:
            hidden -= tag in UNSEEN
            if tag in BLOCKS:
                parts.append("\n")
            if not hidden and element.tail:
                parts.append(element.tail.replace("\n", " "))
    lines = (line.strip() for line in "".join(parts).split("\n"))
    return "\n".join(line for line in lines if line)


def _parse_html(data: bytes) -> Any:
    try:
        from lxml import html
    except ImportError:
        raise MissingExtra("lxml", "data", "reading HTML") from None
    parser = html.HTMLParser(no_network=True, huge_tree=False, remove_comments=True, remove_pis=True)
    return html.document_fromstring(data, parser=parser) if data.strip() else None


@functools.cache
def _extract() -> Any:
    try:
        import trafilatura
    except ImportError:
        raise MissingExtra("trafilatura", "data", "reading web pages") from None
    return functools.partial(trafilatura.extract, fast=True, include_comments=False, include_tables=True)
