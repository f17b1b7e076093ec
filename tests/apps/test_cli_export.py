"""`trivium export` writes what it was asked for, and says in one sentence why it does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evaluate.small import causal_reader, tokenizer
from trivium.apps.cli_export import ExportOptions, export
from trivium.base.errors import RunError, UserError
from trivium.train.record import save_model_folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = tokenizer()
    place = tmp_path_factory.mktemp("export") / "model"
    save_model_folder(causal_reader(words).generator.model, words, place)
    return place


def test_a_model_folder_becomes_a_file(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gguf = pytest.importorskip("gguf")
    export(ExportOptions(run=folder, gguf=tmp_path / "model.gguf"))
    assert f"{tmp_path / 'model.gguf'}: " in capsys.readouterr().out
    assert gguf.GGUFReader(tmp_path / "model.gguf").get_field("general.name").contents() == "model"


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({}, "nothing to write; say --gguf FILE"),
        ({"gguf": Path("model.bin")}, "model.bin: the file's name must end in .gguf"),
        ({"onnx": Path("model.bin")}, "model.bin: the file's name must end in .onnx"),
        ({"int8": Path("nowhere/small")}, "nowhere/small: the folder nowhere is not there; make it, or name another"),
        ({"gguf": Path("x.gguf"), "dtype": "int3"}, "the type of a GGUF file is 'int3'; supported: float32, float16"),
    ],
)
def test_what_cannot_be_written_is_said(folder: Path, given: dict[str, Path], sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        export(ExportOptions(run=folder, **given))  # type: ignore[arg-type]


def test_a_run_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such run"):
        export(ExportOptions(run=Path("nowhere"), runs=tmp_path, gguf=tmp_path / "model.gguf"))


def test_fewer_bits_tell_what_they_cost(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torchao")
    (tmp_path / "text.txt").write_text("Anna met a fox.\n\nThe owl sleeps.\n", encoding="utf-8")
    export(ExportOptions(run=folder, int8=tmp_path / "small", text=tmp_path / "text.txt"))
    first, second = capsys.readouterr().out.splitlines()
    made = json.loads((tmp_path / "small" / "quantisation.json").read_text())
    assert (
        first
        == f"{tmp_path / 'small'}: {made['megabytes']:.1f} MB instead of {made['megabytes_before']:.1f} MB, of {folder}"
    )
    assert f"{made['bits_per_byte']['before']['value']:.4f} before" in second and "on 2 texts: a given text" in second
