"""Which of the processes that torchrun started this is."""

from __future__ import annotations

import os
from collections.abc import Mapping

from trivium.base.errors import UserError
from trivium.base.ranks import ALONE, Ranks

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def ranks_here(environment: Mapping[str, str] = os.environ) -> Ranks:
    """Our ranks; one process alone where nobody gave any. Raises UserError where they make no sense."""
    if "RANK" not in environment or "WORLD_SIZE" not in environment:
        return ALONE
    given = {name: environment.get(name) for name in NAMES}
    try:
        return Ranks(*(int(value or "") for value in given.values()))
    except ValueError as error:
        told = ", ".join(f"{name}={value}" for name, value in given.items())
        raise UserError(f"{told}: start all processes with torchrun, which sets these ({error})") from None


def rank_here() -> int:
    """Our rank; 0 for one process alone, and where the environment makes no sense."""
    rank = os.environ.get("RANK", "")
    return int(rank) if rank.isdecimal() else 0


def in_job() -> bool:
    """Whether other processes run beside this one."""
    return os.environ.get("WORLD_SIZE", "1") != "1"


def keep_for_launcher(error: BaseException) -> None:
    """Where torchrun asks for it, leave the error with its traceback for the summary that it prints."""
    if "TORCHELASTIC_ERROR_FILE" in os.environ:
        from torch.distributed.elastic.multiprocessing.errors import get_error_handler

        get_error_handler().record_exception(error)
