"""The errors of a look-up that failed: what is near, what is installed, what could be."""

from __future__ import annotations

from collections.abc import Sequence

from mm_core.api.config import suggest
from mm_core.api.errors import AmbiguousComponentError, UnknownComponentError
from mm_core.plugins.discovery import PluginProblem
from mm_core.plugins.known import install_line, plugin_offering


def unknown(
    kind: str,
    name: str,
    ids: Sequence[str],
    plugins: Sequence[str],
    problems: Sequence[PluginProblem],
) -> UnknownComponentError:
    """No component of that kind is called ``name``.

    Args:
        kind: the kind looked for.
        name: the name looked for.
        ids: ids of all components of that kind.
        plugins: names of the loaded plugins.
        problems: plugins that are there but not used.
    """
    prefix = name.split(":", 1)[0] if ":" in name else None
    broken = [problem for problem in problems if problem.name == prefix]
    suspects = broken if prefix else problems  # a short name may have come from any of them
    causes = [f"\n    not used: {p.error.message}" for p in suspects]
    if broken:
        remedies = [problem.error.remedy or "reinstall it" for problem in broken]
    else:
        remedies = _remedies(kind, name, ids, plugins)
    return UnknownComponentError(
        f"no {_words(kind)} is called {name!r}" + "".join(causes),
        plugin=prefix,
        value=name,
        remedy="; ".join(remedies),
    )


def ambiguous(kind: str, name: str, ids: Sequence[str]) -> AmbiguousComponentError:
    """The short name fits several components."""
    return AmbiguousComponentError(
        f"{_words(kind)} {name!r} is offered by several plugins: {', '.join(ids)}",
        value=list(ids),
        remedy=f"write the full id, such as {ids[0]!r}",
    )


def _remedies(kind: str, name: str, ids: Sequence[str], plugins: Sequence[str]) -> list[str]:
    remedies = []
    near = _nearest(name, ids)
    if near:
        remedies.append(f"did you mean {near!r}?")
        if near.endswith(f"_{name}"):  # who says classification may not mean a few_shot_ one
            remedies.append(f"installed: {', '.join(ids)}")
    owner = plugin_offering(kind, name)
    line = install_line(owner) if owner and owner not in plugins else None
    if line:
        remedies.append(line)
    return remedies or [f"installed: {', '.join(ids) or 'none'}"]


def _nearest(name: str, ids: Sequence[str]) -> str | None:
    if ":" in name:
        return suggest(name, list(ids))
    by_short = {one.split(":", 1)[1]: one for one in ids}
    near = suggest(name, list(by_short))
    return by_short[near] if near else None


def _words(kind: str) -> str:
    return kind.replace("_", " ")
