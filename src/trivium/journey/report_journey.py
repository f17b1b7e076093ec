"""The head of the report: the run in one sentence, its facts, and the journey from raw text to assistant as boxes.

A box is a stage with its seconds and the one figure that says what came out. Stages that are not finished, or that
the recipe names and the run has not come to, are boxes too and say so.
"""

from __future__ import annotations

from dataclasses import dataclass

from trivium.journey.graph import base_of, is_named
from trivium.journey.report_read import Run, Stage
from trivium.journey.report_scores import asked, right_answers, win_rate
from trivium.journey.report_tasks import task_headline
from trivium.journey.report_transfer import transfer_part
from trivium.journey.report_values import count, duration, label, large, moment, number, percent, plain, size
from trivium.journey.report_words import MASKED, PHASES, RATER, STAGE_WORDS, Phase

_STATES = {"unfinished": "not finished yet", "waiting": "still to come"}


@dataclass(frozen=True)
class Box:
    """One stage in the picture. `share` is its part of the whole time, in percent."""

    stage: str
    state: str
    does: str
    figure: str
    unit: str
    time: str
    share: float


@dataclass(frozen=True)
class Group:
    """The boxes of one phase; `art` is empty for what stands beside the phases."""

    art: str
    name: str
    question: str
    boxes: tuple[Box, ...]


@dataclass(frozen=True)
class Head:
    """Title, one-sentence result and facts of the run."""

    title: str
    result: str
    facts: tuple[tuple[str, str], ...]


def head(run: Run) -> Head:
    """The top of the page."""
    return Head(_title(run), _result(run), tuple(_facts(run)))


def journey(run: Run) -> tuple[Group, ...]:
    """The boxes by phase, without the stages that this run does not have."""
    total = _total(run)
    groups = [
        Group(phase.art, phase.name, phase.question, _boxes(run, _stages_of(run, phase.stages), total))
        for phase in phases_of(run)
    ]
    groups.append(Group("", "And in the end", "What was learned?", _boxes(run, ("transfer", "evaluate"), total)))
    return tuple(group for group in groups if group.boxes)


def phases_of(run: Run) -> tuple[Phase, ...]:
    """The three phases, the first as this run's objective has it."""
    return (MASKED if is_masked(run) else PHASES[0], *PHASES[1:])


def is_masked(run: Run) -> bool:
    """Whether the pre-trained model fills gaps, and does not write."""
    return run.stages["pretrain"].facts.settings.get("objective") == "masked"


def _stages_of(run: Run, bases: tuple[str, ...]) -> tuple[str, ...]:
    """The stages of a phase, those that the recipe names itself among them."""
    return tuple(name for name in run.stages if base_of(name) in bases)


def _total(run: Run) -> float:
    return float(sum(stage.facts.seconds or 0 for stage in run.finished))


def _boxes(run: Run, names: tuple[str, ...], total: float) -> tuple[Box, ...]:
    found = []
    for stage in (run.stages[name] for name in names):
        if stage.state == "absent":
            continue
        figure, unit = _headline(run, stage)
        seconds = stage.facts.seconds
        time = _STATES.get(stage.state) or duration(seconds)
        share = 100 * (seconds or 0) / total if total > 0 else 0.0
        found.append(Box(stage.name, stage.state, _words_of(stage.name), figure, unit, time, share))
    return tuple(found)


def _words_of(stage: str) -> str:
    named = label(stage.partition("-")[2])
    if is_named(stage, "align"):
        return f"{STAGE_WORDS['align']}: {named}"
    return STAGE_WORDS.get(stage) or f"learns a task: {named}"


def _title(run: Run) -> str:
    """What was reached; 'assistant' and 'aligned' are said only where the scores show it."""
    done, time = {stage.name for stage in run.finished}, duration(_total(run))
    answers, preferred = right_answers(run, "finetune"), win_rate(run)
    follows = answers is not None and (answers.value or 0) >= 0.5
    if "align" in done:
        better = preferred is not None and (preferred.low or 0) > 0.5
        return f"From raw text {'to an aligned assistant' if follows and better else 'through all three phases'}, in {time}"
    if "finetune" in done:
        return f"From raw text to a model that {'follows' if follows else 'was taught'} instructions, in {time}"
    tasks = _taught(run)
    learned = f"{len(tasks)} tasks" if len(tasks) > 1 else "a task"
    if "pretrain" in done:
        return f"From raw text to {f'a model that learned {learned}' if tasks else 'a language model'}, in {time}"
    return f"A published model learned {learned}, in {time}" if tasks else "A journey that has only begun"


def _taught(run: Run) -> list[Stage]:
    """The finished stages that taught a task."""
    return [stage for stage in run.finished if is_named(stage.name, "finetune")]


def _result(run: Run) -> str:
    said = []
    bits = bits_per_byte(run)
    if bits is not None:
        said.append(f"after pre-training it predicts unseen text at {plain(bits)} bits per byte")
    found = run.stages["pretrain"].figure("masked_accuracy")
    if found is not None:
        said.append(f"after pre-training it finds {percent(found)} of the hidden tokens of unseen text")
    scored = [(label(stage.name.partition("-")[2]), *task_headline(run, stage)) for stage in _taught(run)]
    if told := [f"{figure} {unit} ({name})" for name, figure, unit in scored if figure]:
        said.append(f"on its tasks: {', '.join(told)}")
    answers = right_answers(run, "finetune")
    if answers is not None and answers.value is not None:
        before = right_answers(run, "pretrain")
        was = f" ({percent(before.value)} before)" if before is not None and before.value is not None else ""
        said.append(f"after fine-tuning it is right on {percent(answers.value)} of {asked(run)}{was}")
    wins = win_rate(run)
    if wins is not None and wins.value is not None:
        said.append(
            f"after alignment the {RATER} prefers its answers to the fine-tuned ones in {percent(wins.value)} of pairs"
        )
    parameters = run.stages["pretrain"].figure("parameters")
    model = f"A model of {large(parameters)} parameters" if parameters is not None else "A model"
    if not said and all(stage.state in ("finished", "absent") for stage in run.stages.values()):
        return f"{model}. No stage of its recipe measures what it can do: add 'evaluate', or a task."
    if not said:
        state = "no stage has finished" if not run.finished else f"the newest finished stage is {run.finished[-1].name}"
        return f"There is no score yet: {state}. Start the same command again and the run goes on where it stopped."
    listed = said[0] if len(said) == 1 else "; ".join(said[:-1]) + "; and " + said[-1]
    return f"{model}: {listed}."


def bits_per_byte(run: Run) -> float | None:
    """Bits per byte of the pre-trained model on unseen text, wherever the run tells it."""
    stage = run.stages["pretrain"]
    for value in (stage.figure("valid_bits_per_byte"), stage.last("valid_bits_per_byte")):
        if value is not None:
            return float(value)
    return None


def _facts(run: Run) -> list[tuple[str, str]]:
    newest = max((stage.facts for stage in run.finished), key=lambda facts: facts.finished_at, default=None)
    facts = [("Run", label(run.name))]
    if newest is not None:
        versions = newest.versions
        facts.append(("Finished", moment(newest.finished_at) if newest.finished_at else "not known"))
        facts.append(("Time, all stages", duration(_total(run))))
        facts.append(("Machine", label(versions.get("platform", "not known"))))
        software = [f"{name} {label(versions[key], 24)}" for key, name in _SOFTWARE if key in versions]
        facts.append(("Software", ", ".join(software) or "not known"))
    seeds = {stage.facts.seed for stage in run.finished if stage.facts.seed is not None}
    seed = number(run.recipe.get("seed"))
    facts.append(
        ("Seed", ", ".join(str(value) for value in sorted(seeds)) or ("not known" if seed is None else str(seed)))
    )
    device = run.recipe.get("device")
    if isinstance(device, str):
        facts.append(("Device asked for", label(device)))
    return facts


_SOFTWARE = (("trivium", "Trivium"), ("torch", "PyTorch"), ("python", "Python"))


def _headline(run: Run, stage: Stage) -> tuple[str, str]:
    """(figure, its unit) that says most about a stage; empty where there is none."""
    if not stage.there:
        return "", ""
    if stage.state == "unfinished" and stage.last("step") is not None:
        return count(stage.last("step")), "steps so far"
    of = "align" if is_named(stage.name, "align") else stage.name
    return _HEADLINES.get(of, task_headline)(run, stage)


def _of_gather(run: Run, stage: Stage) -> tuple[str, str]:
    amount = number(run.gather.get("bytes")) or stage.figure("bytes")
    return (size(amount), "of text") if amount is not None else ("", "")


def _of_tokenize(run: Run, stage: Stage) -> tuple[str, str]:
    vocabulary = number(run.tokenize.get("vocab_size")) or stage.figure("vocab_size")
    return (count(vocabulary), "different tokens") if vocabulary is not None else ("", "")


def _of_pretrain(run: Run, stage: Stage) -> tuple[str, str]:
    bits, found = bits_per_byte(run), stage.figure("masked_accuracy")
    if found is not None:
        return percent(found), "hidden tokens found"
    return (plain(bits), "bits per byte") if bits is not None else _loss(stage)


def _of_finetune(run: Run, stage: Stage) -> tuple[str, str]:
    score = right_answers(run, "finetune")
    return (percent(score.value), "right answers") if score is not None and score.value is not None else _loss(stage)


def _of_rate(run: Run, stage: Stage) -> tuple[str, str]:
    amount = sum(run.raters.values()) or stage.figure("pairs")
    return (count(amount), "pairs judged") if amount else ("", "")


def _of_reward(run: Run, stage: Stage) -> tuple[str, str]:
    agreement = reward_accuracy(run)
    return (percent(agreement), "agrees with the rater") if agreement is not None else _loss(stage)


def reward_accuracy(run: Run) -> float | None:
    """How often the reward model agrees with the rater on pairs it has not seen."""
    stage = run.stages["reward"]
    value = stage.figure("heldout_accuracy")
    value = value if value is not None else stage.last("heldout_accuracy")
    return None if value is None else float(value)


def _of_align(run: Run, stage: Stage) -> tuple[str, str]:
    wins = win_rate(run, stage.name)
    if wins is not None and wins.value is not None:
        return percent(wins.value), "of pairs won"
    reward = stage.figure("reward_last")
    return (plain(reward), "reward") if reward is not None else ("", "")


def _of_evaluate(run: Run, stage: Stage) -> tuple[str, str]:
    return (count(len(run.scores)), "scores") if run.scores else ("", "")


def _loss(stage: Stage) -> tuple[str, str]:
    loss = stage.figure("valid_loss") or stage.last("valid_loss", "train_loss")
    return (plain(loss), "loss") if loss is not None else ("", "")


def _of_transfer(run: Run, stage: Stage) -> tuple[str, str]:
    part = transfer_part(run)
    return part.headline if part else ("", "")


_HEADLINES = {
    "gather": _of_gather,
    "tokenize": _of_tokenize,
    "pretrain": _of_pretrain,
    "finetune": _of_finetune,
    "rate": _of_rate,
    "reward": _of_reward,
    "align": _of_align,
    "transfer": _of_transfer,
    "evaluate": _of_evaluate,
}
