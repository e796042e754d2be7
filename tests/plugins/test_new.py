"""``mm plugins new``: what it writes can be installed, passes its tests, and can be fitted with."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core.api import ConfigError, PluginError
from mm_core.testing import forked
from mm_core.testing.authoring.scaffold import KINDS, LONGEST_NAME, Package, templates, write

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SHORT, LONG = "q", "thirty-letters-long-name-of-30"
COMPONENT = {
    "modality": "lat_lon",
    "backbone": "resnet",
    "fusion": "gated",
    "task": "ordinal",
    "exporter": "program",
    "runtime": "means",
    "adapter": "reflections",
    "loss": "robust",
    "fitter": "ridge",
    "metric": "calibration_error",
}
SHORTLY = {"training.epochs": 1}
FITS: dict[str, dict[str, Any]] = {
    "modality": {"label": "y", "hyperparameters": SHORTLY},
    "backbone": {
        "label": "y",
        "hyperparameters": {**SHORTLY, "backbones.tabular": "made_backbone:resnet"},
    },
    "fusion": {"label": "y", "hyperparameters": {**SHORTLY, "fusion": "made_fusion:gated"}},
    "task": {
        "label": "stars",
        "problem_type": "made_task:ordinal",
        "hyperparameters": SHORTLY,
    },
    "runtime": {"label": "y", "hyperparameters": {"fit": "made_runtime:means"}},
    "adapter": {
        "label": "y",
        "hyperparameters": {**SHORTLY, "backbones.tabular.adapter": "made_adapter:reflections"},
    },
    "loss": {
        "label": "stars",
        "problem_type": "regression",
        "hyperparameters": {**SHORTLY, "training.loss": "made_loss:robust"},
    },
    "fitter": {
        "label": "stars",
        "problem_type": "regression",
        "hyperparameters": {"fit": "made_fitter:ridge"},
    },
    "metric": {
        "label": "y",
        "eval_metric": "made_metric:calibration_error",
        "hyperparameters": SHORTLY,
    },
}
"""How a fit uses each; the others' own tests export, type, read and listen."""

FIT = """
import json, sys, warnings
import pandas as pd
from mm_core import MultiModalPredictor
warnings.simplefilter("ignore")
fits, used = json.loads(sys.argv[1]), {}
for kind, given in fits.items():
    frame = pd.read_csv("train.csv").drop(columns={"y", "stars"} - {given["label"]})
    predictor = MultiModalPredictor(verbosity=0, **given).fit(frame)
    predictor.save(kind)
    assert len(MultiModalPredictor.load(kind).predict(frame)) == len(frame)
    used[kind] = predictor.recipe.to_json()
print(json.dumps(used))
"""


def run(*command: str | Path, cwd: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "80", **environ},
        capture_output=True,
        text=True,
    )
    return _well(done)


def python(*arguments: str | Path, cwd: Path, path: str) -> subprocess.CompletedProcess[str]:
    """In a fork of a process that has imported torch and its like, as a fit needs them."""
    environ = {**os.environ, "COLUMNS": "80", "PYTHONPATH": path}
    given = list(map(str, arguments))
    return _well(forked.python(given, cwd=cwd, env=environ, libraries=["lightning.pytorch"]))


def _well(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
    return done


def build(source: Path, folder: Path) -> Path:
    """The wheel of a distribution."""
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    (wheel,) = folder.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    """``made(kind)``: the package that is written, and a folder that its wheel is unpacked in.

    That is all that pip does with a wheel of Python alone, and quicker.
    """
    done: dict[str, tuple[Path, Path]] = {}

    def make(kind: str) -> tuple[Path, Path]:
        if kind not in done:
            folder = tmp_path_factory.mktemp(kind)
            write(Package(kind, f"made-{kind}"), folder / "source")
            wheel = build(folder / "source", folder / "wheel")
            with zipfile.ZipFile(wheel) as unpacked:
                unpacked.extractall(folder / "site")
            done[kind] = folder / "source", folder / "site"
        return done[kind]

    return make


def path_with(*sites: Path) -> str:
    """``PYTHONPATH`` with these folders, and what it is now."""
    return os.pathsep.join([*map(str, sites), os.environ.get("PYTHONPATH", "")])


def rows(n: int) -> pd.DataFrame:
    """A point, a number, a text and two labels."""
    random = np.random.default_rng(0)
    x = random.normal(size=n)
    return pd.DataFrame(
        {
            "place": [f"{a:.4f}, {b:.4f}" for a, b in random.uniform(-80, 80, (n, 2))],
            "x": x,
            "note": [
                f"row {i} says {'very good' if v > 0 else 'rather bad'}" for i, v in enumerate(x)
            ],
            "y": np.where(x > 0, "yes", "no"),
            "stars": np.digitize(x, [-0.5, 0.5]) + 1,
        }
    )


@pytest.mark.parametrize("kind", KINDS)
def test_libraries_of_the_core_are_bounded_as_in_the_core(kind, tmp_path):
    def required(folder: Path) -> set[str]:
        project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
        return {one for one in project["dependencies"] if not one.startswith("mm-")}

    write(Package(kind, "made"), tmp_path / "made")
    named = [one for one in KINDS[kind].dependencies if not one.startswith("mm-")]
    assert len(required(tmp_path / "made")) == len(named)
    assert required(tmp_path / "made") <= required(ROOT)


@pytest.mark.parametrize("first", range(4))
def test_new_packages_pass_their_own_tests_and_the_kit(first, made, tmp_path):
    """Several in a process, for most of the time would be spent on starting processes."""
    kinds = list(KINDS)[first::4]
    sites = [made(kind)[1] for kind in kinds]
    pytest_ = ["-m", "pytest", "-v", "-p", "no:cacheprovider"]
    sources = [made(kind)[0] for kind in kinds]
    tests = python(
        *(*pytest_, "--import-mode=importlib", "--rootdir", tmp_path.parent, *sources),
        cwd=tmp_path,
        path=path_with(*sites),
    )
    for source in sources:
        passed = [line for line in tests.stdout.splitlines() if "PASSED" in line]
        assert len([line for line in passed if source.parent.name in line]) > 5
    assert not re.search("XFAIL|XPASS", tests.stdout)


def test_fits_use_the_new_components_and_the_doctor_finds_nothing(made, tmp_path):
    sites = [made(kind)[1] for kind in KINDS]
    rows(60).to_csv(tmp_path / "train.csv", index=False)
    path = path_with(*sites)
    done = python("-c", FIT, json.dumps(FITS), cwd=tmp_path, path=path)
    used = json.loads(done.stdout)
    for kind in FITS:
        assert f'"made_{kind}:{COMPONENT[kind]}"' in used[kind]
    looked = run(BIN / "mm", "plugins", "doctor", "--json", cwd=tmp_path, PYTHONPATH=path)
    said = json.loads(looked.stdout)
    assert said["wrong"] == 0  # nor with the plugins beside them
    found = {one["name"]: one["findings"] for one in said["plugins"]}
    assert [found[f"made_{kind}"] for kind in KINDS] == [[]] * len(KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [SHORT, LONG])
def test_new_code_is_in_the_house_style_whatever_its_name(kind, name, tmp_path):
    assert len(LONG) == LONGEST_NAME
    folder = tmp_path / "source"
    written = write(Package(kind, name, "Ada Lovelace <ada@example.org>"), folder)
    for path in written:
        assert "$" not in (folder / path).read_text(), path
    ruff = [BIN / "ruff", "--quiet"]
    run(*ruff, "check", "--no-cache", ".", cwd=folder)
    run(*ruff, "format", "--no-cache", "--check", ".", cwd=folder)
    project = tomllib.loads((folder / "pyproject.toml").read_text())
    house = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    for key in ("line-length", "target-version", "lint"):
        assert project["tool"]["ruff"][key] == house[key]
    assert project["project"]["authors"] == [{"name": "Ada Lovelace", "email": "ada@example.org"}]
    plugin = name.replace("-", "_")
    assert project["project"]["entry-points"]["mm_core.plugins"] == {plugin: f"mm_{plugin}.plugin"}


@pytest.mark.slow
def test_new_code_is_fully_typed(tmp_path):
    for kind in KINDS:
        write(Package(kind, f"typed-{kind}"), tmp_path / kind)
    packages = [tmp_path / kind / f"mm_typed_{kind}" for kind in KINDS]
    written = [test for kind in KINDS for test in (tmp_path / kind / "tests").glob("test_*.py")]
    tests = {test.name: test for test in written}.values()  # one of those that all packages have
    assert len(tests) == len(KINDS) + 1
    done = run(
        *(sys.executable, "-m", "mypy", "--strict", "--cache-dir", ROOT / ".mypy_cache" / "new"),
        *(*packages, *tests),
        cwd=tmp_path,
        MYPYPATH=os.pathsep.join(str(tmp_path / kind) for kind in KINDS),
    )
    assert "no issues" in done.stdout


def test_the_cores_wheel_carries_the_templates(tmp_path):
    with zipfile.ZipFile(build(ROOT, tmp_path)) as wheel:
        carried = {name for name in wheel.namelist() if "/templates/" in name}
    for kind in KINDS:
        for path, _ in templates(kind):
            folder = {
                f"mm_core/testing/authoring/templates/{one}/{path}" for one in ("common", kind)
            }
            assert folder & carried, path


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("Geo Points", "'geo-points'"),
        ("2d", "'d'"),
        ("points_", "'points'"),
        ("a" * (LONGEST_NAME + 1), "30 characters at most"),
        ("mm-points", "write 'points'"),
        ("../points", "'points'"),
        ("", "use a letter"),
    ],
)
def test_a_bad_name_is_refused_with_a_good_one(name, remedy, tmp_path):
    with pytest.raises(ConfigError) as caught:
        write(Package("modality", name), tmp_path / "new")
    assert remedy in caught.value.remedy
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("name", "owner"),
    [("tabular", "mm-tabular"), ("far", "pip install mm-far"), ("core", "core's own")],
)
def test_a_taken_name_is_refused(name, owner, tmp_path, far):
    with pytest.raises(PluginError, match="is taken by") as caught:
        write(Package("fusion", name), tmp_path / "new")
    assert owner in caught.value.message
    assert f"{name}-2" in caught.value.remedy


def test_other_spellings_of_an_installed_plugin_are_taken_too(install, tmp_path):
    install("geo-points", "")
    with pytest.raises(PluginError, match="mm-geo-points"):
        write(Package("modality", "geo_points"), tmp_path / "new")


def test_an_existing_folder_is_left_alone(tmp_path):
    with pytest.raises(ConfigError, match="exists already") as caught:
        write(Package("task", "grades"), tmp_path)
    assert "--out" in caught.value.remedy
    assert list(tmp_path.iterdir()) == []


def test_an_author_is_a_name_and_perhaps_an_address(tmp_path):
    write(Package("task", "grades", 'Ada "A" Lovelace'), tmp_path / "new")
    project = tomllib.loads((tmp_path / "new" / "pyproject.toml").read_text())["project"]
    assert project["authors"] == [{"name": 'Ada "A" Lovelace'}]
    with pytest.raises(ConfigError, match="no author"):
        write(Package("task", "grades", "<>"), tmp_path / "other")


@pytest.mark.slow
def test_the_three_commands_work_in_a_clean_environment(tmp_path):
    """pip reaches its registry, and finds the core and the tables among wheels built here."""
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    wheels = tmp_path / "wheels"
    for name, source in (("core", ROOT), ("tabular", ROOT / "plugins" / "mm-tabular")):
        built = build(source, tmp_path / name)
        wheels.mkdir(exist_ok=True)
        built.rename(wheels / built.name)
    venv.create(tmp_path / "venv", with_pip=True)
    environ = {**plain, "PIP_FIND_LINKS": str(wheels), "PATH": f"{tmp_path}/venv/bin:/usr/bin:/bin"}

    def type_(command: str) -> None:
        done = subprocess.run(
            ["sh", "-c", command], cwd=tmp_path, env=environ, capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"

    type_("pip install --quiet mm-core")
    for kind in KINDS:
        type_(f"mm plugins new {kind} clean-{kind}")
        type_(f"pip install --quiet -e 'mm-clean-{kind}[test]'")
        type_(f"python -m pytest -q mm-clean-{kind}")
        type_(f"mm plugins check clean_{kind}")
