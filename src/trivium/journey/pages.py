"""What the offline pages share: where their templates are, how they are filled, their looks, and the time on them.

A page is one HTML file that asks nothing of the network; a content security policy holds it to that, and lets no script run
but its own, by hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

HERE = Path(__file__).parent


@functools.cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )


def fill(template: str, **values: Any) -> str:
    """The HTML of a page: the template with its values, the pages' style and script, and when it was written."""
    script = (HERE / "report.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template(template)
        .render(
            **values,
            style=Markup((HERE / "report.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
            written=f"{datetime.now(UTC):%d %B %Y, %H:%M} UTC".lstrip("0"),
        )
    )
