"""Where data comes from: one module a source, each with its settings and a `read` that yields items.

`Source` is the union that a recipe's `gather.sources` holds, told apart by `kind`. Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

from pydantic import Field

from trivium.base.errors import UserError
from trivium.data.intake import Intake, Item, Part
from trivium.data.sources import files, hub, instructions, python_docs, requests, world
from trivium.data.sources.files import Documents, FilesSource
from trivium.data.sources.hub import HubSource
from trivium.data.sources.instructions import InstructionsSource
from trivium.data.sources.python_docs import PythonDocsSource
from trivium.data.sources.requests import RequestsSource
from trivium.data.sources.world import WorldSource

LACKING = {
    "documents": ("text to learn from", "a source of kind files (your own), python-docs or world"),
    "instructions": (
        "instructions to learn from",
        "a source of kind instructions (your own), or of kind world with instructions above 0",
    ),
    "prompts": ("open requests to answer", "a source of kind requests (your own), or of kind world with more prompts"),
}
Local = WorldSource | PythonDocsSource | FilesSource | InstructionsSource | RequestsSource
Source = Annotated[
    WorldSource | PythonDocsSource | FilesSource | HubSource | InstructionsSource | RequestsSource,
    Field(discriminator="kind"),
]


def at_hand(source: Source) -> Local | None:
    """The source as it can be read on this machine, the hub not asked; None for a dataset that was not fetched yet."""
    return hub.from_cache(source) if isinstance(source, HubSource) else source


def read(source: Source, name: str, intake: Intake, prepared: Documents | None = None) -> Iterator[Item]:
    """The items of a source, in an order that does not change; a dataset of the hub is fetched. `name` is what its documents
    say they come from; `prepared` gives the documents of files that were prepared before."""
    match source:
        case WorldSource():
            return world.read(source, name, intake)
        case PythonDocsSource():
            return python_docs.read(source, name, intake)
        case FilesSource():
            return files.read(source, name, intake, prepared)
        case HubSource():
            return files.read(hub.bring(source)[0], name, intake, prepared)
        case InstructionsSource():
            return instructions.read(source, name, intake)
        case RequestsSource():
            return requests.read(source, name, intake)


def names_of(sources: tuple[Source, ...]) -> list[str]:
    """A name for each source, no two the same: its own where it has one, else what it reads."""
    names: list[str] = []
    for source in sources:
        own = getattr(source, "name", None) or _what_it_reads(source)
        names.append(next(name for name in _numbered(own) if name not in names))
    return names


def _what_it_reads(source: Source) -> str:
    match source:
        case WorldSource() | PythonDocsSource():
            return source.kind
        case HubSource():
            return source.short_name
        case _:
            return source.path.stem


def _numbered(name: str) -> Iterator[str]:
    yield name
    number = 2
    while True:
        yield f"{name}-{number}"
        number += 1


def promised(source: Source, part: Part) -> int | None:
    """How many rows to train on a source gives to `part`, 0 where it never does; None where only its files tell."""
    match source:
        case WorldSource():
            return {"documents": None, "instructions": source.instructions, "prompts": source.prompts}[part]
        case InstructionsSource():
            return None if part == "instructions" else 0
        case RequestsSource():
            return None if part == "prompts" else 0
        case FilesSource() | HubSource() | PythonDocsSource():
            return None if part == "documents" else 0


def lack_of(part: Part, least: int, sources: Iterable[Source]) -> str | None:
    """What is wrong and what to add, where the sources are seen to give fewer than `least` rows of `part`; else None."""
    count = 0
    for source in sources:
        rows = promised(source, part)
        if rows is None:
            return None
        count += rows
    if count >= least:
        return None
    what, kinds = LACKING[part]
    given = f"gather gives {count} {what} and {least} are needed" if count else f"gather gives no {what}"
    return f"{given}; add {kinds} to gather.sources"


def expected_bytes(source: Source) -> int:
    """About how much text a source will give, for progress."""
    match source:
        case WorldSource():
            return round(source.tokens * world.CHARACTERS_PER_TOKEN) + source.rules * world.CHARACTERS_OF_RULE
        case PythonDocsSource():
            return python_docs.EXPECTED_BYTES
        case FilesSource():
            return files.size_of(source)
        case HubSource():
            try:
                found = hub.from_cache(source)
            except UserError:
                return 0  # whoever fetches it tells
            return files.size_of(found) if found else 0
        case InstructionsSource() | RequestsSource():
            return files.bytes_at(source.path)
