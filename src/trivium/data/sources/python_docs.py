"""The documentation that every Python carries: docstrings of the standard library, and the language's help topics.

Real English prose with code in it, there without a network. Files are read as syntax trees; nothing of them is imported
or run. A module with its classes and functions is one document. Tests and installed packages are left out.
"""

from __future__ import annotations

import ast
import inspect
import sysconfig
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from trivium.base.config import Settings
from trivium.base.errors import DataError
from trivium.base.words import Document
from trivium.data.intake import Intake, Item
from trivium.data.ledger import Ledger
from trivium.data.text import clean

LICENSE = "PSF-2.0"
EXPECTED_BYTES = 2_800_000
NOT_DOCUMENTATION = frozenset({"site-packages", "dist-packages", "test", "tests", "idle_test", "__pycache__"})
TOPICS = "pydoc_data/topics.py"


class PythonDocsSource(Settings):
    """The running Python's own documentation (it differs a little from version to version)."""

    kind: Literal["python-docs"] = "python-docs"


def read(source: PythonDocsSource, name: str, intake: Intake) -> Iterator[Item]:
    """A document a module, then one a topic. Raises DataError where this Python comes without its library's source."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    count = 0
    for document in documents_in(folder, name, intake.ledger):
        count += 1
        yield from intake.document("valid" if intake.side(document.id) else "train", document)
    if not count:
        raise DataError(
            "this Python has no source files of its standard library; take python-docs out of gather.sources",
            file=folder,
        )


def documents_in(folder: Path, name: str, ledger: Ledger) -> Iterator[Document]:
    """The documents of the library in `folder`, modules in the order of their paths. Files that are no Python are counted."""
    for path in _sources(folder):
        relative = path.relative_to(folder)
        tree = _parse(path, ledger) if relative.as_posix() != TOPICS else None
        parts = list(_parts(tree)) if tree else []
        if parts:
            module = ".".join(relative.with_suffix("").parts).removesuffix(".__init__")
            yield _document(f"{name}/{module}", "\n\n".join([module, *parts]), name, "docstrings", ledger)
    tree = _parse(folder / TOPICS, ledger) if (folder / TOPICS).exists() else None
    for topic, text in _topics(tree) if tree else ():
        yield _document(f"{name}/topic/{topic}", text.strip() + "\n", name, "help topic", ledger)


def _document(id: str, text: str, name: str, kind: str, ledger: Ledger) -> Document:
    return Document(id, clean(text, id, ledger), name, LICENSE, {"kind": kind})


def _sources(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.name in NOT_DOCUMENTATION:
            continue
        if path.is_dir() and not path.is_symlink():
            yield from _sources(path)
        elif path.suffix == ".py":
            yield path


def _parse(path: Path, ledger: Ledger) -> ast.Module | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old escapes in the library's own strings
            return ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):
        ledger.drop("no Python source", str(path))
        return None


def _parts(tree: ast.Module) -> Iterator[str]:
    """The module's docstring, and for every class and function that has one its head and docstring, in their order."""
    if words := ast.get_docstring(tree):
        yield words
    yield from _of_body(tree.body, "")


def _of_body(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            if words := ast.get_docstring(node):
                yield f"class {prefix}{node.name}\n\n{words}"
            yield from _of_body(node.body, f"{prefix}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (words := ast.get_docstring(node)):
            yield f"def {prefix}{node.name}({ast.unparse(node.args)})\n\n{words}"


def _topics(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """The entries of the dictionary `topics`, read as the literal that it is."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            content = ast.literal_eval(node.value)
            yield from ((topic, inspect.cleandoc(text)) for topic, text in sorted(content.items()))
