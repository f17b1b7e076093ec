"""The doctor names what is there and what is missing, with the line that mends it."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest

from trivium.apps.doctor import EXTRAS, attention_told, estimates, examine, findings, memory_bytes


def test_every_extra_is_one_that_pip_knows_and_the_other_way_round() -> None:
    content = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = content["project"]["optional-dependencies"]
    assert set(EXTRAS) == set(extras) - {"dev"}
    for extra, (module, _) in EXTRAS.items():
        assert any(line.startswith(module) for line in extras[extra])


def test_missing_parts_are_told_with_their_pip_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec

    def without(name: str, *more: Any) -> Any:
        return None if name in ("matplotlib", "torch") else find(name, *more)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    told = {name: (ok, text) for ok, name, text in findings(tmp_path)}
    assert told["report"] == (False, "for charts in the report: pip install 'trivium-lm[report]'")
    assert not told["torch"][0]
    assert "pip install torch" in told["torch"][1]
    assert told["cores"][0] in (True, False)


def test_memory_is_that_of_the_machine() -> None:
    lines = Path("/proc/meminfo").read_text().splitlines() if Path("/proc/meminfo").exists() else []
    if not lines:
        pytest.skip("no /proc/meminfo here")
    assert memory_bytes() == pytest.approx(int(lines[0].split()[1]) * 1024, rel=0.01)


def test_estimates_are_operations_by_operations_a_token() -> None:
    slow, fast = (list(estimates(flops)) for flops in (1e9, 1e12))
    assert [name for name, _ in slow] == [name for name, _ in fast]
    weights = 12 * 768 * (4 * 768 + 3 * 3072) + 50257 * 768
    assert slow[2][1].startswith(f"about {1e9 / (6 * weights + 12 * 12 * 768 * 256):.3g} tokens/s")
    assert "tokens take" in fast[0][1]


def test_it_prints_without_failing(capsys: pytest.CaptureFixture[str]) -> None:
    examine()
    out = capsys.readouterr().out
    for word in ("trivium", "cores", "memory", "GFLOP/s", "tokens/s"):
        assert word in out


def test_a_gpus_kernels_for_attention_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from trivium.model import kernels

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    monkeypatch.setattr(kernels, "measured", lambda *sizes: {"cudnn": 0.5, "flash": 0.75})
    told = attention_told(torch.device("cuda"))
    assert told.startswith("attention on the GPU by cudnn; measured") and "cudnn 0.50, flash 0.75" in told
    assert told.endswith("kept apart by FlashAttention over documents (torch.nn.attention.varlen)")
