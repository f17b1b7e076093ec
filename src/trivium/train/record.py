"""What a training stage tells of each step, and the model folder that it leaves."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from trivium.base.progress import Context, MetricsFile, Progress, read_metrics
from trivium.model.folder import save
from trivium.model.transformer import Transformer
from trivium.tokenizer import Tokenizer
from trivium.train.effort import Effort
from trivium.train.fit import StepRow


class Recorder:
    """Writes a metrics row and reports progress for each step; cuts the metrics back to where training resumed.

    Of several processes the first one does; what the others ask for does nothing."""

    def __init__(self, context: Context, steps: int, unit: str = "tokens") -> None:
        """`unit` is what a step's loss is the mean over; the metrics count it under that name."""
        self.context, self.steps, self.unit = context, steps, unit
        self.path = context.folder / "trivium" / "metrics.jsonl"
        self._file: MetricsFile | None = None
        self._counted = 0.0
        self._origin = (0.0, 0.0)  # counted and seconds at the (re)start

    def write(self, row: StepRow, **more: Any) -> None:
        """`more` are further figures of this step; those that are None are left out."""
        if not self.context.ranks.first:
            return
        if self._file is None:
            self._file = MetricsFile(self.path, keep_until=row.step - 1)
            earlier = read_metrics(self.path)
            if earlier:
                self._counted = earlier[-1][self.unit]
                self._origin = (self._counted, earlier[-1]["seconds"])
        self._counted += row.counted
        speed = (self._counted - self._origin[0]) / max(row.seconds - self._origin[1], 1e-9)
        figures = {key: value for key, value in more.items() if value is not None} | told(row.effort)
        if more:
            figures["seconds_evaluate"] = round(time.perf_counter() - row.effort.at, 4)
        if row.step == 1 and row.effort.muon_share:
            figures["muon_share"] = round(row.effort.muon_share, 4)
        self._file.write(
            **{"step": row.step, self.unit: int(self._counted)},
            seconds=round(row.seconds, 3),
            train_loss=row.loss,
            learning_rate=row.rate,
            gradient_norm=row.gradient_norm,
            **{f"{self.unit}_per_second": round(speed, 1)},
            **figures,
        )
        shown = {"loss": row.loss, f"{self.unit}/s": speed}
        if row.effort.flops:
            shown["GFLOP/s"] = row.effort.flops / sum(row.effort.laps.values()) / 1e9
        self.context.report(Progress(self.context.folder.name, row.step, self.steps, figures=shown))

    def figures(self) -> dict[str, Any]:
        """What was counted, training seconds, those of processors and speed over the whole stage, interruptions included."""
        rows = read_metrics(self.path)
        seconds = rows[-1]["seconds"] if rows else 0.0
        return {
            "steps": rows[-1]["step"] if rows else 0,
            self.unit: int(self._counted),
            "training_seconds": seconds,
            "cpu_seconds": round(sum(row.get("seconds_cpu", 0.0) for row in rows), 3),
            f"{self.unit}_per_second": round(self._counted / max(seconds, 1e-9)),
        }


def told(effort: Effort) -> dict[str, Any]:
    """What a step took, as the metrics hold it."""
    figures: dict[str, Any] = {f"seconds_{name}": round(seconds, 4) for name, seconds in effort.laps.items()}
    if effort.cpu:
        figures["seconds_cpu"] = round(effort.cpu, 4)
    if effort.positions:
        figures["gflops_per_second"] = round(effort.flops / sum(effort.laps.values()) / 1e9, 1)
        figures["supervised_share"] = round(effort.supervised / effort.positions, 4)
        if effort.padding is not None:
            figures["pad_share"] = round(effort.padding / effort.positions, 4)
    if effort.kernels:
        figures["kernels"] = effort.kernels
    if effort.peak_bytes:
        figures["memory_megabytes"] = round(effort.peak_bytes / 1e6)
    return figures


def save_model_folder(model: Transformer | None, tokenizer: Tokenizer, folder: Path) -> None:
    """Write model and tokenizer, such that `transformers` loads the folder as it is; without a model another process does."""
    if model is None:
        return
    model.eval()
    save(model, folder, tokenizer.special_ids())
    tokenizer.save(folder, model.shape.max_positions, types=model.shape.num_segments > 1)
