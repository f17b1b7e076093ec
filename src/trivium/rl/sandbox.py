"""Runs code that a model wrote, in a process of its own with limits.

Limits are CPU seconds, time, memory, nothing written to files, no further processes (root may start them all the same), an
empty folder and environment, and where the system lets us (Linux with user namespaces) no network. That contains mistakes and
endless loops; it is no wall against code that means harm: for that, run the whole of Trivium in a container.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence

# Reads what to run from its input, gives up what it may, runs it, and says how many tests passed behind a word that the
# code was not told. Limits cannot be raised again.
DRIVER = """
import json, resource, sys
given = json.loads(sys.stdin.read())
for name, value in given["limits"].items():
    try:
        resource.setrlimit(getattr(resource, name), (value, value))
    except (AttributeError, ValueError, OSError):
        pass
space, passed = {"__name__": "answer"}, 0
tell, word = sys.stdout.write, given.pop("word")
try:
    exec(compile(given["code"], "answer", "exec"), space)
    for test in given["tests"]:
        try:
            exec(compile(test, "test", "exec"), dict(space))
            passed += 1
        except Exception:
            pass
except BaseException:
    passed = 0
tell("\\n" + word + str(passed) + "\\n")
"""


def passed_tests(code: str, tests: Sequence[str], seconds: float, megabytes: int) -> int:
    """How many of `tests` (statements, such as asserts) run without an exception after `code`; none where it goes beyond a
    limit or leaves."""
    word = secrets.token_hex(16)
    limits = {
        "RLIMIT_CPU": max(1, round(seconds)),
        "RLIMIT_AS": megabytes << 20,
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": 16,
        "RLIMIT_NPROC": 0,
        "RLIMIT_CORE": 0,
    }
    asked = json.dumps({"code": code, "tests": list(tests), "limits": limits, "word": word})
    with tempfile.TemporaryDirectory(prefix="trivium-answer-") as folder:
        process = subprocess.Popen(
            [*alone(), sys.executable, "-I", "-S", "-c", DRIVER],
            cwd=folder,
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            text=True,
            errors="replace",
        )
        try:
            told = process.communicate(asked, timeout=2.0 * seconds + 1.0)[0]
        except (subprocess.TimeoutExpired, OSError):
            told = ""
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    said = [line.removeprefix(word) for line in told.splitlines() if line.startswith(word)]
    return min(int(said[-1]), len(tests)) if said and said[-1].isdigit() else 0


@functools.cache
def alone() -> tuple[str, ...]:
    """The words before a command that take its network away; none where this system does not let us."""
    words = ("unshare", "--map-root-user", "--net")
    try:
        done = subprocess.run([*words, "true"], capture_output=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return words if done.returncode == 0 else ()
