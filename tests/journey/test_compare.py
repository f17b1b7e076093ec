"""`compare` gives each model what it was trained on, and tells of the answers only what is so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.journey.fake_run import build_run
from trivium.base.errors import RunError, UserError
from trivium.journey.compare import compare, compare_runs

END_OF_TEXT, END = 0, 2
SAYS = {
    "pretrain": {"What is red?": "and the sea.", "Tell a story.": "", "The dog wagged its": "tail"},
    "finetune": {"What is red?": "apple", "Tell a story.": "A fox."},
    "align": {"What is red?": "apple", "Tell a story.": "A small red fox!"},
}


@dataclass(frozen=True)
class FakeAnswer:
    ids: tuple[int, ...]
    text: str
    ended: bool


@dataclass(frozen=True)
class FakeRendered:
    ids: list[int]


class FakeTokenizer:
    """Characters as tokens, from 10 on; a conversation is told from bare text by its frame of 5 and 6."""

    end_of_text, end_of_turn = END_OF_TEXT, END

    def encode(self, text: str) -> list[int]:
        return [10 + ord(character) for character in text]

    def render(self, messages: Sequence[Any], add_generation_prompt: bool = False) -> FakeRendered:
        assert add_generation_prompt
        assert [message.role for message in messages] == ["user"]
        return FakeRendered([5, *self.encode(messages[0].content), 6])


class FakeGenerator:
    """Says what SAYS has for its stage; remembers what it was asked, in the order in which models were loaded."""

    def __init__(self, stage: str, log: list[tuple[str, list[int]]]) -> None:
        self.stage, self.log, self.tokenizer = stage, log, FakeTokenizer()

    def complete(self, prompts: Sequence[Sequence[int]], **options: Any) -> list[FakeAnswer]:
        assert options == {"max_new_tokens": 64, "temperature": 0.0, "seed": 0}
        answers = []
        for ids in prompts:
            self.log.append((self.stage, list(ids)))
            asked = "".join(chr(token - 10) for token in ids if token >= 10)
            text = SAYS[self.stage][asked.removesuffix("\n")]
            ended = self.stage != "pretrain"
            answers.append(FakeAnswer((*self.tokenizer.encode(text), *((END,) if ended else ())), text, ended))
        return answers

    def log_likelihood(self, prompt: Sequence[int], answer: Sequence[int]) -> float:
        """Minus the answer's length, twice for the models before the last; special tokens are not to be asked for."""
        assert answer
        assert min(answer) >= 10
        assert prompt
        return -float(len(answer)) * (1.0 if self.stage == "align" else 2.0)


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[int]]]:
    """(stage, token ids) of every prompt that a model was given."""
    log: list[tuple[str, list[int]]] = []
    monkeypatch.setattr("trivium.generate.load_generator", lambda folder, device: FakeGenerator(folder.name, log))
    return log


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return build_run(tmp_path / "run", ("gather", "tokenize", "pretrain", "finetune", "rate", "reward", "align"))


def test_every_model_answers_every_prompt_in_the_order_of_the_journey(run: Path, asked: Any) -> None:
    rows = compare(run, ["What is red?", "Tell a story."])
    assert [row.prompt for row in rows] == ["What is red?", "Tell a story."]
    for row in rows:
        assert list(row.answers) == list(row.explanations) == list(row.changes) == ["pretrain", "finetune", "align"]
        assert row.answers == {stage: said[row.prompt] for stage, said in SAYS.items()}


def test_the_pretrained_model_reads_bare_text_and_the_others_a_conversation(run: Path, asked: Any) -> None:
    compare(run, ["What is red?"])
    bare, newline = FakeTokenizer().encode("What is red?"), 10 + ord("\n")
    talk = [5, *bare, 6]
    assert dict(asked) == {"pretrain": [END_OF_TEXT, *bare, newline], "finetune": talk, "align": talk}


def test_an_unfinished_sentence_is_left_open(run: Path, asked: Any) -> None:
    compare(run, ["The dog wagged its "], ["pretrain"])
    assert dict(asked)["pretrain"] == [END_OF_TEXT, *FakeTokenizer().encode("The dog wagged its")]


def test_changes_are_the_figures_of_the_answers(run: Path, asked: Any) -> None:
    changes = compare(run, ["Tell a story."])[0].changes
    newest = len("A small red fox!")
    assert changes["pretrain"] == {"words": 0, "ended": 0, "log_likelihood": 0, "log_likelihood_of_newest": -2 * newest}
    assert changes["finetune"]["words"] == 2
    assert changes["finetune"]["log_likelihood"] == -2 * len("A fox.")
    assert changes["finetune"]["log_likelihood_of_newest"] == -2 * newest
    assert changes["align"]["log_likelihood"] == changes["align"]["log_likelihood_of_newest"] == -newest
    assert changes["align"]["ended"] == 1
    assert changes["align"]["kl"] == -newest - -2 * newest and "kl" not in changes["finetune"]


def test_several_runs_stand_side_by_side(run: Path, tmp_path: Path, asked: Any) -> None:
    other = build_run(tmp_path / "other", ("gather", "tokenize", "pretrain", "finetune"))
    (row,) = compare_runs([run, other], ["What is red?"])
    assert list(row.answers) == ["run/pretrain", "run/finetune", "run/align", "other/pretrain", "other/finetune"]
    assert list(row.answers) == list(row.changes) == list(row.explanations)
    assert [row.changes[f"other/{stage}"]["same"] for stage in ("pretrain", "finetune")] == [1.0, 1.0]
    assert not any("same" in row.changes[f"run/{stage}"] for stage in SAYS)
    with pytest.raises(UserError, match="two runs are called run"):
        compare_runs([run, run], ["What is red?"])


def test_explanations_follow_the_answers(run: Path, asked: Any) -> None:
    question, story = compare(run, ["What is red?", "Tell a story."])
    assert question.explanations["pretrain"].startswith("After pre-training it continues text")
    assert question.explanations["align"] == "Alignment left this answer as it was."
    assert story.explanations["pretrain"] == "It says nothing that can be read."
    assert "with more words (2 before, 4 now)" in story.explanations["align"]


def test_only_the_stages_asked_for_are_loaded(run: Path, asked: Any) -> None:
    rows = compare(run, ["What is red?"], ["finetune", "pretrain"])
    assert list(rows[0].answers) == ["pretrain", "finetune"]
    assert {stage for stage, _ in asked} == {"pretrain", "finetune"}


def test_unfinished_models_are_left_out_unless_asked_for(run: Path, asked: Any) -> None:
    (run / "align" / "trivium" / "stage.json").unlink()
    assert list(compare(run, ["What is red?"])[0].answers) == ["pretrain", "finetune"]
    with pytest.raises(RunError, match="not finished; finished here: pretrain, finetune"):
        compare(run, ["What is red?"], ["align"])


def test_mistakes_are_named(run: Path, tmp_path: Path, asked: Any) -> None:
    with pytest.raises(UserError, match="prompt 2 of 2 is empty"):
        compare(run, ["a", " \n"])
    with pytest.raises(UserError, match=r"stage 'reward' .* pretrain, finetune, align"):
        compare(run, ["a"], ["reward"])
    with pytest.raises(RunError, match="no such run"):
        compare(tmp_path / "absent", ["a"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="no model is finished yet"):
        compare(tmp_path / "empty", ["a"])
