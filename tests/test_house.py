"""The rules that keep the house worth living in, held against the source itself: layers, sizes, and who may do what.

Nothing of the source is run here except `import trivium`, to see what it pulls in.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "trivium"
LEVELS = {
    **dict.fromkeys(["base"], 0),
    **dict.fromkeys(["tokenizer", "task", "model", "loss", "optim", "world"], 1),
    **dict.fromkeys(["data", "generate", "predict", "train"], 2),
    **dict.fromkeys(["feedback", "rl", "evaluate", "tune"], 3),
    **dict.fromkeys(["stages"], 4),
    **dict.fromkeys(["journey"], 5),
    **dict.fromkeys(["apps"], 6),
}
MAX_FILE, MAX_FUNCTION, MAX_PARAMETERS = 400, 80, 7
READS_UTILITIES = {"stages/rate.py", "evaluate/preferences.py", "rl/looks.py"}  # the last has answers judged, no more
UNPICKLES = re.compile(
    r"(torch|pickle|cPickle|dill|cloudpickle|joblib|marshal|shelve)\.(load|loads|save|dump|dumps|open|Unpickler)"
    r"|yaml\.(load|unsafe_load|full_load)(_all)?"
)
RUNS_CODE = ("allow_pickle", "trust_remote_code")
FOR_APPS = {"print", "input", "exit", "quit", "sys.exit", "os._exit", "sys.argv", "os.environ", "os.getenv"}
FOR_APPS |= {"sys.stdout", "sys.stderr", "sys.stdin", "SystemExit"}

Place = tuple[str, int]


@cache
def files() -> dict[str, ast.Module]:
    """The syntax tree of every source file by its path inside the package."""
    return {path.relative_to(SOURCE).as_posix(): ast.parse(path.read_text("utf-8")) for path in SOURCE.rglob("*.py")}


def dotted(node: ast.AST) -> str:
    """`a.b.c` for the names and attributes that are written so, '' for any other expression."""
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return f"{before}.{node.attr}" if before else ""
    return node.id if isinstance(node, ast.Name) else ""


def imports(name: str, tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and full name of everything that a file imports, `from a import b` as a.b, wherever it stands in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = (
                ["trivium", *Path(name).parent.parts][: len(Path(name).parts) + 1 - node.level] if node.level else []
            )
            base = ".".join([*above, *filter(None, [node.module])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def own_imports() -> Iterator[tuple[Place, str, str]]:
    """Place, importing package and what it imports (without 'trivium.') for each import of the project itself."""
    for name, tree in files().items():
        if "/" in name:
            for line, target in imports(name, tree):
                if target.startswith("trivium."):
                    yield (name, line), name.split("/")[0], target.removeprefix("trivium.")


def test_every_package_has_a_level() -> None:
    packages = {path.name for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert packages <= LEVELS.keys()


def test_a_package_imports_only_lower_levels() -> None:
    wrong = [
        f"{file}:{line}: {package} (level {LEVELS[package]}) imports {target}"
        for (file, line), package, target in own_imports()
        if (other := target.split(".")[0]) in LEVELS and other != package and LEVELS[other] >= LEVELS[package]
    ]
    assert not wrong, "\n".join(wrong)


def test_stages_never_import_each_other() -> None:
    wrong = [place for place, package, target in own_imports() if package == "stages" and target.startswith("stages")]
    assert not wrong


def test_utilities_are_read_only_where_answers_are_judged_and_measured() -> None:
    readers = {
        place[0]
        for place, package, target in own_imports()
        if package != "world" and re.match(r"world\.rater\b|world\.(utility|judge|ceiling)\b", target)
    }
    assert readers <= READS_UTILITIES
    assert "stages/rate.py" in readers  # else this test looks for the wrong name


def test_nothing_is_unpickled() -> None:
    wrong = [
        f"{name}:{node.lineno}: {ast.unparse(node)}"
        for name, tree in files().items()
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and UNPICKLES.fullmatch(dotted(node)))
        or (isinstance(node, ast.keyword) and node.arg in RUNS_CODE and ast.unparse(node.value) != "False")
    ]
    wrong += [
        f"{name}:{line}: {target}"
        for name, tree in files().items()
        for line, target in imports(name, tree)
        if re.match(r"(pickle|cPickle|dill|cloudpickle|joblib|shelve|marshal)\b|torch\.(load|save)$", target)
    ]
    assert not wrong, "\n".join(wrong)


def test_only_apps_talks_to_the_outside() -> None:
    wrong = [
        f"{name}:{node.lineno}: {dotted(node)}"
        for name, tree in files().items()
        if not name.startswith("apps/")
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and dotted(node) in FOR_APPS
    ]
    assert not wrong, "\n".join(wrong)


def test_processes_talk_to_each_other_in_one_file() -> None:
    talkers = {
        name
        for name, tree in files().items()
        for _, target in imports(name, tree)
        if target.startswith("torch.distributed") and not target.startswith("torch.distributed.elastic")
    }
    assert talkers == {"train/distributed.py"}


@pytest.mark.parametrize("folder", ["src", "benchmarks", "tests"])
def test_files_and_functions_stay_small(folder: str) -> None:
    wrong = []
    for path in sorted((ROOT / folder).rglob("*.py")):
        if ".peers" in path.parts:
            continue  # packages that benchmarks measure beside us
        text = path.read_text("utf-8")
        if len(text.splitlines()) > MAX_FILE:
            wrong.append(f"{path.relative_to(ROOT)}: {len(text.splitlines())} lines, {MAX_FILE} at most")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
                taken = sum(argument.arg not in ("self", "cls") for argument in every)
                if length > MAX_FUNCTION or taken > MAX_PARAMETERS:
                    place = f"{path.relative_to(ROOT)}:{node.lineno}: {node.name}"
                    wrong.append(f"{place}: {length} lines ({MAX_FUNCTION}), {taken} parameters ({MAX_PARAMETERS})")
    assert not wrong, "\n".join(wrong)


def test_every_file_says_what_it_gives() -> None:
    silent = [name for name, tree in files().items() if tree.body and ast.get_docstring(tree) is None]
    assert not silent


def test_no_module_is_named_for_nothing() -> None:
    vague = {"utils", "util", "common", "helpers", "helper", "manager", "misc"}
    assert not [name for name in files() if vague & set(re.split(r"[/._]", name))]


def test_optional_libraries_are_imported_where_they_are_used() -> None:
    """At the top of a file only core dependencies stand: an extra that is not installed must not break an import."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    optional = {re.split(r"[<>=\[ ]", line)[0].lower().replace("-", "_") for lines in extras.values() for line in lines}
    wrong = [
        f"{name}:{line}: {target}"
        for name, tree in files().items()
        for node in tree.body
        if isinstance(node, ast.Import | ast.ImportFrom)
        for line, target in imports(name, node)
        if target.split(".")[0] in optional
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("module", ["trivium", "trivium.apps.cli"])
def test_importing_is_light(module: str) -> None:
    heavy = "{'torch', 'numpy', 'tokenizers', 'transformers', 'matplotlib'}"
    code = f"import sys, {module}; found = {heavy} & set(sys.modules); assert not found, found"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT / "src", check=False)
    assert done.returncode == 0, done.stderr
