"""Repairs of a text that are stated and counted: mojibake, Unicode's form, line ends.

Only what the settings ask for is done. NFC and line ends lose no meaning but cannot be taken back, since a text may have held
both forms; how often each was applied is told. No form that changes meaning (NFKC) is offered.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from pydantic import Field

from trivium.base.config import Settings
from trivium.base.errors import MissingExtra

# What text looks like when UTF-8 was read as Latin-1 or Windows-1252: cheap to look for, so ftfy need not see all text.
_SUSPECT = re.compile(
    "[\x80-\x9f\ufffd]|[\u00c2\u00c3\u00c5\u00d0\u00d1\u00e2\u00e3\u00ef\u00f0][\u0080-\u00bf\u0152-\u0178\u2013-\u2122]"
)


class CleanSettings(Settings):
    """Which repairs are made."""

    mojibake: bool = Field(default=False, description="mend text that was decoded as the wrong encoding (ftfy)")
    unicode: Literal["keep", "NFC"] = Field(default="keep", description="NFC: one form for each composed character")
    line_ends: Literal["keep", "unix"] = Field(default="keep", description="unix: CRLF and CR become LF")


def clean_text(text: str, settings: CleanSettings) -> tuple[str, tuple[str, ...]]:
    """The mended text, and the names of the repairs that changed it. Raises MissingExtra without ftfy."""
    done = []
    for name, wanted, repair in (
        ("mojibake mended", settings.mojibake, _mend),
        ("Unicode composed (NFC)", settings.unicode == "NFC", _compose),
        ("line ends made LF", settings.line_ends == "unix", _unix),
    ):
        if wanted and (mended := repair(text)) != text:
            text = mended
            done.append(name)
    return text, tuple(done)


def _mend(text: str) -> str:
    if not _SUSPECT.search(text):
        return text
    try:
        import ftfy
    except ImportError:
        raise MissingExtra("ftfy", "data", "mending mojibake") from None
    return ftfy.fix_encoding(text)


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")
