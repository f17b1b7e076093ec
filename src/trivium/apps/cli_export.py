"""`trivium export RUN`: a model in another form than its folder, which already is a Hugging Face model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from trivium.apps.cli_options import RunName, RunsFolder, StageName
from trivium.base.errors import UserError


@dataclass(frozen=True)
class ExportOptions:
    """What `trivium export` takes."""

    run: RunName
    runs: RunsFolder = Path("runs")
    stage: StageName = None
    gguf: Annotated[Path | None, typer.Option(metavar="FILE", help="Write GGUF, for llama.cpp and Ollama.")] = None
    dtype: Annotated[
        str, typer.Option(metavar="float32|float16", help="What matrices of a GGUF file are written as.")
    ] = "float32"
    onnx: Annotated[Path | None, typer.Option(metavar="FILE", help="Write an encoder as ONNX, for onnxruntime.")] = None
    int8: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write matrices in 8 bits, and measure what that costs.")
    ] = None
    int4: Annotated[Path | None, typer.Option(metavar="FOLDER", help="The same with 4 bits.")] = None
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Text to measure on, instead of the run's held-out text.")
    ] = None


def export(options: ExportOptions) -> None:
    """Write a model for another program: GGUF, ONNX, fewer bits. (A stage's folder is a Hugging Face model as it is.)"""
    if not (options.gguf or options.onnx or options.int8 or options.int4):
        raise UserError(
            "nothing to write; say --gguf FILE, --onnx FILE, --int8 FOLDER or --int4 FOLDER (a stage's folder needs no export "
            "for transformers or vLLM)"
        )
    for path, suffix in ((options.gguf, ".gguf"), (options.onnx, ".onnx")):
        if path is not None and path.suffix != suffix:
            raise UserError(f"{path}: the file's name must end in {suffix}, or other programs will not take it")
    for path in (options.gguf, options.onnx, options.int8, options.int4):
        if path is not None and not path.parent.is_dir():
            raise UserError(f"{path}: the folder {path.parent} is not there; make it, or name another")
    run, folder = _folder(options)
    if options.gguf is not None:
        from trivium.journey.export_gguf import export_gguf

        export_gguf(folder, options.gguf, options.dtype)
        _say(options.gguf, folder)
    if options.onnx is not None:
        from trivium.journey.export_onnx import export_onnx

        export_onnx(folder, options.onnx)
        _say(options.onnx, folder)
    for bits, target in ((8, options.int8), (4, options.int4)):
        if target is not None:
            _quantise(folder, target, bits, options.text or run)


def _folder(options: ExportOptions) -> tuple[Path | None, Path]:
    """The run, where one is named, and the model's folder."""
    from trivium.journey.experts import experts_of
    from trivium.journey.graph import is_named
    from trivium.journey.runs import find_run, is_run, model_of

    if (options.run / "config.json").is_file() and not is_run(options.run):
        return None, options.run
    run, stage = find_run(options.run, options.runs), options.stage
    if stage is not None and is_named(stage, "finetune"):
        tasks = experts_of(run).folders
        if stage.partition("-")[2] in tasks:
            return run, tasks[stage.partition("-")[2]]
    return run, model_of(run, stage)[1]


def _say(file: Path, folder: Path) -> None:
    print(f"{file}: {file.stat().st_size / 1e6:.1f} MB, of {folder}")


def _quantise(folder: Path, target: Path, bits: int, text: Path | None) -> None:
    from trivium.journey.export_torchao import export_torchao

    made = export_torchao(folder, target, bits, text)
    print(f"{target}: {made['megabytes']:.1f} MB instead of {made['megabytes_before']:.1f} MB, of {folder}")
    before, after, more = (made["bits_per_byte"][name] for name in ("before", "after", "added"))
    print(
        f"bits per byte {before['value']:.4f} before, {after['value']:.4f} after: {more['value']:+.4f} "
        f"({more['low']:+.4f} to {more['high']:+.4f}), on {more['items']} texts: {made['measured_on']}"
    )
