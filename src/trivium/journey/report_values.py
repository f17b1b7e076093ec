"""Values as people read them: numbers with units, intervals, and texts from outside made safe to show.

Everything here returns plain strings (the template escapes them); nothing raises for odd input: what is no number
is None, what cannot be shown is made visible.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Number = int | float

HEAD_CHARACTERS, HEAD_LINES = 480, 10
FULL_BYTES = 12_000  # of one text behind "show all", so that a page of hostile texts stays small
_INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def number(value: Any) -> Number | None:
    """`value` where it is a finite number (True and False are none), else None."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if abs(value) < 1e300 and math.isfinite(value) else None


def reach(content: Any, name: str) -> Any:
    """What stands under a dotted name in nested mappings; None where there is nothing."""
    for part in name.split("."):
        content = content.get(part) if isinstance(content, Mapping) else None
    return content


def count(value: Any) -> str:
    """'12,345'; 'not known' for no number."""
    found = number(value)
    return "not known" if found is None else f"{round(found):,}"


def many(value: Any, one: str, more: str = "") -> str:
    """'1 document', '2 documents'; `more` is the plural where it is not `one` with an s."""
    return f"{count(value)} {one if number(value) == 1 else more or one + 's'}"


def large(value: Any) -> str:
    """A large count in words: '9.8 million'."""
    found = number(value)
    if found is None:
        return "not known"
    for size, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if abs(found) >= size:
            return f"{found / size:.3g} {word}"
    return f"{round(found):,}"


def size(value: Any) -> str:
    """Bytes in decimal units: '12.4 MB'."""
    found = number(value)
    if found is None:
        return "not known"
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(found) >= unit:
            return f"{found / unit:.3g} {name}"
    return f"{round(found)} bytes"


def duration(value: Any) -> str:
    """Seconds as '0.4 s', '41 s', '4 min 12 s', '3 h 05 min', '2 d 4 h'."""
    found = number(value)
    if found is None or found < 0:
        return "not known"
    if found < 9.95:
        return f"{found:.1f} s"
    whole = round(found)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def plain(value: Any) -> str:
    """A figure with about three significant digits and a true minus sign; whole numbers stay whole."""
    found = number(value)
    if found is None:
        return "not known"
    if isinstance(found, int) or abs(found) >= 1000:
        text = f"{round(found):,}"
    elif 1e-4 <= abs(found) < 0.01:
        text = f"{found:.2g}"
    else:
        text = f"{found:.2f}" if abs(found) < 100 else f"{found:.1f}"
    return text.replace("-", "\u2212") if text[0] == "-" and "e" not in text else text


def percent(value: Any) -> str:
    """A fraction as a percentage: '81%', below one or above 99 per cent with a decimal."""
    found = number(value)
    if found is None:
        return "not known"
    hundred = 100 * found
    near_an_end = 0.05 <= hundred < 1 or 99 < hundred < 99.95
    return f"{hundred:.1f}%" if near_an_end else f"{hundred:.0f}%"


def short_hash(value: Any) -> str:
    """The first 10 characters of a hash."""
    text = str(value or "")
    return text[:10] if text else "none"


def moment(value: str) -> str:
    """An ISO 8601 time as '21 November 2026, 09:14 UTC'; what is none, as it is."""
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return clean(value)[:40]
    zone = when.tzname() or ""
    return f"{when.day} {when:%B %Y, %H:%M} {zone}".strip()


def clean(text: str) -> str:
    """`text` with characters that are invisible, reorder their surroundings or are no characters, made visible."""
    return _INVISIBLE.sub(lambda match: f"<U+{ord(match.group()):04X}>", text.replace("\r\n", "\n"))


@dataclass(frozen=True)
class Shown:
    """A text from outside, ready to be put on the page: its `head`, and where that is not all, its `full` text.

    `characters` is the true length; `left_out` characters are not on the page at all.
    """

    head: str
    full: str
    characters: int
    left_out: int

    @property
    def whole(self) -> bool:
        return not self.full


def show(text: str) -> Shown:
    """`text` made safe and clipped. The page keeps at most FULL_BYTES of it."""
    safe = clean(text[: 4 * FULL_BYTES])
    head = "\n".join(safe[:HEAD_CHARACTERS].split("\n")[:HEAD_LINES])
    if head == safe and len(text) <= 4 * FULL_BYTES:
        return Shown(head, "", len(text), 0)
    full = _cut_bytes(safe, FULL_BYTES)
    return Shown(
        head, full, len(text), 0 if full == safe and len(text) <= 4 * FULL_BYTES else max(1, len(text) - len(full))
    )


def label(value: Any, most: int = 80) -> str:
    """A short name from outside (a source, a family, a setting's value) on one line."""
    text = clean(" ".join(str(value).split()))
    return text if len(text) <= most else text[: most - 1] + "\u2026"


def _cut_bytes(text: str, most: int) -> str:
    used = 0
    for index, character in enumerate(text):
        used += 5 if character in "<>&'\"" else len(character.encode("utf-8"))
        if used > most:
            return text[:index]
    return text
