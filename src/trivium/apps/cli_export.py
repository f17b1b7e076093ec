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
    dtype: Annotated[str, typer.Option(metavar="float32|float16", help="What matrices are written as.")] = "float32"


def export(options: ExportOptions) -> None:
    """Write a model for another program: GGUF. (A stage's folder is a Hugging Face model as it is.)"""
    from trivium.journey.export_gguf import export_gguf
    from trivium.journey.runs import find_run, is_run, model_of

    if options.gguf is None:
        raise UserError("nothing to write; say --gguf FILE (a stage's folder needs no export for transformers or vLLM)")
    if options.gguf.suffix != ".gguf":
        raise UserError(f"{options.gguf}: the file's name must end in .gguf, or other programs will not take it")
    alone = (options.run / "config.json").is_file() and not is_run(options.run)
    folder = options.run if alone else model_of(find_run(options.run, options.runs), options.stage)[1]
    export_gguf(folder, options.gguf, options.dtype)
    print(f"{options.gguf}: {options.gguf.stat().st_size / 1e6:.1f} MB, of {folder}")
