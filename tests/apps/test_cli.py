"""The command line: what it prints, its exit codes, Ctrl-C, and that it starts without torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.journey.fake_stages import calls, in_place_of_the_real_ones
from trivium import __version__
from trivium.apps import cli_run
from trivium.apps.cli import PURPOSES, app, main
from trivium.journey import runner
from trivium.journey.graph import STAGES
from trivium.journey.record import read_pending

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "NO_COLOR": "1", "COLUMNS": "80"}


class Shell:
    """A folder in which commands are given, with fake stages; says what each one printed and its exit code."""

    def __init__(self, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.home, self._capsys = home, capsys
        self.out = self.err = ""

    def recipe(self, content: dict[str, Any]) -> None:
        (self.home / "recipe.yaml").write_text(yaml.safe_dump({"name": "first", **content}))

    def __call__(self, *arguments: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        self.out, self.err = self._capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Shell]:
    monkeypatch.setattr(runner, "_write_report", lambda folder: (folder / "report.html").write_text("made"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("TRIVIUM_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path)
    made = Shell(tmp_path, capsys)
    made.recipe({"gather": None, "pretrain": None, "finetune": None})
    with in_place_of_the_real_ones(tmp_path):
        yield made


def python(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=ENVIRONMENT, timeout=60, check=False, **more
    )


def test_help_and_import_need_no_torch_and_little_else() -> None:
    code = "import sys; sys.argv = ['trivium', '--help']\nimport trivium\nfrom trivium.apps.cli import main\n"
    code += "try: main()\nexcept SystemExit as end: print(end.code)\n"
    code += "print(sorted({'torch', 'numpy', 'pydantic', 'trivium'} & set(sys.modules)))"
    told = python("-c", code)
    assert told.returncode == 0, told.stderr
    assert "grammar" in told.stdout
    assert told.stdout.splitlines()[-2] == "0"
    assert told.stdout.splitlines()[-1] == "['trivium']"


def test_reading_a_real_recipe_s_sections_needs_no_torch() -> None:
    code = "import sys\nfrom trivium.journey.graph import STAGES, load_stage\n"
    code += "[load_stage(name) for name in STAGES]\nprint('torch' in sys.modules)"
    told = python("-c", code)
    assert told.stdout == "False\n", told.stderr


def test_the_version(shell: Shell) -> None:
    assert shell("--version") == 0
    assert shell.out == f"trivium {__version__}\n"


def test_every_command_has_help_that_fits_the_screen(shell: Shell) -> None:
    names = [command.name or command.callback.__name__ for command in app.registered_commands if command.callback]
    assert set(PURPOSES) <= {*names, "rate"}  # that word opens the rating page
    for name in [*names, "runs", "rate"]:
        assert shell(name, "--help") == 0
        assert f"trivium {name}" in shell.out
        assert max(len(line) for line in shell.out.splitlines()) <= 80


def test_a_run_tells_its_stages_and_what_to_do_next(shell: Shell) -> None:
    assert shell("run", "recipe.yaml") == 0
    lines = shell.out.splitlines()
    assert lines[0] == "gather: stage 1 of 3 starts"
    assert lines[1].startswith("gather: 0.")
    assert lines[1].endswith("valid 1.23 bits/byte")
    assert "report   runs/first/report.html" in lines
    assert "talk     trivium chat runs/first" in lines
    assert shell("run", "recipe.yaml") == 0
    assert [line.split("  ")[1] for line in shell.out.splitlines()[:3]] == ["reused"] * 3
    assert (shell.home / "runs/first/recipe.yaml").exists()


def test_nobody_is_sent_to_talk_to_models_that_only_read(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cli_run, "only_reads", lambda folder: True)
    assert shell("run", "recipe.yaml") == 0
    assert "report   runs/first/report.html" in shell.out and "trivium chat" not in shell.out


def test_options_reach_the_run(shell: Shell) -> None:
    options = ["--set", "pretrain.steps=4", "--set", "seed=9", "--runs", "other", "--name", "second", "--device", "cpu"]
    assert shell("run", "recipe.yaml", *options, "--threads", "1", "--until", "pretrain") == 0
    made = yaml.safe_load((shell.home / "other/second/recipe.yaml").read_text())
    assert (made["name"], made["seed"], made["device"], made["threads"]) == ("second", 9, "cpu", 1)
    assert calls(shell.home) == ["gather 0-3", "pretrain 0-4"]
    assert shell("run", "recipe.yaml", *options, "--redo", "gather") == 0
    assert calls(shell.home)[0] == "gather 0-3"


def test_a_stage_by_name_runs_what_it_needs_and_redoes_nothing_that_is_current(shell: Shell) -> None:
    assert shell("pretrain", "recipe.yaml") == 0
    assert calls(shell.home) == ["gather 0-3", "pretrain 0-3"]
    assert shell("finetune", "recipe.yaml") == 0
    assert calls(shell.home) == ["finetune 0-3"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run", "none.yaml"], "error: none.yaml: there is no such recipe; `trivium init` writes one\n"),
        (["run", "recipe.yaml", "--set", "pretrain.stesp=3"], "did you mean 'steps'?\n"),
        (["run", "recipe.yaml", "--until", "pretran"], "error: there is no stage 'pretran'; the stages are"),
        (["run", "recipe.yaml", "--redo", "evaluate"], "error: the recipe has no 'evaluate'"),
        (["run", "."], "this is a folder; a recipe is a YAML file"),
        (["evaluate", "recipe.yaml"], "error: the recipe has no 'evaluate'"),
        (["chat", "none"], "error: none: no such run; there is none in runs yet"),
        (["check", "recipe.yaml", "--set", "gather.path=no.txt"], "'gather.path'"),
        (["runs", "verify", "x"], "no such run"),
        (["compare", "x"], "give at least one --prompt"),
        (["compare", "x", "--prompt", "a", "--page", "x.txt"], "x.txt: a page is an HTML file; give a name that ends"),
    ],
)
def test_a_user_s_mistake_is_one_sentence_and_exit_code_2(shell: Shell, arguments: list[str], told: str) -> None:
    assert shell(*arguments) == 2
    assert told in shell.err
    assert "Traceback" not in shell.err
    assert shell.out == ""


@pytest.mark.parametrize(
    "arguments", [["nothing"], ["run"], ["run", "recipe.yaml", "--threads", "-1"], ["run", "--no"]]
)
def test_a_wrong_command_line_is_exit_code_2(shell: Shell, arguments: list[str]) -> None:
    assert shell(*arguments) == 2
    assert "Usage" in shell.err


def test_several_faults_are_a_line_each(shell: Shell) -> None:
    assert shell("run", "recipe.yaml", "--set", "seed=x", "--set", "gather.txt=1") == 2
    assert [line.split(": ")[0] for line in shell.err.splitlines()] == ["error", "error"]


def test_a_failure_of_ours_is_exit_code_1_and_debug_shows_the_traceback(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: Any, context: Any) -> dict[str, Any]:
        raise KeyError("inside")

    monkeypatch.setattr(STAGES["pretrain"], "run", broken)
    broken.__annotations__["settings"] = STAGES["pretrain"].FakePretrainSettings
    assert shell("run", "recipe.yaml") == 1
    assert "error: KeyError: 'inside'" in shell.err
    assert "--debug" in shell.err
    with pytest.raises(KeyError):
        main(["run", "recipe.yaml", "--debug"])
    monkeypatch.setenv("TRIVIUM_DEBUG", "1")
    with pytest.raises(KeyError):
        main(["run", "recipe.yaml"])


def test_a_full_disk_is_a_sentence(shell: Shell) -> None:
    (shell.home / "crash").write_text("pretrain 1")
    assert shell("run", "recipe.yaml") == 2
    assert "the disk is full; free some space and start the same command again" in shell.err


def start(home: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.apps.driver", str(home), *arguments]
    return subprocess.Popen(
        command, cwd=home, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for_state(home: Path, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 30
    while not (home / "runs/first/pretrain/trivium/state/step.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.02)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_saves_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    recipe = {"name": "first", "gather": None, "pretrain": {"steps": 1000, "seconds_per_step": 0.02}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    process = start(tmp_path, "run", "recipe.yaml", "--set", "seed=3")
    wait_for_state(tmp_path, process)
    process.send_signal(number)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "stopping: the stage saves first" in err
    assert "stopped: stopped at step" in err
    assert err.rstrip().endswith("go on: trivium run recipe.yaml --set seed=3")
    assert "Traceback" not in err
    assert read_pending(tmp_path / "runs/first/pretrain")
    done = int((tmp_path / "runs/first/pretrain/trivium/state/step.json").read_text())
    calls(tmp_path)
    faster = ["--set", "pretrain.steps=1000", "--set", "seed=3"]
    assert 0 < done < 1000
    again = start(tmp_path, "run", "recipe.yaml", *faster, "--until", "gather")
    assert "reused" in again.communicate(timeout=30)[0]


def test_the_second_signal_ends_at_once(tmp_path: Path) -> None:
    recipe = {"name": "first", "gather": None, "pretrain": {"steps": 3, "seconds_per_step": 60.0}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    process = start(tmp_path, "run", "recipe.yaml")
    end = time.monotonic() + 30
    while not (tmp_path / "runs/first/pretrain/trivium/pending.json").exists():
        assert time.monotonic() < end
        time.sleep(0.02)
    time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert process.poll() is None, "the first signal must wait for the stage"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert read_pending(tmp_path / "runs/first/pretrain")


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    recipe = {"name": "first", "gather": None, "pretrain": {"steps": 4, "seconds_per_step": 0.4}}
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    process = start(tmp_path, "run", "recipe.yaml")
    wait_for_state(tmp_path, process)
    process.kill()
    process.communicate(timeout=10)
    calls(tmp_path)
    again = start(tmp_path, "run", "recipe.yaml")
    out, err = again.communicate(timeout=30)
    assert again.returncode == 0, err
    assert "pretrain: stage 2 of 2 goes on where it stopped" in out
    (line,) = calls(tmp_path)
    assert line in ("pretrain 1-4", "pretrain 2-4")


def test_the_list_of_runs_and_cleaning(shell: Shell) -> None:
    assert shell("runs", "list") == 0
    assert "there is no run in runs yet" in shell.out
    shell("run", "recipe.yaml")
    shell("run", "recipe.yaml", "--set", "finetune.text=b")
    assert shell("runs", "list") == 0
    assert max(len(line) for line in shell.out.splitlines()) <= 80
    assert "first" in shell.out
    assert "all 3" in shell.out
    assert shell("runs", "clean") == 0
    assert "finetune-" in shell.out
    assert "nothing was deleted; add --yes" in shell.out
    assert list((shell.home / "runs/first/.old").iterdir())
    assert shell("runs", "clean", "--yes") == 0
    assert not list((shell.home / "runs/first/.old").iterdir())
    assert shell("runs", "verify", "first") == 0
    assert "runs/first: intact; 4 entries" in shell.out
    (shell.home / "runs/first/gather/result.txt").write_text("edited")
    assert shell("runs", "verify", "first") == 2
    assert "changed after the stage was finished" in shell.err


def test_a_whole_run_goes_only_after_a_yes(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell("run", "recipe.yaml")
    monkeypatch.setattr("typer.confirm", lambda text: False)
    assert shell("runs", "clean", "--all", "first") == 0
    assert "nothing was deleted" in shell.out
    assert shell("runs", "clean", "--all", "first", "--yes") == 0
    assert not (shell.home / "runs/first").exists()
    (shell.home / "mine").mkdir()
    assert shell("runs", "clean", "--all", "mine", "--yes") == 2
    assert (shell.home / "mine").exists()


def test_check_says_what_would_run(shell: Shell) -> None:
    assert shell("check", "recipe.yaml", "--name", "x") == 0
    assert shell.out == "recipe.yaml: nothing wrong; it runs gather, pretrain, finetune in runs/x\n"
    assert shell("check", "recipe.yaml", "--set", "gather.stps=1", "--set", "finetune.steps=0") == 2
    assert len(shell.err.splitlines()) == 2


def test_the_schema_is_json(shell: Shell) -> None:
    assert shell("schema") == 0
    assert set(json.loads(shell.out)["properties"]) >= {"name", "seed", "gather", "pretrain"}


def test_a_single_prompt_goes_through_the_newest_model(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    class Parrot:
        stage, answers, writes, single = "finetune", True, True, False

        def stream(self, said: list[Any], **sampling: Any) -> list[str]:
            asked.append(sampling["temperature"])
            return ["I heard ", said[-1].content]

    def load(run: Path, stage: str | None, device: str, precision: str) -> Parrot:
        asked.append((run, stage))
        return Parrot()

    monkeypatch.setattr("trivium.journey.assistant.load", load)
    shell("run", "recipe.yaml")
    assert shell("chat", "first", "--prompt", "you", "--stage", "finetune", "--temperature", "0.5") == 0
    assert shell.out == "I heard you\n"
    assert asked == [(Path("runs/first"), "finetune"), 0.5]
    assert shell.err == ""
    shell("pretrain", "recipe.yaml", "--set", "gather.text=new")
    assert shell("chat", "runs/first", "--prompt", "you") == 0
    assert "note: 'finetune' was made before its inputs changed" in shell.err
