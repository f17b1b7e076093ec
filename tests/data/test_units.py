"""Units of work: the same bytes for any workers, any size of unit and after any kill; only what changed is done again."""

from __future__ import annotations

import itertools
import json
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from trivium.base.config import validate
from trivium.base.errors import DataError, UserError
from trivium.base.progress import Context
from trivium.data import unit as unit_module
from trivium.data import units as units_module
from trivium.data.prepare import StepSettings
from trivium.data.sources.files import FilesSource
from trivium.data.units import Plan, Work, do_unit, is_done, make_plan, work, write_plan
from trivium.stages.gather import GatherSettings, run

SRC = Path(__file__).resolve().parents[2] / "src"
STEPS = {
    "private": {"find": ["email", "ip", "card"]},
    "duplicates": {"near": True, "paragraphs": True, "least_paragraph": 20},
    "quality": {"drop": "dialogue"},
}


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of two kinds, with duplicates of every sort between them."""
    folder = tmp_path_factory.mktemp("texts")
    draw = random.Random(0)
    words = [f"word{number}" for number in range(900)]
    known = [" ".join(draw.choice(words) for _ in range(60)) for _ in range(30)]
    for name in ("a.jsonl", "b.jsonl", "sub/c.jsonl"):
        (folder / name).parent.mkdir(exist_ok=True)
        rows = []
        for number in range(120):
            text = "\n\n".join([" ".join(draw.choice(words) for _ in range(50)), draw.choice(known)])
            rows.append({"text": text if number % 7 else draw.choice(known) + f" mail{number}@post.org"})
        (folder / name).write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[3], {"text": "short"}]))
    (folder / "d.md").write_text("# Title\n\n" + known[0])
    return folder


def gathered(texts: Path, out: Path, **settings: Any) -> dict[str, bytes]:
    content = {"sources": [{"kind": "files", "path": str(texts), "split": "documents"}], **STEPS, **settings}
    run(validate(GatherSettings, content, "recipe"), Context(out, {}))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.jsonl"))}


def test_workers_and_the_size_of_units_change_nothing(
    tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivium.data.pool.WORTH_A_PROCESS", 0)
    whole = gathered(texts, tmp_path / "1", workers=1)
    account = [json.loads(line) for line in whole["steps/documents.jsonl"].splitlines()]
    fates = {row["dropped"] for row in account}
    assert {None, "exact duplicate (documents)", "near duplicate", "quality (dialogue): words"} <= fates
    assert any("paragraphs_taken_out" in row for row in account) and any("private" in row for row in account)
    monkeypatch.setattr("trivium.stages.gather.UNIT_BYTES", 20_000)
    for workers in (2, 7):
        assert gathered(texts, tmp_path / str(workers), workers=workers) == whole


def plan_of(texts: Path, unit_bytes: int, **settings: Any) -> Plan:
    steps = StepSettings.model_validate({**STEPS, **settings})
    return make_plan(Work([FilesSource(path=texts)], ["texts"], steps, unit_bytes=unit_bytes))


def test_a_large_file_is_cut_at_lines_and_nothing_is_lost(texts: Path) -> None:
    plan = plan_of(texts, 20_000)
    parts = [span.part for unit in plan.units for span in unit.spans if span.path.name == "a.jsonl" and span.part]
    data = (texts / "a.jsonl").read_bytes()
    assert len(parts) > 2 and parts[0][0] == 0 and parts[-1][1] == len(data)
    for (_, end, before), (start, _, after) in itertools.pairwise(parts):
        assert end == start and data[end - 1 : end] == b"\n" and after > before
        assert after == data[:start].count(b"\n")


def test_only_what_changed_has_another_key(tmp_path: Path, texts: Path) -> None:
    before = plan_of(texts, 20_000)
    assert plan_of(texts, 20_000) == before
    other = {unit.key for unit in plan_of(texts, 20_000, private={"find": ["email"]}).units}
    assert not other & {unit.key for unit in before.units}
    copy = tmp_path / texts.name
    shutil.copytree(texts, copy)
    with open(copy / "b.jsonl", "a") as file:
        file.write('{"text": "one more"}\n')
    after = plan_of(copy, 20_000)
    new = [unit for unit in after.units if unit.key not in {unit.key for unit in before.units}]
    assert [span.path.name for unit in new for span in unit.spans] == ["b.jsonl"]


@pytest.mark.slow
def test_kills_leave_nothing_half_done(tmp_path: Path, texts: Path) -> None:
    plan = plan_of(texts, 8_000)
    for folder in ("killed", "whole"):
        (tmp_path / folder).mkdir()
        write_plan(plan, tmp_path / folder)
    draw = random.Random(1)
    there = str(tmp_path / "killed")
    code = f"import sys; sys.path.insert(0, {str(SRC)!r}); from trivium.data.units import work; work({there!r})"
    for _ in range(20):
        process = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(draw.uniform(0.2, 0.6))
        process.send_signal(signal.SIGKILL)
        process.wait()
    work(tmp_path / "killed")
    work(tmp_path / "whole")
    for unit in plan.units:
        assert is_done(unit, tmp_path / "killed")
        for name in ("rows.jsonl", "signatures.bin", "facts.json"):
            one, other = (tmp_path / folder / unit.key / name for folder in ("killed", "whole"))
            assert one.read_bytes() == other.read_bytes()


def test_a_unit_underway_counts_the_files_that_are_read(
    tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(texts, 1 << 30)
    unit = plan.units[0]
    seen = []
    before = unit_module.prepare

    def prepare(*given: Any) -> Any:
        seen.append(units_module.underway(unit, tmp_path))
        return before(*given)

    monkeypatch.setattr(unit_module, "prepare", prepare)
    assert units_module.underway(unit, tmp_path) == 0
    assert do_unit(plan, 0, tmp_path)
    sizes = [span.path.stat().st_size for span in unit.spans]
    assert sorted(set(seen)) == [sum(sizes[:count]) for count in range(len(sizes))]
    assert units_module.underway(unit, tmp_path) == 0 and not (tmp_path / unit.key / units_module.READ).exists()


def test_a_unit_that_another_worker_holds_is_left_to_it(tmp_path: Path, texts: Path) -> None:
    plan = plan_of(texts, 1 << 30)
    with units_module._held(tmp_path / f".{plan.units[0].key}.lock") as is_ours:
        assert is_ours and not do_unit(plan, 0, tmp_path)
    assert do_unit(plan, 0, tmp_path) and not do_unit(plan, 0, tmp_path)


def test_strict_stops_at_the_first_fault_in_a_worker_too(
    tmp_path: Path, texts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivium.data.pool.WORTH_A_PROCESS", 0)
    (tmp_path / "a.jsonl").write_text('{"text": "fine"}\n{"text": \n' + '{"text": "fine too"}\n' * 9)
    (tmp_path / "b.jsonl").write_text('{"text": "others"}\n' * 9)
    source = {"kind": "files", "path": str(tmp_path / "*.jsonl")}
    for workers in (1, 2):
        with pytest.raises(DataError, match=r"a\.jsonl:2: not JSON"):
            settings = validate(GatherSettings, {"sources": [source], "strict": True, "workers": workers}, "recipe")
            run(settings, Context(tmp_path / "out", {}))


@pytest.mark.parametrize("executor", ["datatrove", "ray"])
def test_other_executors_give_the_same_bytes(tmp_path: Path, texts: Path, executor: str) -> None:
    pytest.importorskip(executor)
    assert gathered(texts, tmp_path / "other", executor=executor, workers=2) == gathered(
        texts, tmp_path / "own", workers=1
    )


def test_a_later_corpus_is_compared_with_an_earlier_one(tmp_path: Path, texts: Path) -> None:
    duplicates = {"near": True, "keep_index": True}
    first = gathered(texts, tmp_path / "first", duplicates=duplicates)
    kept = json.loads((tmp_path / "first/index/index.json").read_text())["documents"]
    assert kept == sum(first[f"documents/{split}.jsonl"].count(b"\n") for split in ("train", "valid"))
    rows = [json.loads(line) for line in first["documents/train.jsonl"].splitlines()[:40]]
    changed = [{"text": row["text"].replace("word1", "worm1", 1)} for row in rows[20:]]
    many = [{"text": " ".join(f"new{number}x{word}" for word in range(40))} for number in range(60)]
    (tmp_path / "later.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows[:20], *changed, *many]))
    against = {"near": True, "similarity": 0.6, "against": [str(tmp_path / "first/index")]}
    second = gathered(tmp_path / "later.jsonl", tmp_path / "second", duplicates=against, quality={"report": []})
    account = [json.loads(line) for line in second["steps/documents.jsonl"].splitlines()]
    assert [row["dropped"] for row in account[:20]] == ["exact duplicate (documents)"] * 20
    near = [row for row in account[20:40] if row["dropped"] == "near duplicate"]
    assert len(near) >= 14 and {row["nearly"] for row in near} == {"a document of an earlier corpus"}
    assert account[40]["dropped"] is None


def test_an_index_of_other_settings_is_refused(tmp_path: Path, texts: Path) -> None:
    gathered(texts, tmp_path / "first", duplicates={"near": True, "keep_index": True})
    against = [str(tmp_path / "first/index")]
    with pytest.raises(UserError, match="made with another functions"):
        gathered(texts, tmp_path / "second", duplicates={"near": True, "bands": 7, "against": against})
    gathered(texts, tmp_path / "plain", duplicates={"keep_index": True})
    with pytest.raises(UserError, match="made with another near"):
        gathered(texts, tmp_path / "third", duplicates={"near": True, "against": [str(tmp_path / "plain/index")]})
