"""The hash of the code that a stage runs: its module and every module of its package that it imports, directly or not.

Imports are found in the source, never by running it; those under `if TYPE_CHECKING:` do not count. Comments and
docstrings do not count either: better words must not cost a training run. Installed libraries are not in the hash
(their versions are in the stage's record).

What a source's content says is remembered where Python keeps compiled modules: reading all of it takes most of a second,
at every start.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import importlib.util
import io
import json
import tokenize
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from trivium.base.errors import TriviumError
from trivium.base.files import hash_bytes, hash_file, hash_json, write_atomic

ROOT = Path(__file__).resolve().parent.parent  # src/trivium
Code: TypeAlias = tuple[str, tuple[str, ...]]  # the hash of a file's code, and the modules that it names in imports


def code_hash(source: str | Path, root: Path = ROOT) -> str:
    """One hash for the file `source` and all that it imports from the package `root`; data files beside them count."""
    start = Path(source).resolve()
    before = len(_memory())
    files = {start} | _reached(start, root)
    data = {beside for file in files - {start} for beside in file.parent.rglob("*") if _is_data(beside)}
    hashes = {_name(file, root): _code_of(file)[0] for file in files} | {
        _name(file, root): hash_file(file) for file in data
    }
    if len(_memory()) > before:
        _remember({hash_file(file) for file in ROOT.rglob("*.py")})
    return hash_json(hashes)


def _name(file: Path, root: Path) -> str:
    return file.relative_to(root).as_posix() if file.is_relative_to(root) else file.name


def _is_data(path: Path) -> bool:
    return (
        path.is_file()
        and path.suffix not in (".py", ".pyc", ".pyi")
        and path.name != "py.typed"
        and path.name[0] != "."
    )


def _reached(start: Path, root: Path) -> set[Path]:
    reached: set[Path] = set()
    open_files = [start]
    while open_files:
        for module in _code_of(open_files.pop())[1]:
            for file in _files_of(module, root):
                if file not in reached:
                    reached.add(file)
                    open_files.append(file)
    return reached - {start}


def _files_of(module: str, root: Path) -> Iterator[Path]:
    """The files that importing `module` runs: its own and those of the packages above it, but not the root's."""
    package, *parts = module.split(".")
    if package != root.name:
        return
    for depth in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:depth])
        for file in (place / "__init__.py", place.with_suffix(".py")):
            if file.is_file():
                yield file


@functools.cache
def _code_of(file: Path) -> Code:
    """The hash of the file's code without comments and docstrings, and the modules that it names in imports."""
    content = file.read_bytes()
    memory, known_as = _memory(), hash_bytes(content)
    if known_as not in memory:
        text = content.decode("utf-8").replace("\r\n", "\n")
        tree = ast.parse(text, str(file))
        memory[known_as] = hash_bytes(_without_words(text, tree).encode()), tuple(_imports(tree, file))
    return memory[known_as]


@functools.cache
def _memory_file() -> Path:
    """Another one for each version of this file: what it says of a source is its own."""
    compiled = Path(importlib.util.cache_from_source(__file__))
    return compiled.with_name(f"{compiled.stem}-{hash_file(Path(__file__))[:16]}.json")


@functools.cache
def _memory() -> dict[str, Code]:
    """By the hash of a file's content. It is only a memory: where it cannot be read, everything is read again."""
    try:
        content = json.loads(_memory_file().read_text(encoding="utf-8"))
        return {str(name): (str(code), tuple(map(str, modules))) for name, (code, modules) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _remember(there: set[str]) -> None:
    """Write the memory of what is `there`; where that cannot be written, the next start takes longer."""
    kept = {name: code for name, code in _memory().items() if name in there}
    with contextlib.suppress(OSError, TriviumError):
        for old in _memory_file().parent.glob(f"{_memory_file().name.rpartition('-')[0]}-*.json"):
            if old != _memory_file():
                old.unlink()
        write_atomic(_memory_file(), json.dumps(kept))


def _imports(tree: ast.AST, file: Path) -> Iterator[str]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}:{node.lineno}: imports of this package are written in full"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)  # the name may be a module
        elif isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for other in node.orelse:
                yield from _imports(other, file)
        else:
            yield from _imports(node, file)


def _without_words(text: str, tree: ast.AST) -> str:
    """`text` without comments, docstrings and blank lines; what is inside other strings stays as it is."""
    lines = [line.encode() for line in text.split("\n")]  # ast counts columns in bytes
    inside_strings: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant | ast.JoinedStr) and node.end_lineno:
            inside_strings.update(range(node.lineno, node.end_lineno))
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = token.line[:column].encode()
    for words in _docstrings(tree):
        first, last = words.lineno, words.end_lineno or words.lineno
        before, after = lines[first - 1][: words.col_offset], lines[last - 1][words.end_col_offset :]
        lines[first - 1 : last] = [before + after] + [b""] * (last - first)
        inside_strings -= set(range(first, last))
    kept = ((number, line) for number, line in enumerate(lines, 1) if line.strip() or number in inside_strings)
    return "\n".join((line if number in inside_strings else line.rstrip()).decode() for number, line in kept)


def _docstrings(tree: ast.AST) -> Iterator[ast.Expr]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0] if node.body else None
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                yield first
