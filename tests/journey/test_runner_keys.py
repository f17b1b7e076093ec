"""A run redoes a stage exactly when something changed that its result depends on."""

from __future__ import annotations

import pytest

from tests.journey.fake_stages import WAYS, Home, write_stage
from trivium.journey.record import read_record


@pytest.mark.parametrize("override", ["device=cpu", "threads=2", "pretrain.log_every=9", "name=other"])
def test_what_does_not_change_the_result_redoes_nothing(home: Home, override: str) -> None:
    home.run()
    assert home.run(override) == dict.fromkeys(WAYS, "reused")


def test_the_seed_and_nested_settings_change_the_result(home: Home) -> None:
    home.run()
    assert home.run("seed=1") == dict.fromkeys(WAYS, "made")
    assert home.run("seed=1", "gather.part.size=4")["gather"] == "made"
    assert "part.size 3 -> 4" in home.notes()


def test_the_content_of_files_is_an_input_and_their_place_is_not(home: Home) -> None:
    text = home.path / "text.txt"
    text.write_text("one")
    content = {"gather": {"path": "text.txt"}, "pretrain": {}}
    home.run(content=content)
    elsewhere = home.path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "text.txt").write_text("one")
    assert set(home.run(content={"gather": {"path": "elsewhere/text.txt"}, "pretrain": {}}).values()) == {"reused"}
    text.write_text("two")
    assert home.run(content=content) == {"gather": "made", "pretrain": "made"}
    assert "changed: the content of its files" in home.notes()


def test_a_folder_s_files_are_an_input_each(home: Home) -> None:
    folder = home.path / "texts"
    folder.mkdir()
    (folder / "a.txt").write_text("a")
    content = {"gather": {"files": ["texts"]}}
    home.run(content=content)
    (folder / ".hidden").write_text("x")
    assert home.run(content=content) == {"gather": "reused"}
    (folder / "b.txt").write_text("b")
    assert home.run(content=content) == {"gather": "made"}
    (folder / "b.txt").rename(folder / "c.txt")
    assert home.run(content=content) == {"gather": "made"}


def test_the_last_part_of_a_path_counts_because_documents_are_named_after_it(home: Home) -> None:
    for name in ("texts", "deep/texts", "other"):
        (home.path / name).mkdir(parents=True)
        (home.path / name / "a.txt").write_text("a")
    home.run(content={"gather": {"files": ["texts"]}})
    (home.path / "texts" / "deep").mkdir(exist_ok=True)
    assert home.run(content={"gather": {"files": ["deep/texts"]}}) == {"gather": "reused"}
    assert home.run(content={"gather": {"files": ["other"]}}) == {"gather": "made"}
    assert "changed: files[0] texts -> other" in home.notes()


def test_what_a_stage_says_it_depends_on_is_in_its_key(home: Home) -> None:
    home.stages["gather"].depends_on = lambda settings: {"python": "3.11"}
    home.run(content={"gather": {}})
    assert home.run(content={"gather": {}}) == {"gather": "reused"}
    home.stages["gather"].depends_on = lambda settings: {"python": "3.12"}
    assert home.run(content={"gather": {}}) == {"gather": "made"}
    assert "outside.python 3.11 -> 3.12" in home.notes()


def test_results_beside_the_model_files_are_results_and_states_are_not(home: Home) -> None:
    home.run()
    record = read_record(home.run_folder / "pretrain")
    assert record
    (home.run_folder / "pretrain/trivium/state/step.json").write_text("9")
    (home.run_folder / "pretrain/trivium/metrics.jsonl").write_text("{}")
    assert home.run() == dict.fromkeys(WAYS, "reused")
    with_normaliser = write_stage(
        home.path,
        "pretrain",
        ("    read = ", '    write_json(context.folder / "trivium" / "normaliser.json", 1)\n    read = '),
    )
    home.stages["pretrain"] = with_normaliser
    assert home.run()["finetune"] == "made"
    record = read_record(home.run_folder / "pretrain")
    assert record
    assert "trivium/normaliser.json" in record.outputs


def test_changed_code_redoes_its_stage_but_better_words_do_not(home: Home) -> None:
    home.run()
    home.stages["pretrain"] = write_stage(
        home.path, "pretrain", ('"""A fake stage."""', '"""A stage.\n\n    Words. """  # more')
    )
    assert home.run() == dict.fromkeys(WAYS, "reused")
    home.stages["pretrain"] = write_stage(home.path, "pretrain", ("FACTOR = 1", "FACTOR = 2"))
    assert home.run() == {"gather": "reused", "pretrain": "made", "finetune": "made", "evaluate": "made"}
    assert "the code that it runs" in home.notes()


def test_a_stage_that_is_wanted_is_an_input_where_the_recipe_has_it(home: Home) -> None:
    home.run()
    record = read_record(home.run_folder / "evaluate")
    assert record
    assert set(record.inputs) == {"pretrain", "finetune"}
    home.run(content={"gather": {}, "pretrain": {}, "evaluate": {}})
    record = read_record(home.run_folder / "evaluate")
    assert record
    assert set(record.inputs) == {"pretrain"}
