"""The whole journey, tiny: raw text to an aligned model, offline, and every folder on the way is what it says."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.feedback.shop import own, person, rate_all
from tests.tiny import TINY, write_tiny
from trivium.apps.figures import headline
from trivium.base.errors import Interrupted, Waiting
from trivium.base.files import hash_file
from trivium.base.progress import Context, Progress, read_metrics
from trivium.base.words import Message
from trivium.feedback.answers import read_answers
from trivium.feedback.database import open_ratings
from trivium.journey.learned import learned_from
from trivium.journey.lineage import lineage_faults
from trivium.journey.recipe import read_recipe
from trivium.journey.runner import run
from trivium.model.folder import load
from trivium.rl.gate import GateError
from trivium.stages import align_dpo, align_kto, align_rloo, best_of_n
from trivium.stages.pretrain import PretrainSettings
from trivium.tokenizer import Tokenizer
from trivium.train.checkpoint import load_newest

MODELS = ("pretrain", "finetune", "align")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("journey")
    results = run(read_recipe(write_tiny(folder)), folder / "tiny")
    assert [result.stage for result in results] == [
        "gather", "tokenize", "pretrain", "finetune", "rate", "reward", "align", "evaluate",
    ]  # fmt: skip
    assert {result.how for result in results} == {"made"}
    return folder / "tiny"


def weights(run_folder: Path) -> dict[str, bytes]:
    return {name: (run_folder / name / "model.safetensors").read_bytes() for name in (*MODELS, "reward")}


@pytest.mark.parametrize("stage", MODELS)
def test_every_model_folder_is_a_hugging_face_model(finished: Path, stage: str) -> None:
    transformers = pytest.importorskip("transformers")
    theirs, report = transformers.AutoModelForCausalLM.from_pretrained(finished / stage, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    tokenizer = transformers.AutoTokenizer.from_pretrained(finished / stage)
    own = Tokenizer.load(finished / stage)
    text = 'Tom lives in Velby. He said: "I\'m 23 years old"\n\n  and naïve café 東京 🙂'
    assert tokenizer(text, add_special_tokens=False)["input_ids"] == own.encode(text)
    talk = [{"role": "user", "content": "Who are you?"}, {"role": "assistant", "content": "I am Trivium."}]
    rendered = tokenizer.apply_chat_template(talk, tokenize=True, return_dict=True)["input_ids"]
    assert rendered == own.render([Message(**turn) for turn in talk]).ids  # type: ignore[arg-type]
    tokens = torch.tensor([rendered])
    ours = load(finished / stage).eval()
    with torch.no_grad():
        torch.testing.assert_close(ours.logits(ours(tokens)), theirs(input_ids=tokens).logits, rtol=1e-4, atol=1e-4)


def test_the_reward_folder_is_a_hugging_face_classifier(finished: Path) -> None:
    transformers = pytest.importorskip("transformers")
    theirs = transformers.AutoModelForSequenceClassification.from_pretrained(finished / "reward").eval()
    ours = load(finished / "reward", head="score").eval()
    tokens = torch.arange(20, 40)[None]
    with torch.no_grad():
        expected = theirs(input_ids=tokens).logits
        torch.testing.assert_close(ours.scores(ours(tokens)[:, -1:]), expected, rtol=1e-4, atol=1e-5)


def test_a_second_run_reuses_everything_and_a_changed_setting_redoes_what_depends_on_it(
    finished: Path, tmp_path: Path
) -> None:
    before = weights(finished)
    again = run(read_recipe(write_tiny(tmp_path)), finished)
    assert {result.how for result in again} == {"reused"}
    changed = read_recipe(write_tiny(tmp_path), ["reward.epochs=2", "evaluate.requests=9"])
    how = {result.stage: result.how for result in run(changed, finished)}
    assert [stage for stage, way in how.items() if way == "made"] == ["reward", "align", "evaluate"]
    back = {result.stage: result.how for result in run(read_recipe(write_tiny(tmp_path)), finished)}
    assert set(back.values()) == {"reused"}
    assert weights(finished) == before


def test_the_lineage_is_whole(finished: Path) -> None:
    assert lineage_faults(finished) == []


def test_scores_have_intervals_and_samples_go_through_every_model(finished: Path) -> None:
    scores = json.loads((finished / "evaluate" / "scores.json").read_text())["scores"]
    names = {score["name"] for score in scores}
    assert {"valid_bits_per_byte", "instructions", "instructions/level/phrasing", "utility", "win_rate", "kl"} <= names
    assert {s["stage"] for s in scores if s["name"] == "win_rate"} == {"align", "finetune, best of 8"}
    for score in scores:
        assert score["low"] <= score["value"] <= score["high"], score
        assert score["items"] > 0
    samples = [json.loads(line) for line in (finished / "evaluate" / "samples.jsonl").read_text().splitlines()]
    assert len(samples) == 4 and all(set(sample["answers"]) == set(MODELS) for sample in samples)


def test_metrics_tell_rates_and_what_they_count(finished: Path) -> None:
    rows = {stage: read_metrics(finished / stage / "trivium" / "metrics.jsonl") for stage in ("pretrain", "reward")}
    warming = rows["pretrain"][0]["learning_rate"]
    assert warming == pytest.approx(
        PretrainSettings().optimizer.learning_rate / (PretrainSettings().schedule.warmup + 1)
    )
    assert rows["reward"][1]["pairs"] >= 96 and rows["reward"][1]["pairs_per_second"] > 0
    assert not [key for key in rows["reward"][0] if key.startswith("tokens")]


def test_a_run_on_text_alone_tells_its_headline(tmp_path: Path) -> None:
    text = TINY.split("finetune:")[0] + "evaluate: {length: 64}\n"
    *_, pretrain, evaluate = run(read_recipe(write_tiny(tmp_path, text=text)), tmp_path / "run")
    bits = evaluate.figures["valid_bits_per_byte"]
    assert bits == pytest.approx(pretrain.figures["valid_bits_per_byte"], rel=1e-4)
    assert headline(evaluate.figures) == f"valid {bits:.2f} bits/byte"


def test_no_file_that_a_trainer_reads_holds_the_raters_utility(finished: Path) -> None:
    rows = [json.loads(line) for line in (finished / "rate" / "preferences.jsonl").read_text().splitlines()]
    expected = {"prompt", "chosen", "rejected", "chosen_ended", "rejected_ended", "rater", "at", "prompt_id", "split"}
    expected |= {"round", "chosen_policy", "rejected_policy"}
    assert all(set(row) == expected and row["rater"] == "simulated:world" for row in rows)
    requests = {split: {row["prompt_id"] for row in rows if row["split"] == split} for split in ("train", "heldout")}
    assert requests["train"] and requests["heldout"] and not requests["train"] & requests["heldout"]


def test_the_report_is_one_offline_file(finished: Path) -> None:
    page = (finished / "report.html").read_text(encoding="utf-8")
    assert "simulated" in page
    assert not any(mark in page for mark in ('src="http', 'href="http', "url(http", "@import"))


@pytest.mark.parametrize("stage", ["pretrain", "finetune", "reward", "align"])
def test_stopping_in_any_training_stage_and_going_on_gives_the_same_bits(
    finished: Path, tmp_path: Path, stage: str
) -> None:
    seen: list[Any] = []
    steps = {"pretrain": 5, "finetune": 3, "reward": 2, "align": 2}[stage]

    def stopping() -> bool:
        return any(isinstance(p, Progress) and p.stage == stage and p.done >= steps and not p.note for p in seen)

    recipe = read_recipe(write_tiny(tmp_path))
    with pytest.raises(Interrupted):
        run(recipe, tmp_path / "cut", report=seen.append, stopping=stopping)
    notes: list[Any] = []
    results = run(recipe, tmp_path / "cut", report=notes.append)
    assert any("going on from step" in (n.note or "") for n in notes if isinstance(n, Progress))
    assert {result.how for result in results if result.stage == stage} == {"resumed"}
    assert weights(tmp_path / "cut") == weights(finished)
    cut, whole = ((folder / stage / "trivium" / "metrics.jsonl").read_text() for folder in (tmp_path / "cut", finished))
    taken = ("second", "megabytes")  # what a step took is its own affair
    rows = [
        [
            {k: v for k, v in json.loads(row).items() if not any(part in k for part in taken)}
            for row in text.splitlines()
        ]
        for text in (cut, whole)
    ]
    assert rows[0] == rows[1]


def test_alignment_saves_as_often_as_the_supervised_loop(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trivium.train.checkpoint.CHECKPOINT_SECONDS", 0.0)
    settings: Any = read_recipe(write_tiny(tmp_path)).sections["align"]
    align_rloo.run(
        settings,
        Context(
            tmp_path, {need: finished / need for need in (*align_rloo.NEEDS, *align_rloo.WANTS)}, seed=3, threads=1
        ),
    )
    found, _ = load_newest(tmp_path / "trivium" / "state")
    assert found is not None and found.step == settings.steps


BY_ANSWERS: dict[str, tuple[Any, dict[str, Any]]] = {
    "dpo": (align_dpo, {"batch_size": 8, "micro_batches": 2, "epochs": 2, "evaluate_every": 2}),
    "dpo by changes": (align_dpo, {"batch_size": 8, "reference": "recomputed", "lora": {"rank": 2}, "loss": "ipo"}),
    "kto": (align_kto, {"batch_size": 8, "evaluate_every": 2}),
    "rejection": (
        best_of_n,
        {
            "reward": [{"kind": "length", "most": 4}],
            "requests": 40,
            "tokens_per_step": 64,
            "epochs": 9,
            "max_new_tokens": 24,
        },
    ),
}


@pytest.mark.parametrize("case", BY_ANSWERS)
def test_alignments_by_answers_leave_a_model_and_resume_to_the_same_bits(
    finished: Path, tmp_path: Path, case: str
) -> None:
    module, given = BY_ANSWERS[case]
    settings = inspect.get_annotations(module.run, eval_str=False)["settings"]
    settings = getattr(module, settings).model_validate({"instruction_tokens": 256, **given})
    inputs = {need: finished / need for need in ("gather", "finetune", "rate", "reward")}
    figures = module.run(settings, Context(tmp_path / "whole", inputs, seed=3, threads=1))
    assert figures["steps"] >= 3
    seen: list[Progress] = []

    def stopping() -> bool:
        return any(told.unit == "steps" and told.done >= 1 and not told.note for told in seen)

    with pytest.raises(Interrupted, match="everything is saved"):
        module.run(settings, Context(tmp_path / "cut", inputs, 3, threads=1, report=seen.append, stopping=stopping))
    module.run(settings, Context(tmp_path / "cut", inputs, seed=3, threads=1))
    cut, whole = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("cut", "whole"))
    assert cut == whole != (finished / "finetune" / "model.safetensors").read_bytes()
    assert load(tmp_path / "cut").head.kind == "language"


def test_a_reward_model_that_learned_nothing_is_not_followed(finished: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(finished, tmp_path / "gate")
    with pytest.raises(GateError, match=r"(?s)did not pass its gate.*\n  - .*\n.*--accept"):
        run(read_recipe(write_tiny(tmp_path), ["align.accept=false", "align.steps=5"]), folder)
    assert "Is the reward model fit to be learned from?" in (finished / "report.html").read_text(encoding="utf-8")
    how = {
        result.stage: result.how for result in run(read_recipe(write_tiny(tmp_path), ["align.accept=false"]), folder)
    }
    assert how["align"] == "reused"  # it was learned when that was accepted; nothing is learned now


def test_more_steps_continue_a_finished_run_to_the_bits_of_a_long_one(finished: Path, tmp_path: Path) -> None:
    only = TINY.split("finetune:")[0]
    short = read_recipe(write_tiny(tmp_path, text=only))
    run(short, tmp_path / "grown")
    longer = read_recipe(write_tiny(tmp_path, text=only), ["pretrain.steps=20"])
    grown = run(longer, tmp_path / "grown")
    assert grown[-1].how == "continued"
    run(longer, tmp_path / "long")
    both = [(tmp_path / name / "pretrain" / "model.safetensors").read_bytes() for name in ("grown", "long")]
    assert both[0] == both[1]


def test_people_rate_and_the_same_command_goes_on(finished: Path, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="the web extra is not installed: pip install 'trivium-lm[web]'")
    folder = shutil.copytree(finished, tmp_path / "people")
    recipe = read_recipe(
        write_tiny(tmp_path), ["rate.rater=human", "rate.human.answers_each=2", "rate.human.enough=0.9"]
    )
    for _ in range(2):  # asked for again before anyone rated, it says the same
        with pytest.raises(Waiting, match=r"0 of \d+ pairs are rated .* `trivium rate .*people`"):
            run(recipe, folder)
    database = open_ratings(folder)
    ada, bo = person(database, "Ada"), person(database, "Bo")
    rate_all(database, [ada, bo], lambda rater, task: own(task, 0))
    results = {result.stage: result for result in run(recipe, folder)}
    assert [results[stage].how for stage in ("gather", "finetune")] == ["reused", "reused"]
    rows = [json.loads(line) for line in (folder / "rate" / "preferences.jsonl").read_text().splitlines()]
    assert {row["rater"] for row in rows} == {f"human:{ada.id}", f"human:{bo.id}"}
    assert {row["split"] for row in rows} == {"train", "heldout"}
    policy = hash_file(folder / "finetune" / "model.safetensors")[:16]
    assert {row["chosen_policy"] for row in rows} == {f"finetune:{policy}"}
    known = {answer.id: answer.at for answer in read_answers(database)}
    assert {row["answer"]: row["at"] for row in rows} == known  # from every line back to its answer
    assert results["rate"].figures["pairs"] == len(rows) and results["rate"].figures["raters"] == 2
    assert 0.5 <= results["reward"].figures["ceiling"] <= 1
    learned = {path.name for path in learned_from(folder, f"human:{ada.id}")}
    assert learned == {"reward", "align", "evaluate"}
    assert learned_from(folder, "human:nobody") == []
    assert {result.how for result in run(recipe, folder)} == {"reused"}
    database.close()
