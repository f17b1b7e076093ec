"""What a server writes in: bfloat16 where that is faster here or asked for, the same engine's answers either way."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.apps.web.models import serving
from trivium.apps.web.api.stages import Stages
from trivium.base import device
from trivium.base.errors import UserError
from trivium.generate import load_generator
from trivium.generate.engine import Engine, Request
from trivium.generate.openings import document_start
from trivium.generate.sampling import Sampling


@pytest.mark.parametrize(("faster", "dtype"), [(1.1, torch.float32), (3.0, torch.bfloat16)])
def test_auto_is_what_this_machine_is_faster_in(
    run: Path, monkeypatch: pytest.MonkeyPatch, faster: float, dtype: torch.dtype
) -> None:
    asked = []

    def measured(kind: torch.dtype) -> float:
        asked.append(kind)
        return faster if kind == torch.bfloat16 else 1.0

    monkeypatch.setattr(device, "measure_gemm", measured)
    stages = Stages(run, "cpu", 1, "auto")
    assert {stages.writer(name).engine.dtype for name in ("pretrain", "align")} == {dtype}
    assert len(asked) == 2  # once for each type, however many models there are
    assert all(weight.dtype == torch.float32 for weight in stages.writer("align").model.parameters())


def test_a_server_writes_in_what_it_was_told(run: Path) -> None:
    generator = load_generator(run / "pretrain", "cpu", 1)
    request = Request(
        tuple(document_start(generator.tokenizer, "Anna met a")), sampling=Sampling(30, 1.0), seed=5, top=1
    )
    engine = Engine(generator.model, generator.stops, 8, torch.bfloat16)
    session = engine.open()
    (row,) = session.add(request)
    while session.busy:
        session.step()
    how = {"model": "pretrain", "prompt": "Anna met a", "max_tokens": 30, "temperature": 1.0, "seed": 5, "logprobs": 1}
    with serving(run, precision="bfloat16") as server:
        (choice,) = server.client().completions.create(**how).choices
        found = server.site.engine("pretrain")
        assert found is server.site.engine("pretrain") and found.dtype == torch.bfloat16
    ended = row.tokens[-1] in generator.stops
    assert choice.text == generator.tokenizer.decode(row.tokens)
    assert choice.logprobs.token_logprobs == pytest.approx(row.logprobs[: -1 if ended else None], abs=1e-6)


def test_a_precision_that_is_none_is_refused_at_once(run: Path) -> None:
    with pytest.raises(UserError, match="precision is 'int3'; supported: auto, float32, bfloat16"):
        Stages(run, "cpu", 1, "int3")
