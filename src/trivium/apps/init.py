"""`trivium init`: a commented recipe for the user's data, with sizes that suit how much there is.

The sizes are starting points: enough steps to read the text a few times, and a vocabulary that it supports.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from trivium.apps.figures import size
from trivium.base.errors import DataError, RecipeError, UserError
from trivium.base.files import write_atomic
from trivium.base.yaml_text import parse
from trivium.data.find import files_at
from trivium.journey.recipe import name_from

KINDS = ("text", "instructions", "demo")
HEAD = """# A Trivium recipe: it holds only what differs from the defaults. A section that is here, even an empty one, runs.
#   trivium check {file}     says what is wrong with it, before anything is spent
#   trivium run {file}       runs it; what is finished is reused, what was interrupted goes on
# Every setting, with its default, is in the output of `trivium schema`.
name: {name}
seed: 0            # the same seed gives the same models
"""
TEXT = """
gather:
  sources:
    - kind: files
      path: {path}   # {told}
      # license: CC-BY-4.0   # what the texts may be used for; kept with every document

tokenize:
  vocab_size: {vocab_size}   # more text supports more

pretrain:
  steps: {steps}            # more steps later continue from here
  batch_size: {batch_size}
  length: {length}           # tokens that the model sees at once while it learns
  # model: {{hidden_size: 256, num_layers: 6, num_heads: 8, num_kv_heads: 8}}   # a larger one learns more, slower

evaluate:                # how well it predicts text that it has not seen
"""
INSTRUCTIONS = """
gather:
  sources:
    - kind: instructions
      path: {path}   # {told}
      # heldout_share: 0.1   # of the requests, kept for measuring
    # - {{kind: requests, path: {path}}}   # what people are to judge answers to: the same requests, or others
    - kind: world            # text to learn the language from; better: your own, as {{kind: files, path: ...}}
      instructions: 0        # requests that the world would add to yours
      heldout_instructions: 0
      prompts: 0
      heldout_prompts: 0

tokenize:

pretrain:
  steps: 1000              # more steps later continue from here

finetune:
  steps: {steps}            # about five times through the instructions
  # optimizer: {{learning_rate: 0.005}}   # lower where it forgets, higher where it does not follow

# To have people judge the answers and the model follow them, take the # away here; the run then stops at rate and says how.
# rate: {{rater: human}}
# reward:
# align:

evaluate:                # the same requests before and after
"""
DEMO = """
gather:                  # the built-in little world: stories, facts, dialogues, requests
tokenize:
pretrain:                # grammar: learn the language
finetune:                # logic: learn to do what one is told
rate:                    # have answers judged
reward:                  # learn what is preferred
align:                   # rhetoric: learn to answer so
evaluate:                # what each phase changed, with intervals
"""


@dataclass(frozen=True)
class Data:
    """What the user's data are: their path as the recipe will hold it, kind, bytes and files."""

    path: str
    kind: str
    bytes: int
    files: int


def write_new_recipe(path: Path, kind: str | None, data: Path | None) -> str:
    """Write the recipe and return what to do next. Raises UserError for a file that is there, or data that cannot be used."""
    if kind is not None and kind not in KINDS:
        raise UserError(f"--kind is '{kind}'; it must be one of {', '.join(KINDS)}")
    if path.exists():
        raise RecipeError(f"{path}: is there already; choose another name, or delete it")
    if data is None and kind != "demo":
        raise UserError(
            "give your data with --data (a file, a folder or a pattern), or --kind demo for the built-in world"
        )
    if data is not None and kind == "demo":
        raise UserError("--kind demo uses the built-in world; leave --data away, or choose another kind")
    body = DEMO if data is None else _body(look_at(data, path.parent, kind))
    name = name_from(data or path)
    shown = name if parse(name)[0] == name else json.dumps(name)  # a name like 2024 would be read as a number
    write_atomic(path, HEAD.format(file=path, name=shown) + body)
    return f"wrote {path}; next: trivium check {path}, then trivium run {path}"


def _body(data: Data) -> str:
    told = f"{data.files} file{'s' if data.files > 1 else ''}, {size(data.bytes)}"
    path = json.dumps(data.path, ensure_ascii=False)
    if data.kind == "text":
        return TEXT.format(path=path, told=told, **sizes_for(data.bytes))
    steps = max(50, min(5000, 5 * data.bytes // 16_000))  # a step reads 4096 tokens, about 16 kB
    return INSTRUCTIONS.format(path=path, told=told, steps=steps)


def sizes_for(text_bytes: int) -> dict[str, int]:
    """Vocabulary, batch and steps for so much text: about six times through it, 20,000 steps at most."""
    steps = ((50e3, 300), (300e3, 512), (2e6, 1024), (20e6, 2048), (200e6, 4096))
    vocabulary = next((vocab_size for limit, vocab_size in steps if text_bytes < limit), 8192)
    batch_size, length = (32, 128) if text_bytes >= 500e3 else (8, 64) if text_bytes >= 5e3 else (2, 32)
    tokens = text_bytes / (2.0 if vocabulary < 1024 else 3.0)
    return {
        "vocab_size": vocabulary,
        "batch_size": batch_size,
        "length": length,
        "steps": int(max(100, min(20_000, 6 * tokens / (batch_size * length)))),
    }


def look_at(data: Path, folder: Path, kind: str | None) -> Data:
    """What there is at `data`. Raises DataError where it cannot be used."""
    from trivium.data.sources.files import FilesSource
    from trivium.data.sources.instructions import InstructionsSource
    from trivium.journey.check import look_at as faults_of

    given = data.expanduser().absolute()
    files = files_at(given)
    if not files:
        raise DataError("there is no such file or folder, nor files that match", file=data)
    chosen = kind or ("instructions" if _has_instructions(files) else "text")
    source = (InstructionsSource if chosen == "instructions" else FilesSource)(path=given)
    if faults := faults_of(source):
        raise DataError("\n".join(faults))
    inside = given.is_relative_to(folder.absolute())
    shown = os.path.relpath(given, folder.absolute()) if inside else str(given)
    return Data(shown, chosen, sum(file.stat().st_size for file in files), len(files))


def _has_instructions(files: list[Path]) -> bool:
    """Whether the first row that can be read is one of instructions."""
    for file in files:
        if file.suffix.lower() == ".json":
            return True  # a list of rows: texts do not come so
        if file.suffix.lower() == ".jsonl":
            with open(file, encoding="utf-8", errors="replace") as opened:
                for line in islice(opened, 1):
                    return _is_instruction(line)
    return False


def _is_instruction(line: str) -> bool:
    try:
        row: Any = json.loads(line)
    except ValueError:
        return False
    return isinstance(row, Mapping) and ("messages" in row or "instruction" in row)
