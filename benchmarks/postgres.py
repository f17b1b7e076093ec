"""A PostgreSQL server for one test or benchmark: Debian's package, a fresh folder, no network, gone afterwards.

Listens on a socket in its own folder alone. PostgreSQL refuses to run as root; then it runs as the package's user.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

PLACES = Path("/usr/lib/postgresql")
USER = "postgres"


def find() -> tuple[Path | None, str]:
    """The folder of the newest installed server's programs, or None and why there is none to start."""
    folders = sorted(PLACES.glob("*/bin"), key=lambda path: float(path.parent.name)) if PLACES.is_dir() else []
    found = [folder for folder in folders if (folder / "initdb").exists() and (folder / "pg_ctl").exists()]
    if not found:
        return None, "there is no PostgreSQL here; on Debian: apt install postgresql"
    if os.geteuid() == 0 and not (shutil.which("runuser") and _has_user()):
        return None, f"PostgreSQL does not run as root, and there is no user {USER} to run it as"
    return found[-1], ""


def _has_user() -> bool:
    import pwd

    with contextlib.suppress(KeyError):
        pwd.getpwnam(USER)
        return True
    return False


@contextlib.contextmanager
def server(programs: Path, *, durable: bool = False) -> Iterator[str]:
    """The address of a database for the length of the block. `durable`: commits wait for the disk, as they should."""
    folder = Path(tempfile.mkdtemp(prefix="trivium-pg-"))
    as_user = ["runuser", "-u", USER, "--"] if os.geteuid() == 0 else []
    if as_user:
        shutil.chown(folder, USER)
    sync = "on" if durable else "off"
    options = f"-k {folder} -c listen_addresses= -c fsync={sync} -c max_connections=60"

    def call(*command: str) -> None:
        # Not captured through a pipe: the server would inherit it and keep it open.
        with open(folder / "calls.log", "ab") as log:
            subprocess.run([*as_user, *command], check=True, stdout=log, stderr=log, cwd=folder, timeout=60)

    try:
        call(str(programs / "initdb"), "-D", f"{folder}/data", "-U", USER, "-A", "trust", "-N", "-E", "UTF8")
        start = ("-D", f"{folder}/data", "-w", "-l", f"{folder}/server.log", "-o", options, "start")
        call(str(programs / "pg_ctl"), *start)
        try:
            yield f"postgresql://{USER}@/postgres?host={folder}"
        finally:
            call(str(programs / "pg_ctl"), "-D", f"{folder}/data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
