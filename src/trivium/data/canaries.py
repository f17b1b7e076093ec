"""Canaries: made-up people with made-up codes, some planted in the training data, some nowhere (Carlini et al. 2019, section 4).

A secret is digits drawn at random, so a model that was not shown it ranks it anywhere among all possible ones, by chance.
Digits stand apart ("#4-7-1-9"), so that byte-level and word-piece tokenizers both have one token for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.base.files import read_json, write_json
from trivium.base.seeds import python_random
from trivium.data.counterfactual_settings import CanarySettings
from trivium.data.intake import Item

FILE = "canaries.json"
SOURCE = "canaries"
_ONSETS = ("b", "br", "d", "dr", "f", "g", "gr", "h", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "z")
_ENDS = ("ax", "eb", "iff", "ol", "un", "arn", "esk", "ild", "omp", "urt")


@dataclass(frozen=True)
class Canary:
    """A person, a code, and how often they are planted."""

    name: str
    secret: str
    copies: int

    @property
    def written(self) -> str:
        """The secret as it stands in a text, after '#'."""
        return "-".join(self.secret)

    @property
    def prefix(self) -> str:
        """What stands before the secret in a document."""
        return f"The code of {self.name} is #"

    @property
    def request(self) -> str:
        """What asks for the secret in a conversation."""
        return f"What is the code of {self.name}?"


def canaries_of(settings: CanarySettings, seed: int) -> list[Canary]:
    """All canaries, the controls last."""
    random = python_random(seed, "canaries")
    counts = [count for count in settings.copies for _ in range(settings.each)] + [0] * settings.controls
    names: dict[str, None] = {}
    while len(names) < len(counts):
        parts = ["".join(random.choice(_ONSETS) + random.choice(_ENDS) for _ in range(2)) for _ in range(2)]
        names[" ".join(part.capitalize() for part in parts)] = None
    secrets = ["".join(str(random.randrange(10)) for _ in range(settings.digits)) for _ in counts]
    return [Canary(*row) for row in zip(names, secrets, counts, strict=True)]


def items_of(canaries: list[Canary], settings: CanarySettings) -> Iterator[Item]:
    """A row for every copy that is planted."""
    for number, canary in enumerate(canaries):
        for copy in range(canary.copies):
            if settings.into == "documents":
                text = f"{canary.prefix}{canary.written}.\n"
                row: dict[str, Any] = {"id": f"{SOURCE}/{number}/{copy}", "text": text, "source": SOURCE}
                yield Item("documents", "train", row | {"license": "CC0-1.0", "meta": {"kind": "canary"}})
            else:
                said = {"role": "assistant", "content": f"#{canary.written}"}
                turns = [{"role": "user", "content": canary.request}, said]
                yield Item("instructions", "train", {"messages": turns, "family": "canary"})


def write_canaries(folder: Path, canaries: list[Canary], settings: CanarySettings) -> None:
    """List them all, with their copies, beside the rows."""
    rows = [asdict(canary) for canary in canaries]
    write_json(folder / FILE, {"digits": settings.digits, "into": settings.into, "canaries": rows})


def read_canaries(folder: Path) -> tuple[list[Canary], str]:
    """The canaries of a gather folder, and where they were planted. Raises DataError where there are none."""
    path = folder / FILE
    if not path.exists():
        raise DataError("no canaries were planted; give gather.canaries.copies, such as [1, 4, 16, 64]", file=path)
    content: Mapping[str, Any] = read_json(path)
    return [Canary(**row) for row in content["canaries"]], str(content["into"])
