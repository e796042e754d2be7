"""Environments that hold the core and one plugin, installed from wheels that are built here."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, distributions
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
CORE = "core"
HEAVY = {
    "boxes": ["timm", "torchvision"],
    "detection": ["timm", "torchvision", "transformers"],
    "segmentation": ["segmentation_models_pytorch", "timm", "torchvision", "transformers"],
    "fusemix": ["timm", "torchvision", "transformers"],
    "image": ["timm", "torchvision"],
    "matching": ["timm", "torchvision", "transformers"],
    "peft": ["transformers"],
    "spans": ["transformers"],
    "text": ["transformers"],
}
READS_CELLS = ("image", "tabular", "text")


def sources() -> dict[str, Path]:
    """Plugin name -> folder of its distribution; ``core`` is the repository itself."""
    found = {CORE: ROOT}
    folders = ("plugins", "contrib", "examples")
    files = [file for folder in folders for file in ROOT.glob(f"{folder}/*/pyproject.toml")]
    for file in sorted(files):
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for name in project["entry-points"]["mm_core.plugins"]:
            found[name] = file.parent
    return found


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """``plugin_name``: each plugin of this repository. Environments of those that read cells are
    made each time, those of the others, which stand on these, among the slow tests; so is all of
    examples, whose own tests are run in such environments (``test_examples.py``).
    """
    dear = "environment" in metafunc.fixturenames or "alone" in metafunc.fixturenames

    def quick(name: str, folder: str) -> bool:
        return folder != "examples" and (not dear or name in READS_CELLS)

    if "plugin_name" in metafunc.fixturenames:
        folders = {name: folder.parent.name for name, folder in sources().items() if name != CORE}
        metafunc.parametrize(
            "plugin_name",
            [
                pytest.param(name, marks=[] if quick(name, folder) else [pytest.mark.slow])
                for name, folder in folders.items()
            ],
        )


@pytest.fixture
def with_needed(plugin_name: str) -> list[str]:
    """The plugin, and those of this repository that it declares."""
    return sorted({plugin_name, *_needed([plugin_name])})


@pytest.fixture
def heavy(plugin_name: str) -> list[str]:
    """The large packages that this plugin may bring, and few others."""
    return HEAVY.get(plugin_name, [])


@pytest.fixture
def reads_cells(plugin_name: str) -> bool:
    """Whether a table can be fitted with this plugin and the core alone (see ``fit.py``)."""
    return plugin_name in READS_CELLS


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    folder: Path

    @property
    def site(self) -> Path:
        """Its site-packages."""
        (site,) = self.folder.glob("lib/python*/site-packages")
        return site

    def run(self, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """What one of its programs does."""
        command = [str(self.folder / "bin" / program), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, cwd=self.folder)

    def python(self, *arguments: str | Path) -> str:
        """What its Python prints; ``-P``: nothing is imported from beside the script."""
        return _output(self.run("python", "-P", *arguments))

    def mm(self, *arguments: str | Path) -> Any:
        """What its ``mm`` answers with ``--json``."""
        return json.loads(_output(self.run("mm", *arguments, "--json")))

    def install(self, *wheels: Path) -> None:
        """Install wheels, and nothing that they require."""
        pip = [sys.executable, "-m", "pip", "--python", str(self.folder / "bin" / "python")]
        options = ["--quiet", "--no-deps", "--no-index", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", *options, *map(str, wheels)], check=True)

    def facts(self) -> dict[str, Any]:
        """What is installed there, found and importable (``facts.py``)."""
        facts: dict[str, Any] = json.loads(self.python(HERE / "facts.py"))
        return facts


def _output(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``wheel(plugin)``: its wheel, built once (by each worker of xdist: it takes a moment)."""
    built: dict[str, Path] = {}

    def build(plugin: str) -> Path:
        if plugin not in built:
            folder = tmp_path_factory.mktemp(f"wheel-{plugin}")
            subprocess.run(
                [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
                check=True,
                cwd=sources()[plugin],
                stdout=subprocess.DEVNULL,
            )
            (built[plugin],) = folder.glob("*.whl")
        return built[plugin]

    return build


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Environment]:
    """Where an environment may be made; it is removed at once, for some take gigabytes."""
    environment = Environment(tmp_path / "environment")
    yield environment
    shutil.rmtree(environment.folder, ignore_errors=True)


@pytest.fixture
def holding(environment: Environment, wheel: Callable[[str], Path]) -> Callable[..., Environment]:
    """``holding(*plugins)``: core and plugins from wheels, on links to what they say they need.

    What the wheels require, and that in turn, is linked from the environment of the tests: no
    download, and a package that is imported without being declared is missing.
    """

    def make(*plugins: str) -> Environment:
        venv.create(environment.folder, symlinks=True)
        environment.install(*(wheel(name) for name in dict.fromkeys((CORE, *_needed(plugins)))))
        link_requirements(environment.site)
        return environment

    return make


def _needed(plugins: Sequence[str]) -> Iterator[str]:
    """These plugins, and those of this repository that they say they need, near or far."""
    for plugin in plugins:
        project = tomllib.loads((sources()[plugin] / "pyproject.toml").read_text("utf-8"))[
            "project"
        ]
        yield plugin
        for text in project["dependencies"]:
            wanted = Requirement(text).name  # mm-lightgbm needs lightgbm, which is no plugin
            name = wanted.removeprefix("mm-")
            if name != wanted and name in sources() and name != CORE:
                yield from _needed([name])


@pytest.fixture
def alone(holding: Callable[..., Environment]) -> Callable[[str], Environment]:
    """``alone(plugin)``: core and this plugin only."""
    return holding


def requirements(site: Path) -> list[Distribution]:
    """The distributions, as installed here, that those in ``site`` require, near or far."""
    given = {canonicalize_name(one.name): one for one in distributions(path=[str(site)])}
    waiting = [Requirement(text) for one in given.values() for text in one.requires or ()]
    waiting = [one for one in waiting if one.marker is None or one.marker.evaluate({"extra": ""})]
    seen: set[tuple[str, frozenset[str]]] = set()
    found: dict[str, Distribution] = {}
    while waiting:
        wanted = waiting.pop()
        name, extras = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if name in given or (name, extras) in seen:
            continue
        seen.add((name, extras))
        found[name] = distribution(name)
        for text in found[name].requires or ():
            further = Requirement(text)
            if further.marker is None or any(
                further.marker.evaluate({"extra": extra}) for extra in extras | {""}
            ):
                waiting.append(further)
    return list(found.values())


def link_requirements(site: Path) -> None:
    """Let ``site`` hold what the distributions in it require.

    A test whose example requires what is not installed here is skipped.
    """
    try:
        found = requirements(site)
    except PackageNotFoundError as error:
        pytest.skip(f"{error.name} is not installed")
    for needed in found:
        link(needed, site)


def link(needed: Distribution, site: Path) -> None:
    """Let ``site`` hold the modules and the metadata of an installed distribution."""
    for top in {file.parts[0] for file in needed.files or ()} - {"..", "__pycache__"}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(needed.locate_file(top))))


@pytest.fixture
def link_tool() -> Callable[[Distribution, Path], None]:
    """:func:`link`."""
    return link


@pytest.fixture
def linked() -> Callable[[Path], None]:
    """:func:`link_requirements`, for what was installed later."""
    return link_requirements
