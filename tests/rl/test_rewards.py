"""What verifiers say, by hand; what cannot be scored is not zero; code runs within its limits."""

from __future__ import annotations

import math
import os
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from pydantic import TypeAdapter

from tests.tokenizer.tiny import tiny_tokenizer
from trivium.base.errors import RecipeError
from trivium.base.words import Message, Rollout
from trivium.rl.prompts import Prompt
from trivium.rl.reward_settings import RewardedSettings, RewardPart, faults_of
from trivium.rl.rewards import load_rewards
from trivium.rl.rollouts import Group
from trivium.rl.sandbox import alone, passed_tests
from trivium.rl.verifiers import verifier_of

NAN = math.nan


def prompt(reference: str | None = None, text: str = "hi") -> Prompt:
    return Prompt((1, 2), (Message("user", text),), reference)


def part(**given: Any) -> Any:
    return TypeAdapter(RewardPart).validate_python(given)


def scores(given: dict[str, Any], answers: list[str], reference: str | None = None) -> list[float]:
    verifier = verifier_of(part(**given), lambda note: None)
    return [verifier(prompt(reference), answer, len(answer.split())) for answer in answers]


@pytest.mark.parametrize(
    ("given", "reference", "expected"),
    [
        ({"kind": "exact"}, "Tom.", {"tom": 1, " TOM! ": 1, "Tom Clara": 0, "": 0}),
        ({"kind": "exact"}, None, {"tom": NAN}),
        (
            {"kind": "numeric"},
            "It is 1,200.",
            {"so 1200": 1, "3 and 1200.0": 1, "1200 or 3": 0, "none": 0, "te5t 1.2e3": 1},
        ),
        ({"kind": "numeric", "tolerance": 0.5}, "3", {"3.4": 1, "-3": 0}),
        ({"kind": "numeric"}, "none", {"3": NAN}),
        ({"kind": "regex", "pattern": r"\bfox\b"}, None, {"a fox!": 1, "foxes": 0}),
        ({"kind": "regex", "pattern": "[a-z]+", "whole": True}, None, {"fox": 1, "a fox": 0}),
        (
            {"kind": "length", "least": 2, "most": 4},
            None,
            {"a": 0.5, "a b": 1, "a b c d e f": 0.5, "a " * 20: 0, "": 0},
        ),
        ({"kind": "length", "most": 4, "unit": "characters"}, None, {"abcd": 1, "abcdef": 0.5}),
    ],
)
def test_verifiers_by_hand(given: dict[str, Any], reference: str | None, expected: dict[str, float]) -> None:
    assert scores(given, list(expected), reference) == pytest.approx(list(expected.values()), nan_ok=True)


def test_a_json_answer_is_held_against_a_schema() -> None:
    pytest.importorskip("jsonschema", reason="pip install 'trivium-lm[rewards]'")
    schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    asked = {"kind": "json", "allowed": schema}
    assert scores(asked, ['{"name": "Tom"}', '{"name": 3}', "[]", "name: Tom", "[" * 10_000]) == [1, 0.5, 0.5, 0, 0]
    with pytest.raises(RecipeError, match="JSON Schema is none"):
        scores({"kind": "json", "allowed": {"type": "nonsense"}}, [])


def test_a_function_that_fails_is_contained_and_told_once(tmp_path: Path) -> None:
    file = tmp_path / "score.py"
    file.write_text(
        "def judge(prompt, answer, reference):\n"
        "    if answer == 'raise': raise KeyError('x')\n"
        "    return {'text': 'good', 'nothing': None, 'nan': float('nan'), 'ten': 10, 'yes': True}[answer]\n",
        encoding="utf-8",
    )
    notes: list[str] = []
    verifier = verifier_of(part(kind="function", file=file, function="judge"), notes.append)
    found = [verifier(prompt(), answer, 1) for answer in ("raise", "raise", "text", "nothing", "nan", "ten", "yes")]
    assert found == pytest.approx([NAN, NAN, NAN, NAN, NAN, 10, 1], nan_ok=True)
    assert [note.split("; ")[0] for note in notes] == [
        "the reward function judge raised KeyError: 'x'",
        "the reward function judge gave 'good', which is no number",
        "the reward function judge gave nan",
    ]
    with pytest.raises(RecipeError, match="there is no function 'other' in it"):
        verifier_of(part(kind="function", file=file, function="other"), notes.append)


def test_a_function_is_found_in_a_module(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("own_rewards")
    module.judge = lambda prompt, answer, reference: len(answer)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_rewards", module)
    assert scores({"kind": "function", "function": "own_rewards:judge"}, ["four"]) == [4]
    with pytest.raises(RecipeError, match=r"module nowhere_at_all .* cannot be imported"):
        scores({"kind": "function", "function": "nowhere_at_all:judge"}, [])


ADD = "def add(a, b):\n    return a + b\n"


def test_code_is_worth_the_share_of_tests_that_it_passes() -> None:
    tests = "assert add(1, 2) == 3\nassert add(1, 1) == 3"
    assert scores({"kind": "tests"}, [ADD, f"Here:\n```python\n{ADD}```\nDone.", "def add(", "no code"], tests) == [
        0.5,
        0.5,
        0,
        0,
    ]
    assert scores({"kind": "tests"}, [ADD], None) == pytest.approx([NAN], nan_ok=True)


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "x = 'a' * (1 << 40)",
        "with open('file', 'w') as file: file.write('a' * 100)",
        "files = [open('/dev/null') for _ in range(50)]",
        "import sys\nsys.exit(0)",
        "import os\nos._exit(0)",
        "print('1\\n' * 5)\nraise ValueError",
    ],
)
def test_code_beyond_its_limits_passes_nothing(code: str) -> None:
    started = time.monotonic()
    assert passed_tests(code, ["assert True"], 1.0, 256) == 0
    assert time.monotonic() - started < 20


@pytest.mark.skipif(os.getuid() == 0, reason="the system lets root start processes whatever the limit")
def test_code_starts_no_processes() -> None:
    assert passed_tests("import os\nos.fork()", ["assert True"], 1.0, 256) == 0


@pytest.mark.skipif(not alone(), reason="this system does not let us take the network away")
def test_code_has_no_network() -> None:
    tests = ["import socket\ns = socket.socket()\ns.settimeout(1)\ns.connect(('127.0.0.1', 9))"]
    assert passed_tests("", ["import socket"], 2.0, 512) == 1
    assert passed_tests("", tests, 2.0, 512) == 0


def group_of(answers: list[str]) -> Group:
    ids = [tiny_tokenizer().encode(answer) for answer in answers]
    width = max(map(len, ids))
    tokens = torch.zeros(len(ids), width, dtype=torch.long)
    lengths = torch.tensor([len(row) for row in ids])
    rollout = Rollout(tokens, torch.zeros(len(ids), width), tokens == 0, torch.ones(len(ids), dtype=torch.bool))
    asked = [prompt("fox cat"), prompt("fox cat"), prompt(None), prompt(None)]
    return Group(rollout, torch.zeros(len(ids), dtype=torch.long), lengths, ids, asked)


def test_parts_are_weighed_and_what_one_cannot_say_nobody_says() -> None:
    parts = [
        part(kind="regex", pattern="fox", weight=2.0),
        part(kind="regex", pattern="cat"),
        part(kind="exact", weight=0.5),
    ]
    rewards = load_rewards(parts, {}, tiny_tokenizer(), torch.device("cpu"), lambda note: None)
    found = rewards(group_of(["a fox", "fox cat", "a cat", "a cat"]))
    assert list(found.parts) == ["regex", "regex-2", "exact"]
    assert found.parts["regex-2"].tolist() == [0, 1, 1, 1]
    assert found.total.tolist() == pytest.approx([2.0, 3.5, NAN, NAN], nan_ok=True)


def test_what_is_wrong_with_a_reward_is_told_beforehand() -> None:
    settings = RewardedSettings.model_validate({"reward": [{"kind": "learned"}, {"kind": "exact"}]})
    told = faults_of(settings, {"rate": None})
    assert "needs 'reward'" in told[0] and "set prompts: instructions" in told[1]
    assert faults_of(RewardedSettings(), {"reward": None}) == []
    with pytest.raises(ValueError, match="no regular expression"):
        part(kind="regex", pattern="(")
    with pytest.raises(ValueError, match="least must not be above most"):
        part(kind="length", least=5, most=3)
    with pytest.raises(ValueError, match="write module:name"):
        part(kind="function", function="judge")
