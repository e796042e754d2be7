"""Does a target exist? Decided by reading source files; nothing is imported where that is enough.

A heavy module need not be imported to be told that ``"mm_x.net:Nett"`` is misspelt, or that it
imports a package that is not installed.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec

from mm_core.api.config import suggest
from mm_core.testing.authoring.heavy import ImportWatch


def find_module(name: str) -> ModuleSpec | None:
    """Where ``name`` ("a.b.c") would be imported from; its parents are not imported."""
    path = None
    spec = None
    parts = name.split(".")
    for depth in range(1, len(parts) + 1):
        spec = _find(".".join(parts[:depth]), path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
        if path is None and depth < len(parts):
            return None
    return spec


def missing_target(module: str, name: str) -> str | None:
    """Why ``module`` has no ``name``, or None: it has it.

    Where the source does not tell (a star import, a name set at run time), the module is imported.
    """
    spec = find_module(module)
    if spec is None:
        return f"there is no module {_missing_part(module)!r}"
    tree = _tree(spec)
    if tree is not None and name in _names(tree):
        return None
    return _missing_at_run_time(module, name)


def missing_imports(module: str) -> Iterator[tuple[str, str]]:
    """(importing module, module it needs that is not there), through modules of its own package.

    Only imports at the top of a module count: those inside functions, ``if`` and ``try`` may be
    optional.
    """
    own = module.partition(".")[0]
    waiting, seen = [module], {module}
    while waiting:
        here = waiting.pop()
        spec = find_module(here)
        tree = None if spec is None else _tree(spec)
        for wanted in () if tree is None else _imports(tree):
            if wanted in seen:
                continue
            seen.add(wanted)
            if find_module(wanted) is None:
                yield here, wanted
            elif wanted.partition(".")[0] == own:
                waiting.append(wanted)


def _find(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if isinstance(finder, ImportWatch) or not hasattr(finder, "find_spec"):
            continue
        spec = finder.find_spec(name, path)
        if spec is not None:
            return spec
    return None


def _missing_part(name: str) -> str:
    """The first part of a module's name that is not there."""
    parts = name.split(".")
    names = [".".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
    return next((one for one in names if find_module(one) is None), name)


def _tree(spec: ModuleSpec) -> ast.Module | None:
    """The syntax tree of a module, or None where it has no source that can be read."""
    if not isinstance(spec.loader, InspectLoader):
        return None
    try:
        source = spec.loader.get_source(spec.name)
        return None if source is None else ast.parse(source)
    except (ImportError, SyntaxError, ValueError):  # ValueError: bytes that are no text
        return None


def _names(tree: ast.Module) -> set[str]:
    """Names that surely exist after an import: bound by a statement at the top of the module."""
    found: set[str] = set()
    for node in tree.body:
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                found.add(name)
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                found |= {one.asname or one.name.partition(".")[0] for one in aliases}
            case ast.Assign(targets=targets):
                found |= {one.id for one in targets if isinstance(one, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                found.add(name)
    return found


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in tree.body:
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module


def _missing_at_run_time(module: str, name: str) -> str | None:
    try:
        found = vars(importlib.import_module(module))
        if name in found or hasattr(sys.modules[module], name):
            return None
    except (Exception, SystemExit) as error:  # noqa: BLE001  # a stranger's; it is reported
        return f"{module} cannot be imported: {type(error).__name__}: {error}"
    near = suggest(name, [one for one in found if not one.startswith("_")])
    return f"{module} has no {name!r}" + (f"; did you mean {near!r}?" if near else "")
