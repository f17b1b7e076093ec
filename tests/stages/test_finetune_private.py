"""Fine-tuning with differential privacy, tiny: what it records, that it resumes to the same bits, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.reference.folders import small_decoder
from trivium.base.errors import Interrupted, UserError
from trivium.base.progress import Context
from trivium.base.ranks import Ranks
from trivium.stages import finetune
from trivium.stages.finetune import FinetuneSettings

pytest.importorskip("opacus")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("run")
    rows = [
        {"messages": [{"role": "user", "content": f"Say {number}"}, {"role": "assistant", "content": f"{number}!"}]}
        for number in range(60)
    ]
    (folder / "gather" / "instructions").mkdir(parents=True)
    path = folder / "gather" / "instructions" / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return {"gather": folder / "gather", "pretrain": small_decoder(folder / "pretrain")}


def settings(**more: Any) -> FinetuneSettings:
    given = {
        "steps": 6, "tokens_per_step": 64, "precision": "float32", "optimizer": {"name": "adamw"},
        "private": {"epsilon": None, "noise": 1.0}, **more,
    }  # fmt: skip
    return FinetuneSettings.model_validate(given)


def test_it_records_what_it_spent_and_resumes_to_the_same_bits(inputs: dict[str, Path], tmp_path: Path) -> None:
    figures = finetune.run(settings(), Context(folder=tmp_path / "a", inputs=inputs, device="cpu", threads=1))
    assert figures["epsilon"] > 0 and figures["delta"] == 1 / 600 and figures["noise"] == 1.0
    assert figures["private_unit"] == "one row (a conversation)"
    asked = iter(range(100))
    stopped = Context(folder=tmp_path / "b", inputs=inputs, device="cpu", threads=1, stopping=lambda: next(asked) == 2)
    with pytest.raises(Interrupted):
        finetune.run(settings(), stopped)
    finetune.run(settings(), Context(folder=tmp_path / "b", inputs=inputs, device="cpu", threads=1))
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert one == two
    with pytest.raises(UserError, match="cannot be continued"):
        finetune.run(settings(steps=9), Context(folder=tmp_path / "b", inputs=inputs, device="cpu", threads=1))


def test_it_runs_in_one_process_and_with_adamw(inputs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="private needs adamw"):
        settings(optimizer={"name": "auto"})
    job: Any = None
    context = Context(folder=tmp_path, inputs=inputs, ranks=Ranks(0, 2))
    chosen = settings().private
    assert chosen is not None
    with pytest.raises(UserError, match="one process, not in 2"):
        finetune.made_private(chosen, job, job, context)
