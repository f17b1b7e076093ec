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
from trivium.stages import finetune, finetune_task
from trivium.stages.finetune import FinetuneSettings
from trivium.stages.finetune_task import FinetuneTaskSettings

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
    assert figures["private_unit"] == "one conversation, with all its copies"
    asked = iter(range(100))
    stopped = Context(folder=tmp_path / "b", inputs=inputs, device="cpu", threads=1, stopping=lambda: next(asked) == 2)
    with pytest.raises(Interrupted):
        finetune.run(settings(), stopped)
    finetune.run(settings(), Context(folder=tmp_path / "b", inputs=inputs, device="cpu", threads=1))
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert one == two
    with pytest.raises(UserError, match="cannot be continued"):
        finetune.run(settings(steps=9), Context(folder=tmp_path / "b", inputs=inputs, device="cpu", threads=1))


def test_copies_count_once_unless_each_is_to_count_alone(inputs: dict[str, Path], tmp_path: Path) -> None:
    """A row that stands there 41 times changes nothing: the model is that of one copy, to the last bit."""
    path = inputs["gather"] / "instructions" / "train.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "instructions").mkdir()
    (tmp_path / "instructions" / "train.jsonl").write_text("".join([*lines, *lines[7:8] * 40]), encoding="utf-8")
    copied = {**inputs, "gather": tmp_path}
    given = [("once", inputs, {}), ("copied", copied, {}), ("apart", copied, {"copies": "apart"})]
    found = {
        name: finetune.run(
            settings(private={"epsilon": None, "noise": 1.0, **more}),
            Context(folder=tmp_path / name, inputs=where, device="cpu", threads=1),
        )
        for name, where, more in given
    }
    weights = {name: (tmp_path / name / "model.safetensors").read_bytes() for name in found}
    assert weights["once"] == weights["copied"] != weights["apart"]
    assert [one["copies_left_out"] for one in found.values()] == [0, 40, 0]
    assert found["copied"]["delta"] == 1 / 600 and found["apart"]["delta"] == 1 / 1000
    assert found["apart"]["private_unit"] == "one row (a conversation)"


def test_it_runs_in_one_process_and_with_adamw(inputs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="private needs adamw"):
        settings(optimizer={"name": "auto"})
    job: Any = None
    context = Context(folder=tmp_path, inputs=inputs, ranks=Ranks(0, 2))
    chosen = settings().private
    assert chosen is not None
    with pytest.raises(UserError, match="one process, not in 2"):
        finetune.made_private(chosen, job, job, context)


TASK = {"data": {"kind": "world", "task": "mail", "train": 60, "valid": 8, "test": 20}}


def task_settings(**more: Any) -> FinetuneTaskSettings:
    given = {
        "task": TASK, "least_steps": 4, "epochs": 1, "batch_size": 10, "precision": "float32",
        "private": {"epsilon": None, "noise": 1.0}, **more,
    }  # fmt: skip
    return FinetuneTaskSettings.model_validate(given)


def test_a_head_for_labels_is_trained_privately_an_item_a_unit(inputs: dict[str, Path], tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    context = Context(folder=tmp_path / "a", inputs=inputs, device="cpu", threads=1)
    figures = finetune_task.run(task_settings(), context)
    assert figures["copies_left_out"] == 2 and figures["delta"] == 1 / 580, "of 60 items two are copies"
    assert figures["private_unit"] == "one labelled text, with all its copies"
    assert figures["epsilon"] > 0
    assert figures["sampling_rate"] == pytest.approx(10 / 58, abs=1e-6) and "accuracy" in figures
    with pytest.raises(UserError, match="cannot be continued"):
        finetune_task.run(task_settings(epochs=2), context)


def test_one_item_moves_the_sum_by_no_more_than_the_clip(inputs: dict[str, Path]) -> None:
    """Without noise the gradient of a step, times its expected size, is a sum of vectors of norm `clip` at most; with a clip so
    small that all reach it, a step of one item has exactly that norm."""
    from dataclasses import replace

    import torch

    from trivium.base.device import choose_machine
    from trivium.data.tasks import read
    from trivium.task.declaration import Task
    from trivium.tokenizer import Tokenizer
    from trivium.train.private import Plan
    from trivium.tune.setup import Setup, make_job, make_model

    task, clip = Task.model_validate(TASK), 1e-3
    splits, machine = read(task, 0), choose_machine("cpu", 1, "float32")
    plan = Plan(rows=60, rate=1.0, steps=4, noise=0.0, clip=clip, delta=1e-3, epsilon=0.0)
    tokenizer = Tokenizer.load(inputs["pretrain"])
    setup = Setup(task_settings(), task, splits.names, inputs["pretrain"], tokenizer, machine, 0, plan)
    model = make_model(setup)
    job, _ = make_job(setup, splits.train, model)
    batches = job.batches(0)
    assert [len(one.weights) for one in batches] == [1] * 60  # rate 1: every item, alone

    def norm(chosen: list[Any]) -> float:
        job.gradient(0)(model, chosen, job.objective, 1.0, machine)
        found = [one.grad for one in model.parameters() if one.grad is not None]
        return float(torch.nn.utils.get_total_norm(found)) * plan.rate * plan.rows

    assert norm(batches[:1]) == pytest.approx(clip, rel=1e-4)
    assert 0 < norm(batches) <= 60 * clip * (1 + 1e-4)
    plain, _ = make_job(replace(setup, private=None), splits.train, model)
    assert len(plain.batches(0)[0].weights) > 1


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ({"data": {"kind": "world", "task": "entities"}}, "this task is of kind tag"),
        ({"data": {"kind": "world", "task": "questions"}}, "of kind answer"),
        ({**TASK, "views": {"head": {"class_weight": "balanced"}}}, "counted from the labels themselves"),
    ],
)
def test_what_a_private_head_cannot_promise_is_refused_beforehand(task: dict[str, Any], told: str) -> None:
    assert any(told in fault for fault in finetune_task.check(task_settings(task=task), {}))
    prompt = {**TASK, "views": {"prompt": {"template": "{text} It is"}}}
    assert "asked in words" in finetune_task.check(task_settings(task=prompt, view="prompt"), {})[0]
    with pytest.raises(ValueError, match="private needs adamw"):
        task_settings(optimizer={"name": "muon"})
    with pytest.raises(ValueError, match="curve trains on the same items again"):
        task_settings(curve={"sizes": [8]})


def test_an_item_of_several_windows_is_one_unit_and_the_plan_says_how_many_steps(inputs: dict[str, Path]) -> None:
    from dataclasses import replace

    from trivium.base.device import choose_machine
    from trivium.data.tasks import read
    from trivium.task.declaration import Task
    from trivium.tokenizer import Tokenizer
    from trivium.train.private import Plan
    from trivium.tune.setup import Setup, make_job, make_model

    task = Task.model_validate({**TASK, "views": {"head": {"windows": True}}})
    splits, machine = read(task, 0), choose_machine("cpu", 1, "float32")
    plan = Plan(rows=60, rate=1.0, steps=7, noise=0.0, clip=1e-3, delta=1e-3, epsilon=0.0)
    long = [replace(item, text=item.text * 40) for item in splits.train]  # type: ignore[call-arg, union-attr]
    tokenizer = Tokenizer.load(inputs["pretrain"])
    setup = Setup(task_settings(), task, splits.names, inputs["pretrain"], tokenizer, machine, 0, plan)
    model = make_model(setup)
    job, _ = make_job(setup, long, model)
    batches = job.batches(0)
    assert job.steps == 7
    assert [len(batch.weights) for batch in batches] == [1] * 60 and all(len(one.rows.tokens) > 1 for one in batches)
    gradient = job.gradient(0)(model, batches[:1], job.objective, 1.0, machine)
    assert gradient.shape == (1,)
    norm = sum(float((p.grad.float() * 60).norm() ** 2) for p in model.parameters() if p.grad is not None) ** 0.5
    assert norm == pytest.approx(1e-3, rel=1e-3), "all its windows together move the sum by the clip, not each of them"
