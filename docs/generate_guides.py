"""Fills the generated parts of docs/plugins/*.md: signatures and rules, copied from the code.

    python docs/generate_guides.py

A part stands between ``<!-- generated: WHAT NAMES -->`` and ``<!-- end -->``:

    contract mm_core.api.processors:Processor ...   the classes, without the bodies of methods
    hook mm_tasks                                  a hook's signature, and where its record is
    rules tasks                                    what a module of mm_core.testing.checks checks

A test compares the files with what this gives, so that no page can drift from the code.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import re
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).parent / "plugins"
PART = re.compile(r"(<!-- generated: (\w+) ([^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(text: str) -> str:
    """A page with every generated part as the code has it now."""
    makers = {"contract": _contract, "hook": _hook, "rules": _rules}
    return PART.sub(lambda found: f"{found[1]}{makers[found[2]](found[3])}\n{found[4]}", text)


def _contract(names: str) -> str:
    classes = "\n\n\n".join(outline(name) for name in names.split())
    return f"```python\n{classes}\n```"


def outline(target: str) -> str:
    """The source of a class: fields, and public methods by signature and docstring."""
    module, _, name = target.partition(":")
    found = getattr(importlib.import_module(module), name)
    source = inspect.getsource(found)
    (tree,) = ast.parse(source).body
    assert isinstance(tree, ast.ClassDef)
    lines = source.splitlines()
    for node in reversed(tree.body):
        if isinstance(node, ast.FunctionDef):
            lines[_first(node) : node.end_lineno] = _method(node, lines)
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip()


def _method(node: ast.FunctionDef, lines: list[str]) -> list[str]:
    """Its lines without its body; none where it is private."""
    if node.name.startswith("_") and not node.name.endswith("__"):
        return []
    first = _first(node)
    if ast.get_docstring(node) is not None:
        return lines[first : node.body[0].end_lineno]
    head = lines[first : node.body[0].lineno - 1] or lines[first : node.lineno]
    last = head[-1].rstrip()
    return [*head[:-1], last if last.endswith("...") else f"{last} ..."]


def _first(node: ast.FunctionDef) -> int:
    """Index of its first line, decorators included."""
    return min([node.lineno, *(one.lineno for one in node.decorator_list)]) - 1


def _hook(name: str) -> str:
    hooks = _beside("generate_hooks")
    function = getattr(hooks.hookspecs, name)
    signature = hooks.signature(name, function)
    anchor = re.sub(r"[^\w -]", "", signature.lower()).replace(" ", "-")
    return f"Hook: [`{signature}`](hooks.md#{anchor})."


def _rules(names: str) -> str:
    from mm_core.testing.outcome import checks_in

    modules = [importlib.import_module(f"mm_core.testing.checks.{name}") for name in names.split()]
    checks = [check for module in modules for check in checks_in(module)]
    return "\n".join(f"- `{check.name}`: {check.says}" for check in checks)


def _beside(name: str) -> ModuleType:
    """A module of this folder, which is no package."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    for page in sorted(FOLDER.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        page.write_text(filled(text), encoding="utf-8")
