"""Personal data in text: found by rules, replaced by placeholders or by surrogates that stay the same for the same value.

What is logged is the type, the rule and where it stood, never the value. Surrogates are keyed (HMAC-SHA-256), so without the
key nobody can test a guess; they use numbers and names that are reserved for examples (RFC 2606, RFC 5737, 555-01xx).
Names and postal addresses are not found by rules; a model may be given that finds them (`data.names`).
"""

from __future__ import annotations

import bisect
import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from trivium.base.config import Settings
from trivium.data.private_rules import RULES, Found, Kind

KINDS: tuple[Kind, ...] = ("key", "email", "iban", "card", "national", "ip", "phone")
_PLACES: Mapping[str, int] = {kind: place for place, kind in enumerate(KINDS)}


class PrivateSettings(Settings):
    """Which personal data are looked for, and what takes their place."""

    find: tuple[Kind, ...] = Field(
        default=(), description=f"what is looked for, of {', '.join(KINDS)}; nothing if none is named"
    )
    replace: Literal["placeholder", "surrogate", "nothing"] = Field(
        default="placeholder",
        description="placeholder: [EMAIL]; surrogate: an invented one, the same for the same value; nothing: only count",
    )
    surrogate_key: str = Field(default="", description="a secret that surrogates are made with")
    phone_regions: tuple[str, ...] = Field(
        default=("US", "GB"), description="countries whose phone numbers are found without their country code"
    )
    names_model: Path | None = Field(
        default=None,
        description="a model folder that was taught to tag names (a finetune-NAME stage); what it finds goes too",
    )
    names_kinds: tuple[str, ...] = Field(
        default=(), description="which of that model's kinds are personal, such as PER and LOC; all if none is named"
    )

    @model_validator(mode="after")
    def _needs_key(self) -> PrivateSettings:
        if self.replace == "surrogate" and len(self.surrogate_key) < 8:
            raise ValueError("surrogate_key must have 8 characters or more: without a secret anybody can test a guess")
        return self


@dataclass(frozen=True)
class Redacted:
    """A text with its personal data replaced, and what stood where in the text before."""

    text: str
    found: tuple[Found, ...]

    def counts(self) -> dict[str, int]:
        """How many of each type."""
        counts: dict[str, int] = {}
        for one in self.found:
            counts[one.kind] = counts.get(one.kind, 0) + 1
        return counts


def redact(text: str, settings: PrivateSettings) -> Redacted:
    """`text` as the settings want it. Raises MissingExtra where phone numbers are wanted and phonenumbers is missing."""
    return replaced(text, tuple(find(text, settings.find, settings.phone_regions)), settings)


def replaced(text: str, found: tuple[Found, ...], settings: PrivateSettings) -> Redacted:
    """`text` with what was `found` in it (in its order, apart from one another) replaced as the settings want it."""
    if not found or settings.replace == "nothing":
        return Redacted(text, found)
    parts, start = [], 0
    for one in found:
        value = text[one.start : one.end]
        parts += [text[start : one.start], _instead(one.kind, value, settings)]
        start = one.end
    return Redacted("".join([*parts, text[start:]]), found)


def find(text: str, kinds: Iterable[Kind], regions: tuple[str, ...] = ("US", "GB")) -> Iterator[Found]:
    """What is found, in the order of the text; of two that overlap, the kind that is named first in KINDS."""
    every = [one for kind in kinds for one in RULES[kind](text, regions)]
    taken: list[Found] = []  # in the order of the text, apart from one another
    for one in sorted(every, key=lambda one: (_PLACES[one.kind], one.start, -one.end)):
        place = bisect.bisect_right(taken, one.start, key=lambda other: other.start)
        before_ends = place == 0 or taken[place - 1].end <= one.start
        if before_ends and (place == len(taken) or one.end <= taken[place].start):
            taken.insert(place, one)
    yield from taken


def _instead(kind: str, value: str, settings: PrivateSettings) -> str:
    if settings.replace == "placeholder":
        return f"[{kind.upper()}]"
    plain = "".join(c for c in value.casefold() if c.isalnum() or c in "@.:")
    digest = hmac.new(settings.surrogate_key.encode(), f"{kind}\0{plain}".encode(), hashlib.sha256).digest()
    number = int.from_bytes(digest[:8], "big")
    surrogate = _SURROGATES.get(kind, kind.title() + " {name}")
    return surrogate.format(name=digest.hex()[:8], number=number, low=number % 254 + 1, two=number % 100)


_SURROGATES: Mapping[str, str] = {
    "email": "user-{name}@example.org",
    "phone": "+1 202 555 01{two:02d}",
    "ip": "192.0.2.{low}",
    "card": "0000 0000 {name}",
    "iban": "XX00 EXAMPLE {name}",
    "national": "ID-{name}",
    "key": "EXAMPLE-KEY-{name}",
}
_FORMS = {"name": "[0-9a-f]{8}", "low": r"\d{1,3}", "two:02d": r"\d\d"}


def _pattern() -> re.Pattern[str]:
    """What the rules put into texts."""
    forms = [re.escape(f"[{kind.upper()}]") for kind in KINDS]
    for template in _SURROGATES.values():
        form = re.escape(template)
        for field, digits in _FORMS.items():
            form = form.replace(re.escape(f"{{{field}}}"), digits)
        forms.append(form)
    return re.compile("|".join(forms))


_PUT = _pattern()


def put_by_rules(text: str) -> list[tuple[int, int]]:
    """The characters from and to of what the rules have put into a text: placeholders and surrogates."""
    return [match.span() for match in _PUT.finditer(text)]
