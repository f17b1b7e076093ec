"""The same prompt through every model of a run, or of several: what each phase changed, in answers and in figures.

The pre-trained model is given the bare text, as it was trained; the others are given the conversation. One model is in
memory at a time. Nothing is printed here, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trivium.base.errors import RunError, UserError
from trivium.base.words import Message
from trivium.journey.graph import base_of
from trivium.journey.report_words import Seen, explain
from trivium.journey.runs import models_of, stages_of

if TYPE_CHECKING:
    from trivium.generate import Answer, Generator

BARE_TEXT = "pretrain"  # this model has never seen a conversation


@dataclass(frozen=True)
class Row:
    """One prompt through the models; every mapping is by stage, in the order of the journey.

    `answers` are texts; `explanations` one plain sentence each. `changes` are figures of each answer: "words"; "ended",
    1.0 where the model stopped by itself; "log_likelihood", nats that the model gives its own answer;
    "log_likelihood_of_newest", nats that it gives the answer of the newest stage compared, which shows how that answer
    became likely; "reward", where the run has a reward model; and for the newest, if aligned,
    "kl": how many nats likelier its answer is to it than to the fine-tuned model; of a model of a later run "same", 1.0
    where the first run's model of that stage says the same.
    """

    prompt: str
    answers: Mapping[str, str]
    explanations: Mapping[str, str]
    changes: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class _Said:
    answer: Answer
    own: float
    newest: float
    reward: float | None = None


def compare(
    run_folder: Path,
    prompts: Sequence[str],
    stages: Sequence[str] | None = None,
    *,
    device: str = "auto",
    max_new_tokens: int = 64,
    temperature: float = 0.0,
    seed: int = 0,
) -> list[Row]:
    """A row for each prompt. `stages` are some of pretrain, finetune, align and align-NAME; None for all that are finished.

    `temperature` 0 is greedy. Raises UserError for an empty prompt or an unknown stage, RunError where a stage that was
    asked for has no finished model.
    """
    for number, prompt in enumerate(prompts, 1):
        if not prompt.strip():
            raise UserError(f"prompt {number} of {len(prompts)} is empty; give some text")
    chosen = _choose(run_folder, stages)
    said: dict[str, list[_Said]] = {}
    newest: list[list[int]] = []
    for stage in reversed(chosen):  # the newest answers first: the others are asked how likely they find them
        generator = _load(run_folder / stage, device)
        asked = [_ids(generator, stage, prompt) for prompt in prompts]
        answers = generator.complete(asked, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed)
        spoken = [_spoken(generator, answer) for answer in answers]
        newest = newest or spoken
        said[stage] = [
            _Said(answer, _likelihood(generator, ids, own), _likelihood(generator, ids, last))
            for answer, ids, own, last in zip(answers, asked, spoken, newest, strict=True)
        ]
    if (run_folder / "reward" / "trivium" / "normaliser.json").is_file():
        from trivium.rl.judging import reward_of

        judge = reward_of(run_folder / "reward", device)
        for stage in chosen:
            asked_and_said = [
                ([Message("user", prompt)], one.answer) for prompt, one in zip(prompts, said[stage], strict=True)
            ]
            rewards = judge(asked_and_said)
            said[stage] = [replace(one, reward=value) for one, value in zip(said[stage], rewards, strict=True)]
    return [_row(prompt, {stage: said[stage][number] for stage in chosen}) for number, prompt in enumerate(prompts)]


def compare_runs(
    run_folders: Sequence[Path], prompts: Sequence[str], stages: Sequence[str] | None = None, *, device: str = "auto"
) -> list[Row]:
    """The rows of several runs in one: a model is then called RUN/STAGE. Raises as `compare` does, and UserError where two
    runs have one name."""
    names = [folder.resolve().name for folder in run_folders]
    if len(set(names)) < len(names):
        raise UserError(f"two runs are called {max(names, key=names.count)}; give each once")
    tables = [compare(folder, prompts, stages, device=device) for folder in run_folders]
    if len(tables) == 1:
        return tables[0]

    def joined(rows: Sequence[Row], part: str) -> dict[str, Any]:
        found = zip(names, rows, strict=True)
        return {f"{name}/{stage}": value for name, row in found for stage, value in getattr(row, part).items()}

    tables = [tables[0], *([_beside(*pair) for pair in zip(table, tables[0], strict=True)] for table in tables[1:])]
    return [
        Row(rows[0].prompt, *(joined(rows, part) for part in ("answers", "explanations", "changes")))
        for rows in zip(*tables, strict=True)
    ]


def _beside(row: Row, first: Row) -> Row:
    """The row of a later run, told which of its answers are the first run's."""
    same = {stage: answer.strip() == first.answers.get(stage, "").strip() for stage, answer in row.answers.items()}
    told = {
        stage: {**figures, **({"same": float(same[stage])} if stage in first.answers else {})}
        for stage, figures in row.changes.items()
    }
    return replace(row, changes=told)


def _choose(run_folder: Path, stages: Sequence[str] | None) -> list[str]:
    if not run_folder.is_dir():
        raise RunError(f"{run_folder}: there is no such run; `trivium runs list` shows the runs there are")
    models = models_of(stages_of(run_folder))[::-1]
    there = [name for name in models if (run_folder / name / "trivium" / "stage.json").exists()]
    if not stages:
        if not there:
            raise RunError(f"{run_folder}: no model is finished yet; `trivium run` goes on where the run stopped")
        return there
    for name in stages:
        if name not in models:
            raise UserError(f"stage '{name}' is no stage with a model to talk to; there are: {', '.join(models)}")
        if name not in there:
            raise RunError(f"{run_folder / name}: not finished; finished here: {', '.join(there) or 'none'}")
    return [name for name in models if name in stages]


def _load(folder: Path, device: str) -> Generator:
    from trivium.generate import load_generator

    return load_generator(folder, device=device)


def _ids(generator: Generator, stage: str, prompt: str) -> list[int]:
    from trivium.generate.openings import request_start

    if stage == BARE_TEXT:
        return request_start(generator.tokenizer, prompt)
    return list(generator.tokenizer.render([Message("user", prompt)], add_generation_prompt=True).ids)


def _spoken(generator: Generator, answer: Answer) -> list[int]:
    """The answer's ids without the special tokens that end it: models that end in other ways say the same words."""
    ends = {generator.tokenizer.end_of_turn, generator.tokenizer.end_of_text}
    return [token for token in answer.ids if token not in ends]


def _likelihood(generator: Generator, prompt: Sequence[int], answer: Sequence[int]) -> float:
    return generator.log_likelihood(prompt, answer) if answer else 0.0


def _row(prompt: str, said: Mapping[str, _Said]) -> Row:
    explanations: dict[str, str] = {}
    before: Seen | None = None
    for stage, found in said.items():
        now = Seen(found.answer.text, ended=found.answer.ended)
        explanations[stage] = explain(stage, now, before)
        before = before if base_of(stage) == "align" else now  # each aligned one started from the tuned one
    changes: dict[str, dict[str, float]] = {}
    for stage, found in said.items():
        changes[stage] = {
            "words": float(len(found.answer.text.split())),
            "ended": float(found.answer.ended),
            "log_likelihood": found.own,
            "log_likelihood_of_newest": found.newest,
        }
        if found.reward is not None:
            changes[stage]["reward"] = found.reward
    last = list(said)[-1]
    if base_of(last) == "align" and "finetune" in said:
        changes[last]["kl"] = said[last].own - said["finetune"].newest
    return Row(prompt, {stage: found.answer.text for stage, found in said.items()}, explanations, changes)
