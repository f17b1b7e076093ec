"""What ends a stage is told as what it is, where it is no bug."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from trivium.base.errors import RunError, TrainingError, UserError
from trivium.journey.faults import explain

FOLDER = Path("runs/first/pretrain")


class OutOfMemoryError(RuntimeError):
    """As torch's."""


class SafetensorError(Exception):
    """As safetensors raises it, with the system's error in its words only."""


@pytest.mark.parametrize(
    ("error", "kind", "text"),
    [
        (OSError(errno.ENOSPC, "No space", "/x/y"), RunError, "/x/y: the disk is full"),
        (OSError(errno.EDQUOT, "Quota"), RunError, "runs/first/pretrain: the disk is full"),
        (
            PermissionError(errno.EACCES, "Permission denied", "/x"),
            RunError,
            "/x: cannot be written (Permission denied)",
        ),
        (
            SafetensorError('I/O error: Os { code: 28, kind: StorageFull, message: "No space" }'),
            RunError,
            "the disk is full",
        ),
        (Exception("No space left on device (os error 28)"), RunError, "the disk is full"),
        (MemoryError(), TrainingError, "not enough memory; make this stage's batch or model smaller (--set pretrain."),
        (OutOfMemoryError("CUDA out of memory"), TrainingError, "not enough memory"),
    ],
)
def test_what_is_no_bug_is_a_sentence(error: Exception, kind: type[Exception], text: str) -> None:
    known = explain(error, FOLDER)
    assert type(known) is kind
    assert text in str(known)


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), FileNotFoundError(errno.ENOENT, "x"), Exception("code: 7"), UserError("mine"), KeyboardInterrupt()],
)
def test_bugs_and_our_own_errors_are_left_as_they_are(error: BaseException) -> None:
    assert explain(error, FOLDER) is None
