"""Rounds: the newest model is rated, all ratings so far are learned from, the change is measured by fresh ones, and all again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.feedback.shop import own, person, rate_all
from tests.tiny import TINY, write_tiny
from trivium.base.errors import Interrupted, RecipeError, Waiting
from trivium.base.files import hash_file, read_json, read_jsonl
from trivium.base.progress import Progress
from trivium.feedback.answers import withdraw
from trivium.feedback.database import open_ratings
from trivium.journey.learned import ANSWER_FIELDS, learned_from
from trivium.journey.lineage import lineage_faults
from trivium.journey.recipe import Recipe, read_recipe
from trivium.journey.report_values import percent
from trivium.journey.rounds import run_rounds
from trivium.journey.runner import Scope
from trivium.journey.runs import describe, model_of, removable

TEXT = TINY.split("evaluate:")[0].replace("rate: {", "rate: {pairs: 60, measure: 15, ")


def recipe_of(folder: Path, *overrides: str) -> Recipe:
    return read_recipe(write_tiny(folder, text=TEXT), ["rounds=2", *overrides])


@pytest.fixture(scope="module")
def looped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rounds")
    run_rounds(recipe_of(folder), folder / "tiny")
    return folder / "tiny"


def rows_of(folder: Path) -> list[dict[str, Any]]:
    return list(read_jsonl(folder / "preferences.jsonl"))


def made(results: list[Any], run: Path) -> list[str]:
    """The folders of what was not reused."""
    return [result.folder.relative_to(run).as_posix() for result in results if result.how != "reused"]


def test_a_round_asks_about_the_newest_model_and_learns_from_all_ratings(looped: Path) -> None:
    first, second = (rows_of(folder / "rate") for folder in (looped, looped / "rounds" / "2"))
    assert second[: len(first)] == first and {row["round"] for row in second[len(first) :]} == {2}
    assert 0 < len(first) <= 60 and 0 < len(second) - len(first) <= 60
    weights = hash_file(looped / "align" / "model.safetensors")[:16]
    wrote = {row[f"{one}_policy"] for row in second[len(first) :] for one in ("chosen", "rejected")}
    assert wrote == {f"align-1:{weights}"}
    splits: dict[str, set[str]] = {}
    for row in second:
        splits.setdefault(row["prompt_id"], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())  # held out in one round, held out in all
    started = read_json(looped / "rounds" / "2" / "align" / "trivium" / "stage.json")["inputs"]
    assert set(started) == {"gather", "finetune", "reward"}  # from the tuned model, not from the round before
    assert started["finetune"] == read_json(looped / "finetune" / "trivium" / "stage.json")["output_hash"]


def test_the_change_is_measured_by_fresh_ratings_that_nothing_learns_from(looped: Path) -> None:
    for number in (2, 3):  # in the next round, and after the last one
        found = read_json(looped / "rounds" / str(number) / "rate" / "win_rate.json")
        assert found["model"] == f"align-{number - 1}" and found["against"] == "finetune"
        assert found["rater"] == "simulated:world" and found["items"] == 15
        assert 0 <= found["low"] <= found["value"] <= found["high"] <= 1
    learned = {row["prompt_id"] for row in rows_of(looped / "rounds" / "3" / "rate")}
    assert not learned & {row["id"] for row in read_jsonl(looped / "gather" / "prompts" / "heldout.jsonl")}
    assert not (looped / "rounds" / "3" / "reward").exists()


def test_the_run_knows_its_rounds(looped: Path) -> None:
    assert lineage_faults(looped) == []
    assert model_of(looped) == ("rounds/2/align", looped / "rounds" / "2" / "align")
    assert model_of(looped, "align") == ("align", looped / "align")
    lines = {line.name: line.state for line in describe(looped).stages}
    assert lines["rounds/2/reward"] == lines["rounds/3/rate"] == "finished" and set(lines.values()) == {"finished"}
    assert any("rounds/2/reward" in str(one.path) for one in removable(looped))


def test_the_report_tells_the_rounds(looped: Path) -> None:
    page = (looped / "report.html").read_text(encoding="utf-8")
    section = page[page.index('<section id="rounds"') :].split("</section>")[0]
    assert ">align, round 2<" in page.replace("<bdi>", ">").replace("</bdi>", "<")
    curve = page[page.index("<h3>Alignment: reward</h3>") :].split("</figure>")[0]
    assert curve.count("Round 1 ") == 2 and curve.count("round 2 ") == 2  # for ears, and below the drawing
    found = read_json(looped / "rounds" / "3" / "rate" / "win_rate.json")
    assert f"{percent(found['value'])} (" in section and section.count("by the simulated rater") == 2
    assert section.count('<th scope="row"') == 2 and "not measured yet" not in section


def test_nothing_is_done_twice_and_another_round_adds_only_what_is_new(looped: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(looped, tmp_path / "tiny")
    assert made(run_rounds(recipe_of(tmp_path), folder), folder) == []
    grown = run_rounds(recipe_of(tmp_path, "rounds=3"), folder)
    again = ["rounds/3/rate", "rounds/3/reward", "rounds/3/align", "rounds/4/rate"]
    assert made(grown, folder) == again
    path = folder / "rounds" / "2" / "rate" / "preferences.jsonl"
    path.write_text(path.read_text().replace('"round": 1', '"round": 7'))
    assert any("rounds/2/rate" in fault for fault in lineage_faults(folder))


@pytest.mark.parametrize("stage", ["rate", "reward", "align"])
def test_stopping_in_a_later_round_and_going_on_gives_the_same_bits(looped: Path, tmp_path: Path, stage: str) -> None:
    folder = shutil.copytree(looped, tmp_path / "tiny")
    shutil.rmtree(folder / "rounds")
    recipe, told = recipe_of(tmp_path), [0]

    def report(event: Any) -> None:
        told[0] += isinstance(event, Progress) and event.stage == stage and not event.note

    with pytest.raises(Interrupted):
        run_rounds(recipe, folder, report=report, stopping=lambda: told[0] >= 1)
    assert (folder / "rounds" / "2" / stage / "trivium" / "pending.json").exists() or stage == "rate"
    run_rounds(recipe, folder)
    for name in ("rounds/2/rate/preferences.jsonl", "rounds/2/align/model.safetensors", "rounds/3/rate/win_rate.json"):
        assert (folder / name).read_bytes() == (looped / name).read_bytes()


def test_people_go_through_the_rounds_and_may_take_back_what_they_said(looped: Path, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="the web extra is not installed: pip install 'trivium-lm[web]'")
    folder = shutil.copytree(looped, tmp_path / "tiny")
    shutil.rmtree(folder / "rounds")
    recipe = recipe_of(tmp_path, "rate.rater=human", "rate.human.answers_each=2")
    database = open_ratings(folder)
    ada, bo = person(database, "Ada"), person(database, "Bo")
    likes = {"policy": "align-1"}

    def judge(rater: Any, task: Any) -> dict[str, Any]:
        """Where one of the models is liked, its answer; else the first."""
        policies = [one.policy.split(":")[0] for one in task.item.responses]
        return own(task, policies.index(likes["policy"]) if policies.count(likes["policy"]) == 1 else 0)

    for number in (1, 2, 3):
        with pytest.raises(Waiting, match=rf"0 of \d+ pairs{f' of round {number}' if number > 1 else ''} are rated"):
            run_rounds(recipe, folder)
        likes["policy"] = "align-1" if number == 2 else "finetune"
        assert rate_all(database, [ada, bo], judge) > 0
    results = run_rounds(recipe, folder)
    assert results[-1].figures["rater"] == "human"
    for place, better in (("2", True), ("3", False)):
        rated = folder / "rounds" / place / "rate"
        before, after = (
            [row["answers"][0][0] for row in read_jsonl(rated / f"measured-{one}.jsonl")] for one in ("before", "after")
        )
        alike = sum(old == new for old, new in zip(before, after, strict=True))  # ties, about which nobody is asked
        tie = alike / 2 / 15
        found = read_json(rated / "win_rate.json")
        assert found["value"] == pytest.approx(1 - tie if better else tie) and found["rater"] == "human"
        assert tie < 0.4 and found["low"] <= found["value"] <= found["high"] and found["items"] == 15
    rows = rows_of(folder / "rounds" / "2" / "rate")
    assert {row["round"] for row in rows} == {1, 2} and {row["split"] for row in rows} == {"train", "heldout"}
    newest = {folder / "rounds" / "2" / name for name in ("reward", "align")}
    label = f"human:{ada.id}"
    assert {folder / "reward", folder / "align", *newest} == set(learned_from(folder, label))

    first, last = rows[0], rows[-1]
    assert (first["round"], last["round"]) == (1, 2)
    assert (
        set(learned_from(folder, last["answer"], ANSWER_FIELDS))
        == newest
        < set(learned_from(folder, first["answer"], ANSWER_FIELDS))
    )

    withdraw(database, ada, "test", "asked for")
    rate_all(database, [bo, person(database, "Cy")], judge)
    with pytest.raises(Waiting, match="of round 3"):  # what the last round now ends in was never compared
        run_rounds(recipe, folder, scope=Scope(redo=frozenset(["rate"])))
    assert label not in {row["rater"] for row in rows_of(folder / "rounds" / "2" / "rate")}
    assert not newest & set(learned_from(folder, label))
    database.close()


def test_people_may_be_asked_to_put_answers_in_order(looped: Path, tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy", reason="the web extra is not installed: pip install 'trivium-lm[web]'")
    folder = shutil.copytree(looped, tmp_path / "tiny")
    recipe = recipe_of(tmp_path, "rounds=1", "rate.rater=human", "rate.human.show=rankings", "rate.pairs=null")
    with pytest.raises(Waiting, match=r"0 of \d+ rankings are rated"):
        run_rounds(recipe, folder, scope=Scope(until="rate"))
    database = open_ratings(folder)

    def judge(rater: Any, task: Any) -> dict[str, Any]:
        """The longer the better; a pair is judged as one."""
        lengths = [len(task.item.responses[place].text) for place in task.shown]
        order = sorted(range(len(lengths)), key=lambda place: (-lengths[place], task.shown[place]))
        if task.item.kind == "pair":
            return {"verdict": "prefer", "preferred": order[0], "strength": 1}
        return {"verdict": "rank", "ranking": [[place] for place in order]}

    count = rate_all(database, [person(database, "Ada")], judge)
    run_rounds(recipe, folder, scope=Scope(until="rate"))
    rows = rows_of(folder / "rate")
    assert count <= 40 < len(rows)  # one item a request, and all its pairs
    assert all(len(row["chosen"]) >= len(row["rejected"]) for row in rows)
    assert {row["split"] for row in rows} == {"train", "heldout"}
    database.close()


def test_rounds_need_somebody_who_rates_and_something_to_align(tmp_path: Path) -> None:
    recipe = read_recipe(write_tiny(tmp_path, text=TINY.split("rate:")[0]), ["rounds=2"])
    with pytest.raises(RecipeError, match="'rounds' is 2, and a round needs 'rate'; add it, or set rounds to 1"):
        run_rounds(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "gather").exists()
