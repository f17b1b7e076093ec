"""Rewards that can be verified: each reads an answer, and gives a number, or NaN where it cannot say.

Not a number is not zero: such an answer is left out of its group. What a person's own function does wrong (raises, gives
text or nothing) ends there, and is told once.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from trivium.base.errors import RecipeError, UserError
from trivium.rl import reward_settings as settings
from trivium.rl.json_schema import SchemaCheck
from trivium.rl.prompts import Prompt
from trivium.rl.sandbox import passed_tests
from trivium.world.check import check

NUMBER = re.compile(r"[-+]?(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?")
FENCE = re.compile(r"```[\w+-]*\n(.*?)```", re.DOTALL)
Tell = Callable[[str], None]


class Verifier(Protocol):
    """What an `answer` of so many `tokens` to a prompt is worth."""

    def __call__(self, prompt: Prompt, answer: str, tokens: int) -> float: ...


def verifier_of(part: settings.Part, tell: Tell) -> Verifier:
    """The verifier that a part of a reward asks for; `tell` takes sentences about what goes wrong later. Raises UserError
    where it cannot be had."""
    match part:
        case settings.Exact():
            return _exact
        case settings.Numeric():
            return lambda prompt, answer, tokens: _numeric(prompt, answer, part.tolerance)
        case settings.Regex():
            pattern = re.compile(part.pattern)
            find = pattern.fullmatch if part.whole else pattern.search
            return lambda prompt, answer, tokens: float(find(answer) is not None)
        case settings.JsonSchema():
            allowed = SchemaCheck(part.allowed)
            return lambda prompt, answer, tokens: _json(answer, allowed)
        case settings.Length():
            return lambda prompt, answer, tokens: _length(part, answer, tokens)
        case settings.UnitTests():
            return lambda prompt, answer, tokens: _tests(part, prompt, answer)
        case settings.Function():
            return _Own(part, tell)
    raise UserError(f"a reward of the kind {part} cannot be verified; it has a model")


def _exact(prompt: Prompt, answer: str, tokens: int) -> float:
    return math.nan if prompt.reference is None else float(check(prompt.reference, answer))


def _numeric(prompt: Prompt, answer: str, tolerance: float) -> float:
    wanted = _last_number(prompt.reference or "")
    if wanted is None:
        return math.nan
    found = _last_number(answer)
    return float(found is not None and abs(found - wanted) <= tolerance)


def _last_number(text: str) -> float | None:
    found = NUMBER.findall(text)
    return float(found[-1].replace(",", "")) if found else None


def _json(answer: str, allowed: SchemaCheck) -> float:
    try:
        value = json.loads(answer)
    except (ValueError, RecursionError):
        return 0.0
    return 1.0 if allowed(value) else 0.5


def _length(part: settings.Length, answer: str, tokens: int) -> float:
    size = {"words": len(answer.split()), "characters": len(answer), "tokens": tokens}[part.unit]
    if size < part.least:
        return size / part.least
    return max(0.0, 1.0 - (size - part.most) / part.most) if size > part.most else 1.0


def _tests(part: settings.UnitTests, prompt: Prompt, answer: str) -> float:
    tests = [line for line in (prompt.reference or "").splitlines() if line.strip()]
    if not tests:
        return math.nan
    fenced = FENCE.search(answer)
    code = fenced.group(1) if fenced else answer
    return passed_tests(code, tests, part.seconds, part.megabytes) / len(tests)


class _Own:
    """A person's own function; what it does wrong is told once for each sort of fault."""

    def __init__(self, part: settings.Function, tell: Tell) -> None:
        self.name, self.tell = part.function, tell
        self.function = _from_file(part.file, part.function) if part.file else _from_module(part.function)
        self.told: set[str] = set()

    def __call__(self, prompt: Prompt, answer: str, tokens: int) -> float:
        try:
            value = self.function(prompt.text, answer, prompt.reference)
        except Exception as error:
            return self._nothing(f"raised {type(error).__name__}", f"raised {type(error).__name__}: {error}")
        if value is None:
            return math.nan
        if isinstance(value, bool | int | float) or hasattr(value, "__float__"):
            number = float(value)
            return number if math.isfinite(number) else self._nothing("not finite", f"gave {number}")
        return self._nothing(f"gave {type(value).__name__}", f"gave {value!r:.60}, which is no number")

    def _nothing(self, sort: str, fault: str) -> float:
        if sort not in self.told:
            self.told.add(sort)
            self.tell(
                f"the reward function {self.name} {fault}; such answers are not scored, and left out of their groups"
            )
        return math.nan


def _from_file(path: Path, name: str) -> Callable[..., Any]:
    spec = importlib.util.spec_from_file_location(f"trivium_reward_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise RecipeError(f"{path}: no Python file; give one that ends with .py")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise RecipeError(f"{path}: cannot be read as Python ({type(error).__name__}: {error})") from error
    return _callable(module, name, str(path))


def _from_module(where: str) -> Callable[..., Any]:
    module_name, _, name = where.rpartition(":")
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise RecipeError(
            f"the module {module_name} of the reward function {where} cannot be imported ({type(error).__name__}: {error}); "
            "install it, or give the file with 'file:'"
        ) from error
    return _callable(module, name, module_name)


def _callable(module: Any, name: str, where: str) -> Callable[..., Any]:
    found = getattr(module, name, None)
    if not callable(found):
        raise RecipeError(f"{where}: there is no function '{name}' in it")
    function: Callable[..., Any] = found
    return function
