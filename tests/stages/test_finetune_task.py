"""Fine-tuning on tasks, tiny: each kind is learned, batches do not change the gradient, and what is saved is what was trained."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from trivium.base.device import choose_machine
from trivium.base.errors import Interrupted, UserError
from trivium.base.progress import Context
from trivium.data.tasks import read
from trivium.data.tasks.batches import TaskBatches, prepare
from trivium.evaluate.in_context import ask
from trivium.evaluate.prompted import load_prompted
from trivium.evaluate.readers import CausalReader
from trivium.generate.generator import Generator
from trivium.model.architecture import Architecture
from trivium.model.folder import load
from trivium.model.initialise import initialise
from trivium.model.transformer import Transformer
from trivium.predict.predictor import Predictor, load_predictor
from trivium.stages import finetune_task
from trivium.stages.finetune_task import FinetuneTaskSettings
from trivium.task.asking import Asking
from trivium.task.declaration import Task
from trivium.tokenizer import Tokenizer
from trivium.tokenizer import train as train_tokenizer
from trivium.tokenizer.rows import text_rows
from trivium.train.record import save_model_folder
from trivium.train.step import accumulate
from trivium.train.task_step import supervised_weight
from trivium.tune.setup import Setup, make_job, make_model
from trivium.tune.training import train
from trivium.world.documents import documents

for name in ("sklearn", "seqeval", "sklearn_crfsuite", "sacrebleu", "rouge_score"):
    pytest.importorskip(name)

QUICK = {"least_steps": 1, "precision": "float32", "batch_size": 16}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder of random weights: a small decoder, with the tokenizer of the world."""
    folder = tmp_path_factory.mktemp("run") / "pretrain"
    stream = documents(0, "train")
    tokenizer = train_tokenizer((next(stream).text for _ in range(400)), 700)
    shape = Architecture(
        vocab_size=tokenizer.vocab_size, hidden_size=48, num_layers=2, num_heads=2, num_kv_heads=2, head_dim=24,
        intermediate_size=96, max_positions=128,
    )  # fmt: skip
    model = Transformer(shape)
    initialise(model, torch.Generator().manual_seed(1))
    save_model_folder(model, tokenizer, folder)
    return folder


def world(task: str, **more: Any) -> dict[str, Any]:
    return {"data": {"kind": "world", "task": task, "train": 64, "valid": 16, "test": 48}, **more}


def settings(task: dict[str, Any], **more: Any) -> FinetuneTaskSettings:
    return FinetuneTaskSettings.model_validate({"task": task, **QUICK, **more})


def setup_of(base: Path, chosen: FinetuneTaskSettings, names: Sequence[str]) -> Setup:
    assert isinstance(chosen.task, Task)
    machine = choose_machine("cpu", 1, "float32")
    return Setup(chosen, chosen.task, tuple(names), base, Tokenizer.load(base), machine, 0)


def run(base: Path, folder: Path, chosen: FinetuneTaskSettings) -> tuple[dict[str, Any], dict[str, Any]]:
    context = Context(folder=folder, inputs={"pretrain": base}, device="cpu", threads=1)
    figures = finetune_task.run(chosen, context)
    return figures, json.loads((folder / "scores.json").read_text(encoding="utf-8"))


def test_a_classifier_learns_is_measured_beside_baselines_and_is_the_same_when_loaded(
    base: Path, tmp_path: Path
) -> None:
    task = world("sentiment")
    task["data"]["train"] = 300
    chosen = settings(
        task, epochs=6, evaluate_every=20, early_stopping={"monitor": "accuracy", "mode": "max", "patience": 9},
        optimizer={"adam_learning_rate": 0.004}, curve={"sizes": [8], "items": 20},
    )  # fmt: skip
    figures, scores = run(base, tmp_path / "a", chosen)
    assert figures["accuracy"] > scores["scores"]["majority"]["accuracy"]["high"]
    assert set(scores["scores"]) == {"model", "majority", "tfidf_logistic_regression"}
    assert [(row["labels"], row["start"]) for row in scores["curve"]] == [
        (8, "pretrained"), (8, "random"), (300, "random"), (300, "pretrained"),
    ]  # fmt: skip
    config = json.loads((tmp_path / "a" / "config.json").read_text(encoding="utf-8"))
    assert config["id2label"] == {"0": "negative", "1": "neutral", "2": "positive"}
    loaded = load_predictor(tmp_path / "a", "cpu", 1)
    items = read(loaded.task, 0).test
    hits = sum(one.label == item.labels[0] for one, item in zip(loaded.classify(items), items, strict=True))  # type: ignore[arg-type, union-attr]
    assert hits / len(items) == pytest.approx(scores["scores"]["model"]["accuracy"]["value"])
    alone = [loaded.classify([item])[0].probabilities for item in items[:4]]  # type: ignore[list-item]
    together = [one.probabilities for one in loaded.classify(items)[:4]]  # type: ignore[arg-type]
    for one, two in zip(alone, together, strict=True):
        assert one == pytest.approx(two, abs=1e-5)


@pytest.mark.parametrize("spelling", [False, True])
def test_a_tagger_learns_its_items_and_tags_long_texts_whole(base: Path, spelling: bool) -> None:
    task = world("entities", views={"head": {"spelling": spelling, "window_overlap": 8, "dropout": 0.0}})
    chosen = settings(task, epochs=60, length=48, optimizer={"adam_learning_rate": 0.005})
    assert isinstance(chosen.task, Task)
    splits = read(chosen.task, 0)
    setup = setup_of(base, chosen, splits.names)
    items = splits.train[:16]
    model, _ = train(setup, items, Context(folder=base.parent / f"tag{spelling}", inputs={}))
    reader = Predictor(model, setup.tokenizer, chosen.task, setup.machine)
    reader.limit = 48
    told = reader.tag_words([one.words for one in items])  # type: ignore[union-attr]
    words = sum(a == b for one, item in zip(told, items, strict=True) for a, b in zip(one, item.tags, strict=True))  # type: ignore[union-attr]
    assert words / sum(map(len, told)) > 0.97
    long = [word for one in items for word in one.words]  # type: ignore[union-attr]
    assert len(reader.tag_words([long])[0]) == len(long)


@pytest.mark.parametrize("matching", [False, True])
def test_answers_are_found_in_the_context_and_silence_is_learned(base: Path, matching: bool) -> None:
    task = world("questions", views={"head": {"matching": matching, "dropout": 0.0, "window_overlap": 16}})
    chosen = settings(task, epochs=60, optimizer={"adam_learning_rate": 0.005})
    assert isinstance(chosen.task, Task)
    splits = read(chosen.task, 0)
    setup = setup_of(base, chosen, splits.names)
    model, _ = train(setup, splits.train[:32], Context(folder=base.parent / f"span{matching}", inputs={}))
    told = Predictor(model, setup.tokenizer, chosen.task, setup.machine).answer(splits.train[:32])  # type: ignore[arg-type]
    right = [one.answers[0][1] if one.answers else "" for one in splits.train[:32]]  # type: ignore[union-attr]
    assert "" in right
    assert sum(one.text == text for one, text in zip(told, right, strict=True)) >= 28
    for one, item in zip(told, splits.train, strict=False):
        assert item.context[one.start : one.end] == one.text  # type: ignore[union-attr]


def test_a_long_text_is_labelled_by_all_its_windows_and_counts_as_one(base: Path) -> None:
    task = world("sentiment", views={"head": {"windows": True, "dropout": 0.0}})
    chosen = settings(task, epochs=2)
    assert isinstance(chosen.task, Task)
    splits = read(chosen.task, 0)
    setup = setup_of(base, chosen, splits.names)
    items = [replace(item, text=" ".join([item.text] * times)) for times, item in enumerate(splits.train[:8], 1)]  # type: ignore[call-arg, union-attr]
    model, _ = train(setup, items, Context(folder=base.parent / "long", inputs={}))
    reader = Predictor(model, setup.tokenizer, chosen.task, setup.machine)
    assert len(text_rows(setup.tokenizer, items[-1].text, None, reader.limit, windows=True)) > 1  # type: ignore[union-attr]
    cut = Predictor(model, setup.tokenizer, Task.model_validate(world("sentiment")), setup.machine)
    told = reader.logits(items)  # type: ignore[arg-type]
    for item, row in zip(items, told, strict=True):
        windows = text_rows(setup.tokenizer, item.text, None, reader.limit, windows=True)  # type: ignore[union-attr]
        with torch.no_grad():
            alone = [model(torch.tensor([one.ids]))[0, -1] for one in windows]  # this decoder's pooling is "last"
            assert row == pytest.approx(model.told(sum(alone) / len(alone)).numpy(), abs=1e-5)  # type: ignore[arg-type]
    assert abs(told[-1] - cut.logits(items)[-1]).max() > 1e-4  # type: ignore[arg-type]
    lesson = prepare(chosen.task, splits.names, items, setup.tokenizer, reader.limit)
    assert len(lesson.rows) == len(items) and sum(len(one.more) for one in lesson.rows) > 0
    assert not lesson.shortened
    assert "leave length out" in settings(task, length=64).faults(chosen.task)[0]
    pair = {**world("sentiment", views={"head": {"windows": True}}), "columns": {"second": "other"}}
    with pytest.raises(ValidationError, match="two texts of an item are read in one row"):
        Task.model_validate(pair)


@pytest.mark.parametrize("whole", [False, True])
def test_a_text_is_written_until_its_end(base: Path, tmp_path: Path, whole: bool) -> None:
    prompt = {"template": "{source}\n=>", "max_new_tokens": 24, "prefix_attention": whole}
    task = world("headlines", views={"prompt": prompt})
    task["data"]["test"] = 8
    figures, scores = run(base, tmp_path / "w", settings(task, epochs=2))
    assert set(scores["scores"]) == {"model", "lead", "copy"} and "rougeLsum" in figures
    chosen = settings(task, epochs=1)
    setup = setup_of(base, chosen, ())
    job, _ = make_job(setup, read(setup.task, 0).train, make_model(setup))
    ends = 0
    for batch in job.batches(0):
        for row in range(len(batch.tokens)):
            learned = batch.targets[row][batch.weights[row] > 0]
            ends += int(learned[-1] == setup.tokenizer.end_of_text)
            text = setup.tokenizer.decode(batch.tokens[row][: int(batch.weights[row].nonzero()[0]) + 1].tolist())
            assert text.endswith("\n=>")
            if whole:
                seen = torch.arange(batch.tokens.shape[1]) <= int(batch.weights[row].nonzero()[0])
                assert torch.equal(batch.prefix[row], seen)
    assert ends == 16
    assert load_prompted(tmp_path / "w", "cpu", 1).generator.engine.prefix == whole


def test_only_what_writes_reads_its_prompt_whole(base: Path) -> None:
    view = {"template": "{text}\n=>", "prefix_attention": True}
    with pytest.raises(ValidationError, match="only texts are written by it; the kind is classify"):
        Task.model_validate(world("sentiment", views={"prompt": view}))
    task = Task.model_validate(
        world("headlines", views={"prompt": {"template": "{source}\n=>", "prefix_attention": True}})
    )
    model, splits = load(base), read(task, 0)
    reader = CausalReader(Generator(model, Tokenizer.load(base)))
    with pytest.raises(UserError, match="leave it out of a task that is only asked"):
        ask(task, splits.names, reader, splits.train, splits.test, Asking())


@pytest.mark.parametrize(("task", "weighted"), [("sentiment", True), ("entities", False), ("questions", False)])
def test_micro_batches_do_not_change_the_gradient(
    base: Path, task: str, weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = {"head": {"dropout": 0.0, **({"class_weight": "balanced", "label_smoothing": 0.1} if weighted else {})}}
    chosen = settings(world(task, views=views))
    assert isinstance(chosen.task, Task)
    splits = read(chosen.task, 0)
    setup = setup_of(base, chosen, splits.names)
    found = []
    for parts in (1, 4):
        monkeypatch.setattr("trivium.data.tasks.batches.PARTS", parts)
        monkeypatch.setattr("trivium.data.tasks.batches.LEAST_TOKENS", 0)
        model = make_model(setup)
        torch.nn.init.normal_(model.head_out.weight, generator=torch.Generator().manual_seed(0))
        job, _ = make_job(setup, splits.train, model)
        batches = job.batches(0)
        assert len(batches) == parts
        accumulate(model, batches, job.objective, job.count(batches), setup.machine)
        found.append({name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None})
    for name, gradient in found[0].items():
        assert (gradient - found[1][name]).abs().max() <= 1e-5 * max(float(gradient.abs().max()), 1e-2), name


@pytest.mark.parametrize("pooling", ["last", "mean", "cls"])
@pytest.mark.parametrize("kind", ["classify", "multilabel", "regress"])
def test_a_step_of_long_texts_judges_the_mean_of_each_ones_windows(
    base: Path, tmp_path: Path, kind: str, pooling: str
) -> None:
    """Against the slow way: every window alone, the mean of a text's states by hand, one text after the other."""
    label = {"classify": ("a", "b"), "multilabel": (["a"], ["a", "b"]), "regress": (0.5, -2.0)}[kind]
    column = "labels" if kind == "multilabel" else "label"
    lines = [json.dumps({"text": f"the red hen and {n} more " * (3 + 17 * n), column: label[n % 2]}) for n in range(8)]
    (tmp_path / "long.jsonl").write_text("\n".join(lines) + "\n")
    data = {"train": str(tmp_path / "long.jsonl"), "valid": str(tmp_path / "long.jsonl"), "test_share": 0}
    head = {"windows": True, "dropout": 0.0, "pooling": pooling}
    chosen = settings({"kind": kind, "data": data, "views": {"head": head}})
    assert isinstance(chosen.task, Task)
    splits = read(chosen.task, 0)
    setup = setup_of(base, chosen, splits.names)
    model = make_model(setup)
    torch.nn.init.normal_(model.head_out.weight, generator=torch.Generator().manual_seed(0))
    job, _ = make_job(setup, splits.train, model)
    batches = job.batches(0)
    texts = sum(len(batch.weights) for batch in batches)
    windows = sum(len(batch.rows.tokens) for batch in batches)
    assert texts < windows <= 32, "texts with several windows, of about as many rows as the settings ask for (16)"
    fast = accumulate(model, batches, job.objective, job.count(batches), setup.machine).sum()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    losses = []
    for batch in batches:
        rows = batch.rows
        shares = torch.eye(len(rows.tokens)) if batch.shares is None else batch.shares
        for number in range(len(batch.weights)):
            pooled = []
            for row in shares[number].nonzero().flatten().tolist():
                real = slice(None) if rows.real is None else rows.real[row]
                hidden = model(rows.tokens[row][real][None])[0]
                pooled.append({"last": hidden[-1], "mean": hidden.mean(dim=0), "cls": hidden[0]}[pooling])
            outputs, target = model.told(torch.stack(pooled).mean(dim=0)), batch.targets[number]
            match kind:
                case "classify":
                    losses.append(torch.nn.functional.cross_entropy(outputs, target))
                case "multilabel":
                    losses.append(torch.nn.functional.binary_cross_entropy_with_logits(outputs, target))
                case _:
                    losses.append((outputs[0] - target) ** 2)
    slow = torch.stack(losses).mean()
    slow.backward()
    assert fast.item() == pytest.approx(slow.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            limit = 1e-5 * max(float(parameter.grad.abs().max()), 1e-2)
            assert (gradients[name] - parameter.grad).abs().max() <= limit, name


def test_of_a_book_a_step_draws_as_many_windows_as_it_has_rows(base: Path) -> None:
    task = Task.model_validate(world("sentiment", views={"head": {"windows": True}}))
    splits, tokenizer = read(task, 0), Tokenizer.load(base)
    book = replace(splits.train[0], text=" ".join(item.main for item in splits.train[:200]))
    lesson = prepare(task, splits.names, [book, *splits.train[:3]], tokenizer, 64)
    whole = [lesson.rows[0].row, *lesson.rows[0].more]
    assert len(whole) > 12
    told = TaskBatches(task, lesson, tokenizer, 12, 0)
    drawn = [told.drawn(0, step) for step in range(8)]
    for one in drawn:
        windows = [one.row, *one.more]
        assert len(windows) == 12 and windows == [window for window in whole if window in windows], "in their order"
    assert len({one.row for one in drawn}) > 1 and told.drawn(0, 3) == drawn[3], (
        "others each time, the same when resumed"
    )
    assert told.drawn(1, 0) == lesson.rows[1]


def test_one_book_shrinks_no_other_step_and_no_pass_has_many_times_a_step_s_rows(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivium.data.tasks.batches.LEAST_TOKENS", 0)
    task = Task.model_validate(world("sentiment", views={"head": {"windows": True}}))
    splits, tokenizer = read(task, 0), Tokenizer.load(base)
    book = replace(splits.train[0], text=" ".join(item.main for item in splits.train))  # type: ignore[call-arg]
    lesson = prepare(task, splits.names, [book, *splits.train], tokenizer, 128)
    assert len(lesson.rows[0].more) > 16 and not any(one.more for one in lesson.rows[1:])
    assert TaskBatches(task, lesson, tokenizer, 8, 0).size == 7, "of 65 texts, as if the book had 8 rows"
    long = prepare(task, splits.names, [book] * 6 + list(splits.train[:30]), tokenizer, 64)
    told = TaskBatches(task, long, tokenizer, 8, 0)
    for step in range(40):
        batches = told.batches(step)
        assert sum(len(one.weights) for one in batches) == told.size, "every text of the step is in one pass"
        assert max(len(one.rows.tokens) for one in batches) <= 2 * 8


def test_every_word_is_supervised_once_however_it_is_cut(base: Path) -> None:
    task = Task.model_validate(world("entities", views={"head": {"window_overlap": 12}}))
    splits, tokenizer = read(task, 0), Tokenizer.load(base)
    lesson = prepare(task, splits.names, splits.train, tokenizer, 40)
    assert len(lesson.rows) > len(splits.train)
    batches = TaskBatches(task, lesson, tokenizer, len(lesson.rows), 0).batches(0)
    assert supervised_weight(batches) == sum(len(one.words) for one in splits.train)  # type: ignore[union-attr]


def test_labels_in_another_order_change_nothing_but_the_order(base: Path, tmp_path: Path) -> None:
    chosen = settings(world("sentiment"), epochs=3)
    names = ("negative", "neutral", "positive")
    setup = setup_of(base, chosen, names)
    model = make_model(setup)
    torch.nn.init.normal_(model.head_out.weight, generator=torch.Generator().manual_seed(0))
    finetune_task.save(setup, model, tmp_path / "m")
    turned = load(tmp_path / "m", "sequence", names[::-1])
    items = read(setup.task, 0).test
    one = Predictor(model, setup.tokenizer, setup.task, setup.machine).classify(items)  # type: ignore[arg-type]
    two = Predictor(turned, setup.tokenizer, setup.task, setup.machine).classify(items)  # type: ignore[arg-type]
    assert [found.label for found in one] == [found.label for found in two]


def test_the_frozen_body_stays_and_lower_layers_learn_less(base: Path) -> None:
    setup = setup_of(base, settings(world("sentiment"), method="head"), ("negative", "neutral", "positive"))
    frozen = make_model(setup)
    assert [name for name, p in frozen.named_parameters() if p.requires_grad] == ["head_out.weight"]
    slow = replace(setup, settings=settings(world("sentiment"), layer_decay=0.5))
    job, _ = make_job(slow, read(slow.task, 0).train, make_model(slow))
    shares = [
        job.share(name)
        for name in ("embedding.weight", "blocks.0.attention.qkv.weight", "blocks.1.x", "head_out.weight")
    ]
    assert shares == [0.125, 0.25, 0.5, 1.0]


def test_an_interrupted_training_ends_in_the_same_bits(base: Path, tmp_path: Path) -> None:
    """Dropout, order and the looks of early stopping included."""
    stopping = {"monitor": "accuracy", "mode": "max", "patience": 9}
    chosen = settings(world("sentiment"), epochs=4, evaluate_every=4, early_stopping=stopping)
    run(base, tmp_path / "whole", chosen)
    asked = iter(range(1000))
    broken = Context(
        folder=tmp_path / "broken",
        inputs={"pretrain": base},
        device="cpu",
        threads=1,
        stopping=lambda: next(asked) == 5,
    )
    with pytest.raises(Interrupted):
        finetune_task.run(chosen, broken)
    run(base, tmp_path / "broken", chosen)
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "broken"))
    assert one == two
