"""Errors that a user meets.

Every message is one sentence or two: the value, the allowed range, the next action. A user's mistake is a
`UserError` (a ValueError); a mistake of ours is an assert. Only `apps` turns these into exit codes.
"""

from __future__ import annotations

from pathlib import Path


class TriviumError(Exception):
    """Anything that Trivium raises on purpose. `exit_code` is what the command line returns."""

    exit_code = 1


class UserError(TriviumError, ValueError):
    """The user can mend this: a wrong value, path, recipe or file."""

    exit_code = 2


class RecipeError(UserError):
    """A recipe that cannot be read or makes no sense."""


class DataError(UserError):
    """Bad input data; the message starts with file, line and field as far as they are known."""

    def __init__(
        self, message: str, *, file: Path | str | None = None, line: int | None = None, field: str | None = None
    ) -> None:
        self.file, self.line, self.field = file, line, field
        place = ""
        if file is not None:
            place = str(file)
            if line is not None:
                place += f":{line}"
            place += ": "
        if field is not None:
            place += f"field '{field}': "
        super().__init__(place + message)


class RunError(UserError):
    """A run folder that is locked, read-only, damaged or of a newer format."""


class MissingExtra(UserError):
    """An optional library is not installed; the message holds the pip line."""

    def __init__(self, library: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {library}, which is not installed: pip install 'trivium-lm[{extra}]'")


class CheckpointError(TriviumError):
    """A checkpoint or model folder that cannot be read."""


class TrainingError(TriviumError):
    """Training stopped itself: not-a-number, a loss spike, dead gradients. The last good checkpoint is kept."""


class Interrupted(TriviumError):
    """The user asked to stop; everything is saved."""

    exit_code = 130


class Waiting(Interrupted):
    """Something that people do is needed first; everything is saved, and the same command goes on once it is there."""

    exit_code = 3
