"""Reads a report's HTML as a browser would, for the tests: elements, attributes, and the text that one sees."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

from trivium.journey.report import write_report

INLINE = {"a", "b", "bdi", "code", "em", "i", "mark", "span", "strong"}
VOID = {"meta", "link", "br", "img", "input", "hr", "path", "use", "base"}


@dataclass
class Page(HTMLParser):
    """`elements` are (tag, attributes) in order; `text` is what stands outside of style and script."""

    elements: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)
    scripts: list[str] = field(default_factory=list)
    sections: dict[str, list[str]] = field(default_factory=dict)
    stack: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        self.handle_data("" if tag in INLINE else " ")
        if tag not in VOID:
            self.stack.append((tag, attributes))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.stack, f"</{tag}> closes nothing"
            assert self.stack[-1][0] == tag, f"</{tag}> closes <{self.stack[-1][0]}>"
            self.stack.pop()
        self.handle_data("" if tag in INLINE else " ")

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self.stack]
        if "script" in inside:
            self.scripts.append(data)
        elif "style" not in inside:
            self.pieces.append(data)
            for name in [attributes["id"] for tag, attributes in self.stack if tag == "section" and "id" in attributes]:
                self.sections.setdefault(name, []).append(data)

    @property
    def text(self) -> str:
        """Everything that one sees, spaces as one."""
        return _one_line(self.pieces)

    def section(self, name: str) -> str:
        """The text of one section; empty where the page does not have it."""
        return _one_line(self.sections.get(name, []))


def _one_line(pieces: list[str]) -> str:
    return re.sub(r"\s+", " ", "".join(pieces))


def read_page(html: str) -> Page:
    """The parsed page. Fails where an element is closed that is not open, or one stays open."""
    page = Page()
    page.feed(html)
    page.close()
    assert not page.stack, f"left open: {page.stack}"
    return page


def page_of(run: Path) -> Page:
    """The page of the run's report, written anew."""
    return read_page(write_report(run).read_text(encoding="utf-8"))
