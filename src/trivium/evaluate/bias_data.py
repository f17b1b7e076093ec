"""Reading bias sets in the forms that their publishers give them, each fault with file, line and field.

CrowS-Pairs (Nangia et al. 2020), StereoSet (Nadeem et al. 2021), BBQ (Parrish et al. 2022), Winogender schemas (Rudinger et
al. 2018). Nothing is left out in silence: what cannot be scored is an error, or is counted by whoever scores."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from trivium.base.errors import DataError
from trivium.data.find import files_at
from trivium.task.items import Place

BLANK = "BLANK"
DIRECTIONS = ("stereo", "antistereo")
GENDERS = ("male", "female", "neutral")


@dataclass(frozen=True)
class Pair:
    """Two sentences that differ in whom they speak of; `more` is the one that stereotypes more."""

    more: str
    less: str
    kind: str
    place: Place


@dataclass(frozen=True)
class Triple:
    """A context with three ways to go on. `inside`: the ways are whole sentences that fill the context's gap with one word, else
    sentences that follow it."""

    target: str
    kind: str
    context: str
    ways: Mapping[str, str]
    inside: bool
    place: Place


@dataclass(frozen=True)
class Question:
    """A question with three answers. `biased` is the answer that the stereotype gives, None where the file does not tell."""

    category: str
    context: str
    question: str
    answers: tuple[str, str, str]
    right: int
    unknown: int
    biased: int | None
    ambiguous: bool
    place: Place


@dataclass(frozen=True)
class Schema:
    """A sentence about somebody at work, with a pronoun of each gender."""

    occupation: str
    sentences: Mapping[str, str]
    place: Place


def own_pairs() -> list[Pair]:
    """The pairs that come with Trivium."""
    text = resources.files("trivium.evaluate").joinpath("own_pairs.csv").read_text(encoding="utf-8")
    return list(_pairs(text, "own_pairs.csv"))


def read_pairs(path: Path) -> list[Pair]:
    """A CSV with the columns sent_more, sent_less, stereo_antistereo and bias_type."""
    return _some(list(_pairs(_text(path), str(path))), path)


def _pairs(text: str, file: str) -> Iterator[Pair]:
    for line, row in _table(text, file, ("sent_more", "sent_less", "stereo_antistereo", "bias_type"), ","):
        if row["stereo_antistereo"] not in DIRECTIONS:
            raise DataError(
                f"is {row['stereo_antistereo']!r}; it must be stereo or antistereo",
                file=file,
                line=line,
                field="stereo_antistereo",
            )
        if row["sent_more"] == row["sent_less"]:
            raise DataError("both sentences are the same", file=file, line=line, field="sent_less")
        yield Pair(row["sent_more"], row["sent_less"], row["bias_type"], Place(file, line))


def read_schemas(path: Path) -> list[Schema]:
    """A TSV with the columns sentid (occupation.participant.answer.gender.txt) and sentence; male and female must both be
    there."""
    found: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for line, row in _table(_text(path), str(path), ("sentid", "sentence"), "\t"):
        parts = row["sentid"].removesuffix(".txt").split(".")
        if len(parts) != 4 or parts[3] not in GENDERS:
            raise DataError(
                f"is {row['sentid']!r}; it must be OCCUPATION.PARTICIPANT.ANSWER.GENDER.txt, the gender one of "
                f"{', '.join(GENDERS)}",
                file=path,
                line=line,
                field="sentid",
            )
        name = ".".join(parts[:3])
        lines.setdefault(name, line)
        found.setdefault(name, {})[parts[3]] = row["sentence"]
    for name, sentences in found.items():
        for gender in ("male", "female"):
            if gender not in sentences:
                raise DataError(f"{name} has no {gender} sentence", file=path, line=lines[name], field="sentid")
    schemas = [Schema(name.split(".")[0], found[name], Place(str(path), lines[name])) for name in found]
    return _some(schemas, path)


def read_triples(path: Path) -> list[Triple]:
    """StereoSet's JSON: data.intrasentence and data.intersentence, each item with context and three labelled sentences."""
    try:
        data = json.loads(_text(path))["data"]
    except (ValueError, KeyError, TypeError):
        raise DataError("must be a JSON object with the key data, as StereoSet's dev.json", file=path) from None
    found = []
    for part, inside in (("intrasentence", True), ("intersentence", False)):
        for number, item in enumerate(data.get(part, ())):
            where = Place(f"{path}, {part} {number}")
            try:
                ways = {str(one["gold_label"]): str(one["sentence"]) for one in item["sentences"]}
                triple = Triple(item["target"], item["bias_type"], item["context"], ways, inside, where)
            except (KeyError, TypeError) as error:
                raise DataError(
                    f"has no {error}; an item has target, bias_type, context and sentences", file=str(where)
                ) from None
            if set(ways) != {"stereotype", "anti-stereotype", "unrelated"}:
                raise DataError(
                    f"holds {', '.join(sorted(ways)) or 'nothing'}; it must be stereotype, anti-stereotype and unrelated",
                    file=str(where),
                    field="gold_label",
                )
            if inside and triple.context.count(BLANK) != 1:
                raise DataError(f"must hold {BLANK} once: {triple.context[:60]!r}", file=str(where), field="context")
            if inside:
                for way in ways.values():
                    fill_of(triple, way)
            found.append(triple)
    return _some(found, path)


def fill_of(triple: Triple, way: str) -> str:
    """The word that a sentence puts into the gap. Raises DataError where the sentence is not the context with its gap filled."""
    before, after = triple.context.split(BLANK)
    if not (way.startswith(before) and way.endswith(after) and len(way) > len(before) + len(after)):
        # some of the published ones differ in their final mark; what stands for the gap is then what is left
        after = after.rstrip(" .!?")
        way = way.rstrip(" .!?")
    if not (way.lower().startswith(before.lower()) and way.endswith(after) and len(way) > len(before) + len(after)):
        raise DataError(
            f"{way[:60]!r} is not the context with its gap filled", file=str(triple.place), field="sentence"
        )
    return way[len(before) : len(way) - len(after)]


def read_questions(path: Path) -> list[Question]:
    """BBQ's JSON lines. The biased answer is that about the stereotyped group where the question is negative, that about the
    other one where it is not; `target_loc` tells it where a row has one."""
    found = []
    for file in files_at(path):
        for line, text in enumerate(_text(file).splitlines(), 1):
            if text.strip():
                found.append(_question(text, file, line))
    return _some(found, path)


def _question(text: str, file: Path, line: int) -> Question:
    try:
        row = json.loads(text)
        info = [[str(part).lower() for part in row["answer_info"][f"ans{number}"]] for number in range(3)]
        groups = {str(group).lower() for group in row["additional_metadata"]["stereotyped_groups"]}
        answers = (str(row["ans0"]), str(row["ans1"]), str(row["ans2"]))
        right, negative = int(row["label"]), row["question_polarity"] == "neg"
        condition, category = row["context_condition"], str(row["category"])
        context, question = str(row["context"]), str(row["question"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"cannot be read as a row of BBQ ({error!r:.80})", file=file, line=line) from None
    unknown = [number for number in range(3) if "unknown" in info[number]]
    if len(unknown) != 1:
        raise DataError(f"{len(unknown)} answers are unknown; one must be", file=file, line=line, field="answer_info")
    if right not in range(3):
        raise DataError(f"is {right}; it must be 0, 1 or 2", file=file, line=line, field="label")
    if condition not in ("ambig", "disambig"):
        raise DataError(
            f"is {condition!r}; it must be ambig or disambig", file=file, line=line, field="context_condition"
        )
    known = [number for number in range(3) if number != unknown[0]]
    told = row.get("target_loc", row["additional_metadata"].get("target_loc"))
    targets = [int(told)] if told in known else [one for one in known if groups & set(info[one])]
    biased = None
    if len(targets) == 1:
        biased = targets[0] if negative else next(one for one in known if one != targets[0])
    place = Place(str(file), line)
    return Question(category, context, question, answers, right, unknown[0], biased, condition == "ambig", place)


def _table(
    text: str, file: str | Path, columns: tuple[str, ...], delimiter: str
) -> Iterator[tuple[int, dict[str, str]]]:
    """(line, row) of a table with a header; every one of `columns` must be there and not empty."""
    lines = io.StringIO(text)
    if delimiter == ",":
        reader = csv.DictReader(lines)
    else:
        reader = csv.DictReader(lines, delimiter=delimiter, quoting=csv.QUOTE_NONE)  # there a quotation mark is one
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise DataError(
            f"has no column {missing[0]}; it has {', '.join(reader.fieldnames or ()) or 'none'}", file=file, line=1
        )
    for row in reader:
        for name in columns:
            if not (row[name] or "").strip():
                raise DataError("is empty", file=file, line=reader.line_num, field=name)
        yield reader.line_num, row


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"is no UTF-8 text ({error.reason})", file=path) from None
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})", file=path) from None


def _some(found: list[Any], path: Path) -> list[Any]:
    if not found:
        raise DataError("holds no item; give a file that does", file=path)
    return found
