"""What a recipe says about rewards: parts, each with a weight. No torch here: recipes are read without it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from trivium.base.config import Settings

Prompts = Literal["open", "instructions"]


class Part(Settings):
    """One part of a reward."""

    weight: float = Field(default=1.0, description="of its number in the sum")


class Learned(Part):
    """The reward model: 0 is the tuned model's average answer, 1 a standard deviation."""

    kind: Literal["learned"] = "learned"


class Exact(Part):
    """1 where the answer is the right one but for case, spacing and final marks, else 0."""

    kind: Literal["exact"] = "exact"


class Numeric(Part):
    """1 where the last number in the answer is the last one in the right answer, else 0."""

    kind: Literal["numeric"] = "numeric"
    tolerance: float = Field(default=1e-6, ge=0, description="difference that still counts as right")


class Regex(Part):
    """1 where the pattern is found, else 0."""

    kind: Literal["regex"] = "regex"
    pattern: str = Field(description="a regular expression of Python's re")
    whole: bool = Field(default=False, description="whether the whole answer must match")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return pattern


class JsonSchema(Part):
    """1 where the answer is JSON that the schema allows, 0.5 where it is JSON, else 0."""

    kind: Literal["json"] = "json"
    allowed: dict[str, Any] | Path = Field(default={}, description="a JSON Schema, or a file that holds one")


class Length(Part):
    """1 from `least` to `most`; outside, less by the share that is missing or too much, never below 0."""

    kind: Literal["length"] = "length"
    least: int = Field(default=0, ge=0, description="of it, at least")
    most: int = Field(ge=1, description="of it, at most")
    unit: Literal["words", "characters", "tokens"] = Field(default="words", description="what is counted")

    @model_validator(mode="after")
    def _is_a_range(self) -> Length:
        if self.least > self.most:
            raise ValueError(f"least is {self.least} and most {self.most}; least must not be above most")
        return self


class Function(Part):
    """What a Python function says: `function(prompt, answer, reference)` gives a number, or None where it cannot say."""

    kind: Literal["function"] = "function"
    function: str = Field(description="its name in `file`, or module:name")
    file: Path | None = Field(
        default=None, description="the Python file that it is in; none: a module that is installed"
    )

    @model_validator(mode="after")
    def _is_somewhere(self) -> Function:
        module, colon, name = self.function.rpartition(":")
        if self.file is not None and colon:
            raise ValueError(f"function is {self.function!r} and a file is given: give the name in the file alone")
        if not name.isidentifier() or (self.file is None and not module):
            raise ValueError(f"function is {self.function!r}; write module:name, or a name and the file that it is in")
        return self


class UnitTests(Part):
    """The share of the right answer's lines (each an `assert`) that the answer's code passes, in a process with limits."""

    kind: Literal["tests"] = "tests"
    seconds: float = Field(
        default=2.0, gt=0, le=60, description="of CPU, and twice that of time, for all tests of an answer"
    )
    megabytes: int = Field(default=512, ge=64, description="of memory")


RewardPart = Annotated[
    Learned | Exact | Numeric | Regex | JsonSchema | Length | Function | UnitTests, Field(discriminator="kind")
]


class RewardedSettings(Settings):
    """What answers are drawn to, and what they are worth."""

    reward: list[RewardPart] = Field(
        default=[Learned()], min_length=1, description="its parts; what an answer is worth is their weighted sum"
    )
    prompts: Prompts = Field(
        default="open", description="what is answered: open requests, or instructions that have a right answer"
    )
    accept: bool = Field(default=False, description="learn from a reward model that did not pass its gate")

    @property
    def learned(self) -> bool:
        """Whether a reward model is among the parts."""
        return any(isinstance(part, Learned) for part in self.reward)


NEEDS_REFERENCE = (Exact, Numeric, UnitTests)


def faults_of(settings: RewardedSettings, sections: Mapping[str, Any]) -> list[str]:
    """What can be known to be wrong with a reward before there is any model, a sentence each."""
    from importlib.util import find_spec

    from trivium.data.sources import lack_of

    faults = []
    if settings.learned and "reward" not in sections:
        faults.append("its reward is learned, which needs 'reward' and 'rate'; add them, or give other parts to reward")
    gather = sections.get("gather")
    lack = gather and lack_of("prompts" if settings.prompts == "open" else "instructions", 1, gather.sources)
    faults += [lack] if lack else []
    if settings.prompts == "open":
        blind = sorted({part.kind for part in settings.reward if isinstance(part, NEEDS_REFERENCE)})
        faults += [f"the reward '{kind}' needs right answers; set prompts: instructions" for kind in blind]
    if gather and getattr(settings, "fresh_ratings", "none") != "none":
        faults += rater_faults("fresh_ratings", gather.sources)
    if any(isinstance(part, JsonSchema) for part in settings.reward) and find_spec("jsonschema") is None:
        faults.append("the reward 'json' needs jsonschema: pip install 'trivium-lm[rewards]'")
    return faults


def rater_faults(name: str, sources: Iterable[Any]) -> list[str]:
    """What is wrong where the simulated rater, asked for by the setting `name`, is to judge requests that are not the world's."""
    own = any(source.kind == "requests" for source in sources)
    other = "human" if name == "rater" else "none"
    known = "simulated:world judges answers to the world's requests alone, and gather has requests of your own"
    return [f"{name}: {known}; set {name}: {other}"] if own else []


def outside(settings: RewardedSettings) -> dict[str, str] | None:
    """What outside the recipe a reward depends on, as JSON: the sources of functions in modules."""
    from importlib.util import find_spec

    from trivium.base.files import hash_file

    found = {}
    for part in settings.reward:
        if isinstance(part, Function) and part.file is None:
            module = part.function.rpartition(":")[0]
            spec = find_spec(module) if find_spec(module.partition(".")[0]) else None
            found[part.function] = (
                hash_file(Path(spec.origin)) if spec and spec.origin and Path(spec.origin).exists() else ""
            )
    return found or None
