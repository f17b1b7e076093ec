"""`trivium serve` as a process: what it refuses to do, what it says, and that a polite kill finishes what runs."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="the web extra is not installed: pip install 'trivium-lm[web]'")

import openai

from tests.apps.web.models import make_run
from trivium.apps.cli import main

ROOT = Path(__file__).resolve().parents[2]
Shell = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "small")


@pytest.fixture
def shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.delenv("TRIVIUM_TOKEN", raising=False)

    def call(*words: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["serve", *words])
        told = capsys.readouterr()
        return int(ended.value.code or 0), " ".join((told.out + told.err).split())

    return call


def test_other_machines_are_let_in_with_a_token_only(run: Path, shell: Shell, tmp_path: Path) -> None:
    code, told = shell(str(run), "--host", "0.0.0.0")
    assert code == 2 and "--host 0.0.0.0 lets other machines in; set the environment's TRIVIUM_TOKEN" in told
    code, told = shell(str(run), "--host", "0.0.0.0", "--token", "short")
    assert code == 2 and "the token is too short or not plain ASCII; give at least 16 characters" in told
    code, told = shell("nothing", "--runs", str(tmp_path))
    assert code == 2 and "nothing: no such run" in told
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "recipe.yaml").write_text("name: empty\n")
    (empty / "lineage.json").write_text("[]\n")
    code, told = shell(str(empty))
    assert code == 2 and "no stage has ended in a model that can be served yet; run its recipe first" in told


def test_a_polite_kill_finishes_what_runs_and_ends_well(run: Path) -> None:
    words = ["serve", str(run), "--port", "0", "--threads", "1", "--device", "cpu"]
    process = subprocess.Popen(
        [sys.executable, "-m", "trivium", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert process.stdout is not None
    try:
        said, deadline = b"", time.monotonic() + 60
        while b"Ctrl-C" not in said:
            assert select.select([process.stdout], [], [], max(0.0, deadline - time.monotonic()))[0], said.decode()
            said += os.read(process.stdout.fileno(), 4096)
        found = re.search(r"API\s+(\S+)\s+models: pretrain, align, finetune-", said.decode())
        assert found is not None, said.decode()
        client = openai.OpenAI(base_url=found[1], api_key="none", max_retries=0, timeout=30)
        pieces = client.completions.create(
            model="align", prompt="Anna", stream=True, max_tokens=150, seed=1, stream_options={"include_usage": True}
        )
        first = next(iter(pieces))
        process.send_signal(signal.SIGTERM)
        *_, last = pieces
        assert first.choices and last.usage is not None and last.usage.completion_tokens > 1
        assert process.wait(30) == 0
        assert b"Traceback" not in process.stdout.read()
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
