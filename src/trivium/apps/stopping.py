"""Ctrl-C and a polite kill: the first asks the run to save and stop, the second ends it at once.

Ending at once is safe too, because every file is whole or absent; it only costs the steps since the last checkpoint.
"""

from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
ASKED = b"\nstopping: the stage saves first; Ctrl-C again ends at once\n"


class Stopping:
    """True, when called, once the user asked to stop; listens inside its `with` block. `quiet` where another process
    says so."""

    def __init__(self, quiet: bool = False) -> None:
        self._asked, self._quiet = False, quiet
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        return self._asked

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._asked:
            for other in SIGNALS:
                signal.signal(other, signal.SIG_DFL)  # a third one needs no Python to be obeyed
            raise KeyboardInterrupt
        self._asked = True
        if self._quiet:
            return
        with contextlib.suppress(OSError):
            os.write(2, ASKED)  # print is not safe inside a handler
