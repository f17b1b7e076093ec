"""The run behind the rating page: going on with it from the owner's page, and telling how that goes.

It is `trivium run RUN`, a process of its own that goes on when the page is stopped; what it says is in RUN/ratings/round.log.
Nothing of it comes from a browser but the number of rounds.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from trivium.base.config import read_yaml
from trivium.base.errors import Interrupted, RunError, UserError, Waiting
from trivium.base.files import explain_os_error

LAST_LINES = 12
LAST_BYTES = 8_000
MEANINGS = {0: "all rounds are done", Waiting.exit_code: "ratings are needed", Interrupted.exit_code: "stopped"}


class Training:
    """One at a time; `command` is what starts Trivium."""

    def __init__(self, run: Path, command: tuple[str, ...] = (sys.executable, "-m", "trivium")) -> None:
        self.run, self._command = run, command
        self._log = run / "ratings" / "round.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    @property
    def rounds(self) -> int:
        """How many the run's recipe asks for."""
        asked = read_yaml(self.run / "recipe.yaml").get("rounds", 1)
        return asked if isinstance(asked, int) else 1

    def start(self, rounds: int) -> None:
        """Go on with the run. Raises UserError where it is going on already, RunError where it cannot be started."""
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                raise UserError("the run is going on already; wait until it needs ratings or is done")
            if rounds < self.rounds:
                raise UserError(f"the run has {self.rounds} rounds; give as many or more, not {rounds}")
            line = [*self._command, "run", str(self.run.resolve()), "--set", f"rounds={rounds}"]
            try:
                self._log.parent.mkdir(parents=True, exist_ok=True)
                log = open(self._log, "wb")  # noqa: SIM115 - closed below; the process has its own
            except OSError as error:
                raise explain_os_error(error, self._log) from error
            with log:
                try:
                    self._process = subprocess.Popen(
                        line, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                    )
                except OSError as error:
                    raise RunError(f"{line[0]}: cannot be started ({error.strerror}); use `trivium run`") from error

    def state(self) -> dict[str, Any]:
        """Whether it is going on, how it ended, and the last lines that it said."""
        code = None if self._process is None else self._process.poll()
        going = self._process is not None and code is None
        ended = None if self._process is None or going else MEANINGS.get(code or 0, f"it failed (exit code {code})")
        return {"going": going, "ended": ended, "rounds": self.rounds, "lines": self._lines()}

    def _lines(self) -> list[str]:
        if self._process is None:
            return []
        try:
            content = self._log.read_bytes()[-LAST_BYTES:]
        except OSError:
            return []
        return content.decode("utf-8", "replace").splitlines()[-LAST_LINES:]
