"""The kit itself: sound plugins pass, and each defect fails exactly one check, by its name."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from mm_core.testing.kit import cases
from mm_core.testing.outcome import Case

FILES = Path(__file__).with_name("files")
SOUND = {
    "sound": FILES / "sound.py",
    "beside": FILES.parents[1] / "plugins" / "files" / "beside.py",
    "pictures": FILES / "pictures.py",
}
"""Plugins that keep every rule: of networks, of what stands beside them, of pictures."""

FITS = ("end_to_end", "hears_a_fit", "leaves_the_model_as_it_was", "trains_new_networks_first")


def _defects():
    spec = importlib.util.spec_from_file_location("defects", Path(__file__).with_name("defects.py"))
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["defects"] = module
    spec.loader.exec_module(module)
    return module.DEFECTS


DEFECTS = _defects()
IDS = [defect.check for defect in DEFECTS]


def _cases(name: str, text: str, folder: Path) -> list[Case]:
    file = folder / f"{name}.py"
    file.write_text(text)
    return cases(name, [file])


def _broken(defect, folder: Path) -> list[Case]:
    sound = SOUND[defect.plugin].read_text()
    assert sound.count(defect.old) == 1, defect.old
    return _cases(defect.plugin, sound.replace(defect.old, defect.new), folder)


def _fits(case: Case) -> bool:
    return any(part in case.id for part in FITS)


def _expect_only(defect, chosen: list[Case]) -> None:
    outcomes = {case.id: case.outcome() for case in chosen}
    failed = {name: outcome.message for name, outcome in outcomes.items() if not outcome.good}
    assert list(failed) == [defect.check], failed
    assert defect.says in failed[defect.check]


@pytest.mark.mm_plugin(str(SOUND["sound"]))
def test_a_sound_plugin(conformance_check):
    conformance_check()


@pytest.mark.mm_plugin(str(SOUND["beside"]))
def test_a_sound_plugin_beside_the_network(conformance_check):
    conformance_check()


@pytest.mark.mm_plugin(str(SOUND["pictures"]))
def test_a_sound_plugin_of_pictures(conformance_check):
    conformance_check()


@pytest.mark.parametrize("defect", DEFECTS, ids=IDS)
def test_a_defect_fails_its_own_check(defect, tmp_path):
    found = _broken(defect, tmp_path)
    _expect_only(defect, [case for case in found if case.id == defect.check])


@pytest.mark.slow
@pytest.mark.parametrize("defect", DEFECTS, ids=IDS)
def test_a_defect_fails_no_other_check_anywhere(defect, tmp_path):
    """But for the fits, which many a defect makes impossible."""
    found = _broken(defect, tmp_path)
    single = [case for case in found if not _fits(case) or case.id == defect.check]
    _expect_only(defect, single)


def test_every_check_is_proved_by_a_defect(tmp_path):
    shared = (
        "settings_go_through_json",
        "settings_are_described",
        "unknown_settings_are_refused",
        "search_space_is_of_its_settings",
    )
    proved = {(one.split("-")[0], one.rsplit("-", 1)[1]) for one in IDS}
    tried = {
        (case.group.split()[0], case.check.name)
        for name, file in SOUND.items()
        for case in _cases(name, file.read_text(), tmp_path)
    }
    assert {one for one in tried - proved if one[1] not in shared} == set()
    assert all(any(name in one for one in IDS) for name in shared)
