"""Files that are whole or absent, and their hashes.

`write_atomic` and `write_json` write beside the target, flush to the disk and rename, so a reader and a crash see
the old file or the new one. `replacing_folder` does the same for a folder. `hold_lock` keeps two processes off one folder.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trivium.base.errors import RunError

CHUNK = 1 << 20


def explain_os_error(error: OSError, path: Path) -> RunError:
    """What the operating system said about `path`, as a sentence with the next action."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return RunError(
            f"{path}: the disk is full; free some space and start the same command again, nothing that was finished is lost"
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return RunError(
            f"{path}: cannot be written ({error.strerror}); make the folder writable or choose another with --runs"
        )
    return RunError(f"{path}: {error.strerror or error}")


def write_atomic(path: Path, content: bytes | str) -> None:
    """Write `content` to `path`, whole or not at all."""
    data = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise explain_os_error(error, path) from error


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, keys in their given order."""
    write_atomic(path, json.dumps(content, indent=2, ensure_ascii=False, default=str) + "\n")


def read_json(path: Path, mend: str = "run the stage that writes it again") -> Any:
    """The content of a JSON file. Raises RunError, with how to `mend` it, where it is missing or damaged."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunError(f"{path}: missing; {mend}") from None
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: damaged ({error}); delete it and {mend}") from None


def write_jsonl(path: Path, rows: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> int:
    """Write one JSON object a line, streaming, whole or not at all. Returns the number of lines."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    count = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "w", encoding="utf-8") as file:
            for row in rows:
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise explain_os_error(error, path) from error
    return count


def read_jsonl(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSONL file that Trivium wrote. Raises RunError with the line that is damaged."""
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except ValueError as error:
                        raise RunError(
                            f"{path}:{number}: damaged line ({error}); run the stage that writes it again"
                        ) from None
    except FileNotFoundError:
        raise RunError(f"{path}: missing; run the stage that writes it again") from None


@contextlib.contextmanager
def replacing_folder(target: Path) -> Iterator[Path]:
    """A fresh folder to fill; when the block ends without an error it takes the place of `target`."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for path in sorted(temporary.rglob("*")):
            if path.is_file():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
        old = target.with_name(f".{target.name}.{os.getpid()}.old")
        if target.exists():
            os.replace(target, old)
        os.replace(temporary, target)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise explain_os_error(error, target) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def hash_bytes(data: bytes) -> str:
    """SHA-256 in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def hash_json(content: Any) -> str:
    """SHA-256 of the canonical JSON form of `content`: sorted keys, no spaces. A file's name may be no UTF-8."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hash_bytes(text.encode("utf-8", "surrogatepass"))


def hash_file(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@contextlib.contextmanager
def hold_lock(folder: Path) -> Iterator[None]:
    """Hold `folder`/.lock for the length of the block. Raises RunError, naming the process, where another holds it."""
    path = folder / ".lock"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - closed below; the lock lives as long as it is open
    except OSError as error:
        raise explain_os_error(error, folder) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            raise RunError(
                f"{folder}: in use by another process ({holder}); wait for it, stop it, or choose another run name"
            ) from None
        file.seek(0)
        file.truncate()
        file.write(f"pid {os.getpid()}")
        file.flush()
        yield
