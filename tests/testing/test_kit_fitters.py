"""Fitters that read some modalities only are tried on the columns that their samples give."""

from __future__ import annotations

from pathlib import Path

import pytest

from mm_core.testing.kit import cases

MEANS = Path(__file__).with_name("files").joinpath("means.py").read_text()
END_TO_END = "fitter-means-learns_end_to_end"


@pytest.fixture
def outcome(tmp_path):
    """``outcome(text, case)``: what a check says of the plugin of this text."""

    def run(text: str, case: str):
        file = tmp_path / "means.py"
        file.write_text(text)
        return next(one for one in cases("means", [file]) if one.id == case).outcome()

    return run


def test_a_model_without_a_network_keeps_every_rule(tmp_path):
    file = tmp_path / "means.py"
    file.write_text(MEANS)
    found = {case.id: case.outcome() for case in cases("means", [file])}
    assert END_TO_END in found
    assert {name: one.message for name, one in found.items() if not one.good} == {}


def test_without_a_sample_task_it_says_what_to_give(outcome):
    found = outcome(
        MEANS.replace("    tasks=(\n", "    trials=(),\n    tasks=() and (\n"), END_TO_END
    )
    assert "give a SampleTask(task='core:binary'" in found.message


def test_means_of_other_classes_are_found(outcome):
    swapped = MEANS.replace("engine=Nearest(means)", "engine=Nearest(means[::-1])")
    assert "nothing was learned" in outcome(swapped, END_TO_END).message


def test_a_fitter_that_gives_no_engine_is_found(outcome):
    bare = MEANS.replace(", engine=Nearest(means)", "")
    assert "means:means gave no engine" in outcome(bare, END_TO_END).message


def test_a_fitter_on_the_network_may_give_another_engine(outcome):
    on_network = MEANS.replace('reads="inputs"', 'reads="network"')
    found = outcome(on_network, END_TO_END)
    assert found.good, found.message


def test_an_engine_without_a_runtime_is_found(outcome):
    on_network = MEANS.replace('reads="inputs"', 'reads="network"')
    bare = on_network.replace('            runtime="means:nearest",\n', "")
    found = outcome(bare, END_TO_END)
    assert "gave an engine of its own, and says that core:network answers" in found.message


def test_outputs_that_lie_column_by_column_in_memory_are_the_same(outcome):
    turned = MEANS.replace('{"logits": -(', '{"logits": np.asfortranarray(-(').replace(
        ".sum(axis=-1)}", ".sum(axis=-1))}"
    )
    assert turned.count("asfortranarray") == 1
    assert outcome(turned, "runtime-nearest-reads_back_the_same").good


ALONE = MEANS.replace(
    'modalities=("tabular",),', 'modalities=("tabular",), alone=True, training=("seed",),'
)
TAKEN = "fitter-means-is_taken_for_its_columns_alone"


@pytest.fixture
def only_one(monkeypatch):
    """No other plugin has a fitter for tables alone."""
    monkeypatch.setenv("MM_DISABLE_PLUGINS", "trees")


def test_a_fitter_for_tables_alone_keeps_every_rule(only_one, tmp_path):
    file = tmp_path / "means.py"
    file.write_text(ALONE)
    found = {case.id: case.outcome() for case in cases("means", [file]) if "fitter" in case.id}
    assert {name: one.message for name, one in found.items() if not one.good} == {}
    assert found[TAKEN].result == "passed"


def test_a_fitter_that_is_not_taken_where_it_should_be_is_found(only_one, outcome):
    other = ALONE.replace("alone=True,", 'alone=True, losses=("core:mse",),')
    assert "the plan takes core:finetune" in outcome(other, TAKEN).message


def test_settings_that_do_not_exist_are_found(only_one, outcome):
    other = ALONE.replace('training=("seed",)', 'training=("seed", "rounds")')
    assert "training names rounds" in outcome(other, "fitter-means-says_what_it_reads").message


@pytest.mark.parametrize(
    ("settings", "said"), [({"scaling": "standard"}, ""), ({"scale": 1}, "settings.scale")]
)
def test_settings_that_a_processor_has_not_are_found(outcome, settings, said):
    """Of the processor that a fitter names for its columns."""
    chosen = f"defaults={{'tabular': Defaults(processor='tabular:table', settings={settings})}},"
    text = MEANS.replace('runtime="means:nearest",', f'runtime="means:nearest", {chosen}')
    found = outcome(
        text.replace("    Engine,\n", "    Defaults,\n    Engine,\n"),
        "fitter-means-says_what_it_reads",
    )
    assert found.good is not bool(said)
    assert said in found.message
