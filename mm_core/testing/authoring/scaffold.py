"""Write a new plugin: a package that works, from the templates beside this module.

A template is a file with ``$name`` in its content or path, and the ending ``.tmpl``, so that no
tool takes it for what it will be.
"""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import entry_points, requires
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from packaging.requirements import Requirement

from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError, PluginError
from mm_core.api.hookspecs import ENTRY_POINT_GROUP
from mm_core.plugins.discovery import CORE
from mm_core.plugins.known import install_line

ENDING = ".tmpl"
LONGEST_NAME = 30

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
_AUTHOR = re.compile(r"(?P<name>[^<>]+?)\s*(<(?P<email>[^<>\s]+@[^<>\s]+)>)?")
_TABULAR = "mm-tabular>=0.1,<0.2"


@dataclass(frozen=True)
class Kind:
    """What a template is about.

    Attributes:
        summary: one sentence of the package about itself.
        dependencies: in pyproject.toml, beside the core; a name alone gets the core's own bound.
        test_dependencies: beside pytest.
    """

    summary: str
    dependencies: tuple[str, ...] = ("numpy", "torch")
    test_dependencies: tuple[str, ...] = ()


KINDS = {
    "modality": Kind(
        "Points on the globe as an input of mm.",
        ("numpy", "pandas", "torch"),
    ),
    "backbone": Kind("A residual network for the tables of mm.", (_TABULAR, "torch")),
    "fusion": Kind("A gated fusion head for mm.", ("torch",)),
    "task": Kind("Ordinal regression for mm.", ("numpy", "pandas", "torch")),
    "exporter": Kind("Models of mm as torch.export programs.", test_dependencies=(_TABULAR,)),
    "runtime": Kind("Nearest means for mm.", (_TABULAR, "numpy", "safetensors"), ("pandas",)),
    "command": Kind("Mistakes of a model, the surest first.", ("numpy", "typer"), (_TABULAR,)),
    "reader": Kind("SQLite files as data for mm.", ("pandas",), (_TABULAR,)),
    "listener": Kind("Cards, a journal and advice for models of mm.", (), (_TABULAR,)),
    "adapter": Kind(
        "Learned rotations for backbones of mm.", ("torch",), (_TABULAR, "numpy", "pandas")
    ),
    "loss": Kind("A robust loss of numbers for mm.", ("torch",), (_TABULAR, "numpy", "pandas")),
    "fitter": Kind(
        "Ridge regression of tables for mm.", (_TABULAR, "numpy", "safetensors"), ("pandas",)
    ),
    "metric": Kind("Calibration of the answers of mm.", ("numpy",), (_TABULAR, "pandas")),
}
"""What can be written, by the name of its folder of templates."""


@dataclass(frozen=True)
class Package:
    """The names that a new plugin goes by.

    Attributes:
        kind: one of ``KINDS``.
        name: as typed, such as ``"geo-points"``.
        author: ``"Name <address>"``, ``"Name"``, or None.
    """

    kind: str
    name: str
    author: str | None = None

    @property
    def distribution(self) -> str:
        """What pip installs: ``mm-geo-points``."""
        return f"mm-{self.name.replace('_', '-')}"

    @property
    def package(self) -> str:
        """What Python imports: ``mm_geo_points``."""
        return f"mm_{self.plugin}"

    @property
    def plugin(self) -> str:
        """The entry point's name, the first part of its components' ids: ``geo_points``."""
        return self.name.replace("-", "_")

    def substitutions(self) -> dict[str, str]:
        """Name in a template -> text."""
        kind = KINDS[self.kind]
        return {
            "distribution": self.distribution,
            "package": self.package,
            "plugin": self.plugin,
            "summary": kind.summary,
            "dependencies": _listed("mm-core>=0.1,<0.2", *kind.dependencies),
            "test_dependencies": _listed("pytest>=8.4", *kind.test_dependencies),
            "authors": _authors(self.author),
        }


def write(package: Package, folder: Path) -> list[Path]:
    """Write the package into a new folder.

    Returns:
        The files, relative to the folder, sorted.

    Raises:
        ConfigError: an unknown kind, a name or author that cannot be one, or the folder exists.
        PluginError: the name is taken by a plugin or a module, installed or known.
    """
    _check(package)
    if folder.exists():
        raise ConfigError(
            f"{str(folder)!r} exists already",
            value=str(folder),
            remedy="choose another folder: --out FOLDER",
        )
    values = package.substitutions()
    texts = {
        Path(Template(path.removesuffix(ENDING)).substitute(values)): Template(
            template.read_text(encoding="utf-8")
        ).substitute(values)
        for path, template in templates(package.kind)
    }
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return sorted(texts)


def templates(kind: str) -> Iterator[tuple[str, Traversable]]:
    """(path, file) of every template of a kind; the path has ``/`` and ``$name`` in it."""
    root = files("mm_core.testing.authoring").joinpath("templates")
    for folder in ("common", kind):
        yield from _walk(root.joinpath(folder), "")


def _listed(*requirements: str) -> str:
    """Requirements as the items of a TOML list; of a name alone, what the core requires."""
    required = [Requirement(text) for text in requires("mm-core") or ()]
    core = {one.name: str(one) for one in required if one.marker is None}
    return ", ".join(f'"{core.get(one, one)}"' for one in requirements)


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for item in folder.iterdir():
        path = f"{prefix}{item.name}"
        if item.is_dir():
            yield from _walk(item, f"{path}/")
        elif item.name.endswith(ENDING):
            yield path, item


def _check(package: Package) -> None:
    if package.kind not in KINDS:
        near = suggest(package.kind, list(KINDS))
        raise ConfigError(
            f"there is no template of a {package.kind!r}",
            value=package.kind,
            remedy=f"did you mean {near!r}?" if near else f"kinds: {', '.join(KINDS)}",
        )
    _check_name(package.name)
    if package.author is not None and not _AUTHOR.fullmatch(package.author):
        raise ConfigError(
            f"{package.author!r} is no author",
            value=package.author,
            remedy="write --author 'Name <name@example.org>'",
        )
    _check_free(package)


def _check_name(name: str) -> None:
    if name.startswith(("mm-", "mm_")):
        raise ConfigError(
            f"{name!r} begins with the mm- that is put before it",
            value=name,
            remedy=f"write {name[3:]!r}",
        )
    if _NAME.fullmatch(name) and len(name) <= LONGEST_NAME:
        return
    likely = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-0123456789")[:LONGEST_NAME].strip("-")
    raise ConfigError(
        f"{name!r} cannot be the name of a plugin",
        value=name,
        remedy="use a letter, then lower-case letters and digits, words joined by '-', "
        f"{LONGEST_NAME} characters at most" + (f": {likely!r}" if likely else ""),
    )


def _check_free(package: Package) -> None:
    name = package.plugin
    taken = {entry.name.replace("-", "_"): entry for entry in entry_points(group=ENTRY_POINT_GROUP)}
    if name in taken:
        owner = taken[name].dist
        where = "an installed plugin" if owner is None else f"the plugin of {owner.name}"
    elif name == CORE:
        where = "the core's own plugin"
    elif (line := install_line(name)) is not None:
        where = f"a known plugin ({line})"
    elif importlib.util.find_spec(package.package) is not None:
        where = f"an installed module ({package.package})"
    else:
        return
    raise PluginError(
        f"{package.name!r} is taken by {where}",
        plugin=name,
        value=package.name,
        remedy=f"choose another name, such as {package.name + '-2'!r}",
    )


def _authors(author: str | None) -> str:
    """A line of pyproject.toml, or nothing."""
    found = None if author is None else _AUTHOR.fullmatch(author)
    if found is None:
        return ""
    parts = [f"{key} = {json.dumps(value)}" for key, value in found.groupdict().items() if value]
    return f"authors = [{{ {', '.join(parts)} }}]\n"
