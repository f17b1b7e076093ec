"""A model's card: README.md in its folder as Hugging Face reads it, with data, recipe, scores with intervals, and limits.

It tells what the run's files tell and no more; what was not measured is said to be not measured. Written again whenever
the run has something new to tell.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from trivium.base.files import write_atomic
from trivium.journey.graph import base_of
from trivium.journey.hashes import MODEL_CARD
from trivium.journey.report_read import Reader, Run, Score, Stage, read_run
from trivium.journey.report_scores import BIAS, LEVELS, MEMORY, SHOTS, measure
from trivium.journey.report_shots import how_asked
from trivium.journey.report_values import count, label, large, number, plain, reach, size

PIPELINES = {
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForMaskedLM": "fill-mask",
    "ForPreTraining": "fill-mask",
    "ForSequenceClassification": "text-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
}
TAUGHT = {
    "pretrain": "It was pre-trained on text: it goes on with a text (or fills its gaps) and does not answer.",
    "finetune": "It was pre-trained and then fine-tuned on instructions: it answers requests in the chat template.",
    "reward": "It judges answers: one number for a conversation, higher where the rater would prefer it.",
    "align": "It was pre-trained, fine-tuned on instructions, and aligned with a rater's preferences.",
}
UNTOLD = "license not told"
MOST_SOURCES = 30
USE = """```python
from transformers import {auto}, AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained("{name}")  # this folder
model = {auto}.from_pretrained("{name}")
{more}```"""
ANSWER = """asked = [{"role": "user", "content": "What is the opposite of hot?"}]
ids = tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
print(tokenizer.decode(model.generate(**ids, max_new_tokens=64)[0]))
"""


def write_model_cards(run_folder: Path) -> list[Path]:
    """Write the card of every finished model of a run, and return the files."""
    run = read_run(run_folder)
    written = []
    for stage in run.finished:
        folder = run_folder / stage.name
        if (folder / "config.json").is_file():
            write_atomic(folder / MODEL_CARD, render(run, stage))
            written.append(folder / MODEL_CARD)
    return written


def render(run: Run, stage: Stage) -> str:
    """The card of one model: the metadata block, and sections in Markdown."""
    scores = _scores(run, stage.name)
    plainly = [one for one in scores if measure(one)[0] not in BIAS | MEMORY]
    metadata = yaml.safe_dump(_metadata(run, stage, scores), sort_keys=False, allow_unicode=True, width=120)
    parts = [
        f"# {label(run.name)}: {stage.name}",
        _about(run, stage),
        "## How to use it",
        _use(run, stage),
        "## How it was made",
        _recipe(run, stage),
        "## Data",
        "\n".join(_data(run)),
        "## Scores",
        _table(plainly) if plainly else "Not measured.",
        "## Bias",
        _measured([one for one in scores if measure(one)[0] in BIAS]),
        "## Privacy",
        "\n\n".join((*_private(stage), _measured(_memory(run, stage.name)))),
        "## Limits",
        "\n".join(f"- {one}" for one in _limits(run, stage)),
    ]
    return f"---\n{metadata}---\n\n" + "\n\n".join(parts) + "\n"


def _config(run: Run, stage: str) -> Mapping[str, Any]:
    return Reader(run.folder).mapping(run.folder / stage / "config.json")


def _metadata(run: Run, stage: Stage, scores: Sequence[Score]) -> dict[str, Any]:
    classes = _config(run, stage.name).get("architectures") or [""]
    pipeline = next((task for end, task in PIPELINES.items() if str(classes[0]).endswith(end)), None)
    found: dict[str, Any] = {"library_name": "transformers", "tags": ["trivium", base_of(stage.name)]}
    if pipeline:
        found["pipeline_tag"] = pipeline
    licenses = sorted({_license(one) or UNTOLD for one in _sources(run)})
    if len(licenses) == 1 and licenses[0] != UNTOLD:
        found["license"] = "other" if " " in licenses[0] else licenses[0].lower()
        if found["license"] == "other":
            found["license_name"] = licenses[0]
    results = [
        {
            "task": {"type": pipeline or "other"},
            "dataset": {"name": "held-out data of the run", "type": "trivium"},
            "metrics": [{"type": one.name, "value": one.value, "name": one.name}],
        }
        for one in scores
        if one.value is not None and "/" not in one.name
    ]
    if results:
        found["model-index"] = [{"name": f"{run.name}-{stage.name}", "results": results}]
    return found


def _about(run: Run, stage: Stage) -> str:
    name = base_of(stage.name)
    taught = TAUGHT.get(stage.name, "")
    if name == "finetune" and name != stage.name:
        taught = f"It was pre-trained and then fine-tuned on the task '{label(stage.name.partition('-')[2])}'."
    config = _config(run, stage.name)
    parameters = run.stages["pretrain"].figure("parameters") if "pretrain" in run.stages else None
    shape = [f"{large(parameters)} parameters"] if parameters is not None else []
    shape += [f"{count(config[key])} {said}" for key, said in _SHAPE if number(config.get(key)) is not None]
    family = f" of the form {label(config['model_type'])}" if config.get("model_type") else ""
    return f"A language model{family}: {', '.join(shape)}. {taught}" if shape else f"A language model{family}. {taught}"


def _use(run: Run, stage: Stage) -> str:
    """How `transformers` loads it; of one that answers in conversations also how it is asked."""
    classes = _config(run, stage.name).get("architectures") or [""]
    auto = next((f"AutoModel{end}" for end in PIPELINES if str(classes[0]).endswith(end)), "AutoModel")
    auto = "AutoModelForCausalLM" if auto == "AutoModelLMHeadModel" else auto
    answers = stage.name == "finetune" or base_of(stage.name) == "align"
    return USE.format(auto=auto, name=stage.name, more=ANSWER if answers else "")


_SHAPE = (
    ("num_hidden_layers", "layers"),
    ("hidden_size", "wide"),
    ("vocab_size", "tokens"),
    ("max_position_embeddings", "positions"),
)


def _recipe(run: Run, stage: Stage) -> str:
    facts = stage.facts
    made = [f"Stage `{stage.name}` of the run `{label(run.name)}`, made by Trivium"]
    versions = [
        f"{name} {label(facts.versions[name], 24)}" for name in ("trivium", "torch", "python") if name in facts.versions
    ]
    if versions:
        made[0] += f" ({', '.join(versions)})"
    if facts.seed is not None:
        made.append(f"seed {facts.seed}")
    if facts.finished_at:
        made.append(f"finished {label(facts.finished_at)}")
    told = {stage.name: _without_folders(facts.settings)}
    settings = yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=100)
    return ", ".join(made) + ".\n\n```yaml\n" + settings.replace("```", "'''") + "```"


def _without_folders(value: Any) -> Any:
    """Settings with every absolute path cut to its last name: where the files of this machine lie is nobody's business."""
    if isinstance(value, Mapping):
        return {key: _without_folders(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_folders(one) for one in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _sources(run: Run) -> list[dict[str, Any]]:
    sources = run.gather.get("sources")
    listed = sources.items() if isinstance(sources, Mapping) else ()
    return [{"name": name, **facts} for name, facts in listed if isinstance(facts, Mapping)][:MOST_SOURCES]


def _license(source: Mapping[str, Any]) -> str | None:
    """The licence of a source of texts; None where nobody told it."""
    license = source.get("license")
    return None if license in (None, "unknown") else str(license)


def _data(run: Run) -> Iterator[str]:
    content = run.gather
    if not content:
        yield "What it was trained on is not told in this run."
        return
    amount = number(reach(content, "train.bytes"))
    documents = number(reach(content, "train.documents"))
    if documents is not None:
        text = f" ({size(amount)} of text)" if amount is not None else ""
        yield f"- {count(documents)} documents to train on{text}, and {count(reach(content, 'valid.documents'))} held out"
    for key, said in (("instructions", "instructions, the held-out ones included"), ("prompts", "open requests")):
        if number(content.get(key)):
            yield f"- {count(content[key])} {said}"
    for one in _sources(run):
        license = label(_license(one) or UNTOLD)
        where = {"world": "the built-in world, written by a program, "}.get(str(one.get("kind")), "")
        if one.get("dataset"):
            where = f"`{label(one['dataset'])}` on the hub, at `{label(one.get('revision'))}`, "
        yield f"- source `{label(one['name'])}`: {where}{license}"
    planted = reach(run.recipe, "gather.canaries")
    if isinstance(planted, Mapping) and isinstance(planted.get("copies"), list) and planted["copies"]:
        copies = ", ".join(count(one) for one in planted["copies"])
        place = label(planted.get("into", "documents"))
        yield (
            f"- planted on purpose: made-up secrets in its {place} ({copies} copies each), to measure what it "
            "remembers: a model that is given away should have none"
        )
    dropped = content.get("dropped")
    if isinstance(dropped, Mapping):
        told = [f"{label(reason)} {count(times)}" for reason, times in dropped.items() if number(times)]
        if told:
            yield f"- left out: {', '.join(told)}"


def _scores(run: Run, stage: str) -> list[Score]:
    """The scores of this stage's model, but not by family; those of a task's own test items where it was taught one."""
    own = [one for one in run.scores if one.stage == stage and "/family/" not in one.name]
    content = run.tasks.get(stage)
    table = reach(content, "scores.model") if content else None
    if isinstance(table, Mapping):
        for name, estimate in table.items():
            if isinstance(estimate, Mapping):
                values = {key: number(estimate.get(key)) for key in ("value", "low", "high")}
                items = number(estimate.get("items"))
                note = f"on {label(content.get('measured_on', 'held-out'))} items" if content else ""
                own.append(
                    Score(name=str(name), stage=stage, items=None if items is None else int(items), note=note, **values)
                )
    return own


def _table(scores: Sequence[Score]) -> str:
    lines = ["| score | value | 95% interval | items | what it is |", "|---|---|---|---|---|"]
    for one in scores:
        interval = f"{plain(one.low)} to {plain(one.high)}" if one.low is not None and one.high is not None else ""
        value = f"{plain(one.value)} {label(one.unit) if one.unit != 'share' else ''}".strip()
        cells = (label(one.name), value, interval, count(one.items), _what(one))
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return "\n".join(lines)


def _what(score: Score) -> str:
    """What a score is, in words: its note, or what its group is."""
    _, kind, name = measure(score)
    note = how_asked(score.note) if score.name.startswith(f"{SHOTS}/") else label(score.note, 160)
    return note or (LEVELS.get(name, "") if kind == "level" else "")


def _memory(run: Run, stage: str) -> list[Score]:
    """What was measured of this model's memory, by copies and controls too: alone neither says anything."""
    return [one for one in run.scores if one.stage == stage and measure(one)[0] in MEMORY]


def _private(stage: Stage) -> Iterator[str]:
    """What the guarantee of a private training rests on."""
    told = stage.facts.figures
    epsilon, delta = number(told.get("epsilon")), number(told.get("delta"))
    if epsilon is not None and delta is not None:
        unit = label(told.get("private_unit", "one row"))
        yield (
            f"This training was private: epsilon {plain(epsilon)} at delta {delta:.1e}, the unit being {unit}. What the model "
            "had read before is outside of it."
        )


def _measured(found: Sequence[Score]) -> str:
    return (
        _table(found)
        if found
        else "Not measured in this run. Nothing is known about it, which does not mean that there is none."
    )


def _limits(run: Run, stage: Stage) -> Iterator[str]:
    parameters = run.stages["pretrain"].figure("parameters") if "pretrain" in run.stages else None
    if parameters is not None and parameters < 1e8:
        yield f"It is small ({large(parameters)} parameters): it knows little beyond what its training text says often."
    if any(one.get("kind") == "world" for one in _sources(run)):
        yield "The built-in world is a toy language with made-up people and towns; nothing that it says is about real ones."
    if any(rater.startswith("simulated") for rater in run.raters) and stage.name in ("reward", "align"):
        yield "The rater was a program, not people: what it prefers says nothing of what people would."
    if any(one.unit == "share" and one.items is not None and one.items < 100 for one in _scores(run, stage.name)):
        yield "Some scores stand on fewer than 100 items; look at their intervals before you compare."
    yield "Scores are of this run's own held-out data; on other data they may be far from these."
    yield "It may say what is false, harmful or private where its training data did; nothing filters what it says."
