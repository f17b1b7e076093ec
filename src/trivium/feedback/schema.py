"""The tables of a store of ratings, in the SQL that SQLite and PostgreSQL share.

Answers and audit are only ever added to: an answer that no longer counts has `live` 0, and a row of its own says why
(verdict 'undone' or 'withdrawn', `supersedes`). Texts are JSON in ASCII, so that no character troubles a database.
Of an item `wanted` raters are asked, `answered` of them have answered, `held` have it before them.
"""

from __future__ import annotations

FORMAT = 1

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE IF NOT EXISTS items (
        id TEXT PRIMARY KEY, round INTEGER NOT NULL, number INTEGER NOT NULL, kind TEXT NOT NULL, prompt TEXT NOT NULL,
        responses TEXT NOT NULL, axes TEXT NOT NULL, gold TEXT, details TEXT NOT NULL, priority DOUBLE PRECISION NOT NULL,
        base INTEGER NOT NULL, wanted INTEGER NOT NULL, answered INTEGER NOT NULL DEFAULT 0, held INTEGER NOT NULL DEFAULT 0,
        skipped INTEGER NOT NULL DEFAULT 0, contested INTEGER NOT NULL DEFAULT 0, active INTEGER NOT NULL DEFAULT 1)""",
    "CREATE INDEX IF NOT EXISTS items_in_turn ON items (round, active, contested DESC, priority DESC, number)",
    "DROP INDEX IF EXISTS items_to_do",  # what earlier versions had in its place
    """CREATE TABLE IF NOT EXISTS raters (
        id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, role TEXT NOT NULL, paused TEXT, at TEXT NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS assignments (
        id TEXT PRIMARY KEY, item TEXT NOT NULL REFERENCES items, rater TEXT NOT NULL REFERENCES raters,
        purpose TEXT NOT NULL, shown TEXT NOT NULL, state TEXT NOT NULL, lease DOUBLE PRECISION NOT NULL, at TEXT NOT NULL)""",
    "CREATE INDEX IF NOT EXISTS assignments_of_raters ON assignments (rater, state)",
    "CREATE INDEX IF NOT EXISTS assignments_of_items ON assignments (item, rater)",
    "CREATE INDEX IF NOT EXISTS assignments_by_lease ON assignments (lease) WHERE state = 'open'",
    """CREATE TABLE IF NOT EXISTS answers (
        number SERIAL, id TEXT NOT NULL UNIQUE, assignment TEXT REFERENCES assignments, item TEXT NOT NULL REFERENCES items,
        rater TEXT NOT NULL REFERENCES raters, purpose TEXT NOT NULL, verdict TEXT NOT NULL, category TEXT NOT NULL,
        value TEXT NOT NULL, shown TEXT NOT NULL, correct INTEGER, milliseconds INTEGER, at TEXT NOT NULL,
        live INTEGER NOT NULL, supersedes TEXT)""",
    "CREATE UNIQUE INDEX IF NOT EXISTS answers_once ON answers (assignment) WHERE live = 1 AND assignment IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS answers_of_items ON answers (item, live)",
    "CREATE INDEX IF NOT EXISTS answers_of_raters ON answers (rater, live)",
    """CREATE TABLE IF NOT EXISTS invites (
        hash TEXT PRIMARY KEY, rater TEXT NOT NULL REFERENCES raters, expires DOUBLE PRECISION NOT NULL, used TEXT)""",
    """CREATE TABLE IF NOT EXISTS sessions (
        hash TEXT PRIMARY KEY, rater TEXT NOT NULL REFERENCES raters, csrf TEXT NOT NULL, expires DOUBLE PRECISION NOT NULL)""",
    """CREATE TABLE IF NOT EXISTS audit (
        number SERIAL, at TEXT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, details TEXT NOT NULL)""",
)
TABLES = ("meta", "items", "raters", "assignments", "answers", "invites", "sessions", "audit")
