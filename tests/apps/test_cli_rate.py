"""`trivium rate ...`: what each command does and says; the server itself, killed in the middle, keeps what it acknowledged."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the web extra is not installed: pip install 'trivium-lm[web]'")

from tests.apps.web.site import Client
from tests.feedback.shop import LEFT, TIE, own, person, rate_all, stock
from trivium.apps.cli import main
from trivium.feedback.answers import read_answers
from trivium.feedback.database import open_ratings

ROOT = Path(__file__).resolve().parents[2]
Shell = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that holds pairs to rate, and nothing else."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "runs" / "mine"
    folder.mkdir(parents=True)
    (folder / "recipe.yaml").write_text("name: mine\nrate: {rater: human}\n")
    (folder / "lineage.json").write_text("[]\n")
    database = open_ratings(folder)
    stock(database, 6)
    database.close()
    return folder


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str]) -> Shell:
    def call(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["rate", *words])
        told = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((told.out + told.err).split())

    return call


def test_status_export_backup_and_withdrawal(run: Path, shell: Shell) -> None:
    assert shell("status", "mine") == (0, "0 of 6 items rated, 0 skipped, 0 answers; the run goes on at 6 items")
    database = open_ratings(run)
    ada = person(database, "Ada")
    rate_all(database, [ada], lambda rater, task: own(task, 0))
    assert "6 of 6 items rated" in shell("status", "mine")[1]
    assert shell("export", "mine", "--form", "trl", "--out", "out.jsonl") == (0, "out.jsonl: 6 lines")
    assert len(Path("out.jsonl").read_text().splitlines()) == 6
    code, told = shell("backup", "mine", "copy.db")
    assert code == 0 and "copy.db: 6 items, 6 rows of answers, 1 raters" in told
    assert shell("status", "mine", "--database", "sqlite:///copy.db")[1].startswith("6 of 6")
    assert "is there already" in shell("backup", "mine", "copy.db")[1]
    answer = read_answers(database)[0]
    code, told = shell("trace", "mine", answer.id)
    assert (
        code == 0
        and told.count("human:") == 1
        and told.startswith(f"{answer.id} {answer.at} human:{ada.id}: prefer between")
    )
    assert "between new and old" in told and told.endswith("nothing learned from that yet")
    assert shell("trace", "mine", "Ada")[1].count(f"human:{ada.id}: prefer") == 6
    assert shell("trace", "mine", "Eve") == (2, "error: there is no rater 'Eve'; there are: Ada")
    code, told = shell("withdraw", "mine", "Ada")
    assert code == 0 and told.startswith("6 answers of Ada no longer count")
    assert read_answers(database) == []
    assert shell("withdraw", "mine", "Eve") == (2, "error: there is no rater 'Eve'; there are: Ada")


def test_files_come_in_and_bad_ones_are_told(run: Path, shell: Shell) -> None:
    Path("in.jsonl").write_text(json.dumps({"prompt": "q", "chosen": "a", "rejected": "b"}) + "\n")
    assert shell("import", "mine", "in.jsonl", "--as", "answers") == (0, "in.jsonl: 1 new")
    Path("bad.jsonl").write_text("{}\n")
    assert shell("import", "mine", "bad.jsonl")[1].startswith("error: bad.jsonl:1: field 'prompt'")
    assert "one of items, gold, answers" in shell("import", "mine", "in.jsonl", "--as", "gould")[1]
    assert shell("import", "mine", "nowhere.jsonl")[0] == 2
    assert "choose preferences, trl" in shell("export", "mine", "--form", "csv")[1]
    assert "no such run; did you mean 'mine'?" in shell("status", "mime")[1]


def test_the_terminal_rates_from_a_pipe(run: Path, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = iter(["2", "t", "q"])
    monkeypatch.setattr("builtins.input", lambda prompt: next(lines))
    code, told = shell("mine", "--terminal", "--name", "Ada")
    assert code == 0 and "2 answers given; they are kept" in told
    assert [one.judgement.verdict for one in read_answers(open_ratings(run))] == ["prefer", "tie"]


def test_other_machines_are_let_in_only_by_name(run: Path, shell: Shell) -> None:
    assert "say with --address" in shell("mine", "--host", "0.0.0.0", "--port", "0")[1]
    assert "one of owner, reviewer, rater" in shell("invite", "mine", "Ada", "--role", "king")[1]


def test_a_killed_server_has_kept_what_it_acknowledged_and_goes_on(run: Path, shell: Shell) -> None:
    database = open_ratings(run)
    stock(database, 200)
    command = [sys.executable, "-m", "trivium", "rate", str(run), "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    cookie, csrf, sent = "", "", []
    for number in range(2):
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        assert process.stdout is not None
        try:
            shown = process.stdout.readline() + process.stdout.readline()
            found = re.search(r"http://127.0.0.1:(\d+)/join#(\S+)", shown)
            assert found, shown
            client = Client(int(found.group(1)), cookie, csrf)
            if number == 0:
                client.sign_in(found.group(2))
            ready = time.monotonic() + 20
            while time.monotonic() < ready:
                with contextlib.suppress(OSError):
                    client.get("/api/me")
                    break
            for task in client.post("/api/take", {"count": 12})["tasks"]:
                name = f"answer-{task['id']}"
                client.post("/api/answer", {"id": name, "task": task["id"], "judgement": (LEFT, TIE)[number]})
                sent.append(name)
            cookie, csrf = client.cookie, client.csrf
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
    assert len(sent) == 24
    assert sorted(answer.id for answer in read_answers(database)) == sorted(sent)
    database.close()
