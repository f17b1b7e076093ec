"""Browser windows for tests, in which everything that is complained of or asked of another address is heard."""

from __future__ import annotations

import shutil
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")


def open_window(browser: Any, address: str, heard: list[str], **more: Any) -> Any:
    """A window with cookies of its own, still empty; `more` is what a browser's context takes."""
    window = browser.new_context(**more).new_page()
    window.set_default_timeout(15_000)
    window.on("console", lambda message: heard.append(message.text))
    window.on("pageerror", lambda error: heard.append(str(error)))
    window.on("dialog", lambda dialog: heard.append(dialog.message))
    window.on("request", lambda one: heard.append(one.url) if not one.url.startswith(address) else None)
    return window
