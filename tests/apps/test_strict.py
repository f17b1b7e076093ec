"""`--strict`: the first row that cannot be read ends a run that would otherwise count it and go on."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from trivium.apps.cli import app
from trivium.base.errors import DataError


def test_strict_stops_where_a_run_would_count_and_go_on(tmp_path: Path) -> None:
    rows = [json.dumps({"text": f"Row {number} of the file."}) for number in range(40)]
    (tmp_path / "t.jsonl").write_text("\n".join([*rows[:20], '{"text": ', *rows[20:]]))
    (tmp_path / "r.yaml").write_text("gather:\n  sources: [{kind: files, path: t.jsonl}]\n  valid_share: 0.3\n")
    command = ["run", str(tmp_path / "r.yaml"), "--runs", str(tmp_path / "runs")]
    stopped = CliRunner().invoke(app, [*command, "--strict"])
    assert isinstance(stopped.exception, DataError) and "t.jsonl:21: not JSON" in str(stopped.exception)
    assert CliRunner().invoke(app, command).exit_code == 0
    facts = json.loads((tmp_path / "runs/r/gather/gather.json").read_text())
    assert facts["documents"] == 40 and facts["dropped"] == {"rows that could not be read": 1}
