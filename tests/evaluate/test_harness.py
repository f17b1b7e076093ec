"""lm-evaluation-harness on our models gives what our own scorer gives, to the last digit, on local tasks, without a network."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.evaluate.small import causal_reader, masked_reader, tokenizer
from trivium.base.errors import UserError
from trivium.evaluate.harness import run_harness
from trivium.evaluate.in_context import ask
from trivium.evaluate.readers import Question
from trivium.evaluate.shots import Form, draws
from trivium.generate.openings import document_start
from trivium.task.asking import Asking
from trivium.task.declaration import Task
from trivium.task.items import Chosen

pytest.importorskip("lm_eval")
pytestmark = pytest.mark.filterwarnings("ignore")  # the harness's libraries warn
WORDS = (
    "horse",
    "red apple",
    "river",
    "window",
    "letter",
    "garden",
    "bread",
    "stone",
    "bird",
    "market",
    "door",
    "lamp",
)
TEMPLATE = "A {question} and a"
LOCAL = """
task: local_choice
dataset_path: json
dataset_kwargs: {{data_files: {{train: {folder}/train.jsonl, test: {folder}/test.jsonl}}}}
output_type: multiple_choice
test_split: test
fewshot_split: train
fewshot_config: {{sampler: first_n}}
doc_to_text: "A {{{{question}}}} and a"
doc_to_choice: "{{{{options}}}}"
doc_to_target: "{{{{answer}}}}"
metric_list: [{{metric: acc}}, {{metric: acc_norm}}]
"""
ROLLING = """
task: local_text
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/test.jsonl}}}}
output_type: loglikelihood_rolling
test_split: test
doc_to_text: ""
doc_to_target: "{{{{question}}}}"
metric_list: [{{metric: bits_per_byte}}]
"""
WRITTEN = """
task: local_written
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/test.jsonl}}}}
output_type: generate_until
test_split: test
doc_to_text: "A {{{{question}}}} and a"
doc_to_target: "x"
generation_kwargs: {{until: ["."], max_gen_toks: 4, do_sample: false}}
metric_list: [{{metric: exact_match}}]
"""


def chosen(number: int, start: int = 0) -> list[Chosen]:
    return [
        Chosen(
            f"{WORDS[n % 12]} {n}", (WORDS[(n + 1) % 12], WORDS[(n + 5) % 12], WORDS[(n * 7 + 2) % 12] + " tree"), n % 3
        )
        for n in range(start, start + number)
    ]


def write(path: Path, items: list[Chosen]) -> None:
    rows = [{"question": one.question, "options": one.options, "answer": one.right} for one in items]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("local")
    for name, text in (("choice", LOCAL), ("text", ROLLING), ("written", WRITTEN)):
        (folder / f"{name}.yaml").write_text(text.format(folder=folder), encoding="utf-8")
    write(folder / "test.jsonl", chosen(24))
    return folder


@pytest.mark.parametrize("shots", [0, 3])
def test_our_scores_are_the_harness_s(
    folder: Path, shots: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    reader = causal_reader(tokenizer())
    task = Task.model_validate({"kind": "choose", "data": {"train": "x"}, "views": {"prompt": {"template": TEMPLATE}}})
    pool = chosen(3, 100)
    own = ask(task, (), reader, pool, chosen(24), Asking(shots=(shots,), seeds=1)).points[0].scores
    (draw,) = draws(Form(task, (), "prompt"), pool, shots, 1)
    write(folder / "train.jsonl", [one for one in draw.shots if isinstance(one, Chosen)] or pool)
    found = run_harness(reader, ["local_choice"], shots=shots, include=folder)["local_choice"]
    assert found["items"] == own["sum"].items == 24
    assert found["acc"] == own["sum"].value
    assert found["acc_norm"] == own["per_character"].value


def test_rolling_likelihood_and_written_texts(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    reader = causal_reader(tokenizer())
    found = run_harness(reader, ["local_text", "local_written"], include=folder)
    texts = [one.question for one in chosen(24)]
    generator = reader.generator
    nats = sum(
        generator.log_likelihood(document_start(generator.tokenizer, ""), generator.tokenizer.encode(text))
        for text in texts
    )
    size = sum(len(text.encode()) for text in texts)
    assert found["local_text"]["bits_per_byte"] == pytest.approx(-nats / size / 0.6931471805599453, rel=1e-6)
    assert found["local_written"]["exact_match"] == 0.0


def test_a_masked_model_runs_under_the_harness(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    reader = masked_reader(tokenizer(masked=True))
    found = run_harness(reader, ["local_choice"], shots=0, include=folder)["local_choice"]
    right = 0
    for item in chosen(24):
        told = reader.judge([Question(f"A {item.question} and a", tuple(f" {one}" for one in item.options))])[0]
        right += max(range(3), key=lambda n: told[n].total) == item.right
    assert found["acc"] == right / 24


@pytest.mark.slow
def test_what_is_not_there_is_told(folder: Path) -> None:
    with pytest.raises(UserError, match="no task no_such_task"):
        run_harness(causal_reader(tokenizer()), ["no_such_task"], include=folder)
