"""A copy of everything in one file, while raters go on: of SQLite and of PostgreSQL alike, one state of all tables.

The copy is itself a SQLite store: `trivium rate RUN --database sqlite:///COPY` opens it, and put in the place of a damaged
ratings.db it is that.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from trivium.base.errors import RunError
from trivium.base.files import explain_os_error
from trivium.feedback.database import Database
from trivium.feedback.schema import TABLES

AT_ONCE = 1000  # rows


def back_up(database: Database, target: Path) -> dict[str, int]:
    """Write the copy, whole or not at all. Returns the rows of each table. Raises RunError where the file is there."""
    if target.exists():
        raise RunError(f"{target}: is there already; choose another name")
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    counts = {}
    try:
        copy = Database(part)
        with database.reading() as source, copy.writing() as goal:
            goal.change("DELETE FROM meta")
            for table in TABLES:
                rows = source.rows(f"SELECT * FROM {table}")
                counts[table] = len(rows)
                for start in range(0, len(rows), AT_ONCE):
                    columns = list(rows[0])
                    places = ", ".join(f":{column}" for column in columns)
                    goal.add(
                        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})", rows[start : start + AT_ONCE]
                    )
        with copy.engine.connect() as connection:
            connection.exec_driver_sql("COMMIT")  # a checkpoint is no transaction
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        copy.close()
        os.replace(part, target)
    except OSError as error:
        raise explain_os_error(error, target) from error
    finally:
        for path in part.parent.glob(f"{part.name}*"):
            with contextlib.suppress(OSError):
                path.unlink()
    return counts
