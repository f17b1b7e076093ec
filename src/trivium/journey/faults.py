"""What an error inside a stage means to the user where it is no bug: a full disk, a read-only folder, no memory.

`explain` gives the sentence; errors that it does not know are left as they are, so that a bug stays one.
"""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from trivium.base.errors import TrainingError, TriviumError
from trivium.base.files import explain_os_error

EXPLAINED = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


def explain(error: BaseException, folder: Path) -> TriviumError | None:
    """`error` as one of ours, None where it is one already or is not known."""
    if isinstance(error, TriviumError):
        return None
    if isinstance(error, OSError):
        place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else folder
        return explain_os_error(error, place) if error.errno in EXPLAINED else None
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return TrainingError(
            f"{folder}: not enough memory; make this stage's batch or model smaller (--set {folder.name}.KEY=VALUE), "
            "then start the same command again"
        )
    return _from_rust(error, folder)


def _from_rust(error: BaseException, folder: Path) -> TriviumError | None:
    """safetensors and tokenizers tell the operating system's error in their message only."""
    found = re.search(r"code: (\d+)|os error (\d+)", str(error))
    if found is None:
        return None
    number = int(found.group(1) or found.group(2))
    return explain_os_error(OSError(number, os.strerror(number)), folder) if number in EXPLAINED else None
