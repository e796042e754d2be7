"""From an installed plugin and its samples to the list of cases."""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from mm_core.api.config import suggest
from mm_core.api.errors import ConfigError, PluginLoadError, UnknownComponentError
from mm_core.api.samples import Samples, Trial
from mm_core.api.specs import ConfigurableSpec
from mm_core.plugins.loading import Plugin, component_hooks
from mm_core.plugins.registry import Component, Registry
from mm_core.testing.authoring.targets import find_module
from mm_core.testing.outcome import Case, Check, NotTried, checks_in
from mm_core.testing.subject import PluginSubject, Subject

KIT = Path(__file__).with_name("kit_points.py")
"""One-file plugin that brings inputs for fits of components that bring none."""

_CHECKS: Mapping[str, tuple[str, ...]] = {
    "modality": ("modalities",),
    "processor": ("processors",),
    "backbone": ("backbones",),
    "adapter": ("adapters",),
    "fusion_head": ("fusion_heads",),
    "task": ("tasks", "topologies"),
    "loss": ("losses",),
    "metric": ("metrics",),
    "fitter": ("fitters",),
    "checkpoint_format": ("checkpoint_formats",),
    "checkpoint_source": ("checkpoint_sources",),
    "preset": ("presets",),
    "exporter": ("exporters",),
    "runtime": ("runtimes",),
    "reader": ("readers",),
    "command": ("commands",),
    "method": ("methods",),
    "note": ("notes",),
    "recipe_ready": ("listeners",),
    "fit_end": ("listeners",),
    "artifact_saved": ("listeners",),
}
"""Kind of component -> its modules of checks in ``mm_core.testing.checks``."""


def cases(name: str, files: Sequence[Path] = ()) -> list[Case]:
    """All checks of all components of a plugin.

    Args:
        name: the plugin: its entry point's name, or the stem of one of ``files``.
        files: one-file plugins.

    Raises:
        UnknownComponentError: there is no such plugin.
        PluginLoadError: it cannot be loaded, or its samples cannot.
        ConfigError: its samples name a component or a check that is not there.
    """
    registry = Registry(local=[KIT, *files])
    plugin = _plugin(registry, name)
    samples = _samples(plugin)
    whole = PluginSubject(
        plugin, registry, samples
    )  # one: what the doctor finds is looked for once
    found = [
        Case("plugin", check, whole, samples.xfail.get(check.name))
        for check in _plugin_checks(plugin)
    ]
    for subject in subjects(plugin, registry, files):
        found += _cases(subject)
    _no_lost_xfail(plugin, samples.xfail, [case.check for case in found if case.group == "plugin"])
    return found


def subjects(plugin: Plugin, registry: Registry, files: Sequence[Path]) -> list[Subject[Any]]:
    """Each component of a plugin with each of its trials."""
    samples = _samples(plugin)
    components = [
        component
        for kind in sorted(component_hooks().values(), key=lambda spec: spec.kind)
        for component in registry.all(kind)
        if component.plugin == plugin
    ]
    _no_lost_trial(plugin, samples, components)
    return [
        Subject(component, trial, samples, registry, tuple(files))
        for component in components
        for trial in _trials(component, samples)
    ]


def subject_of(key: Sequence[Any], files: Sequence[Path]) -> Subject[Any]:
    """The subject of a key, found again in another process."""
    registry = Registry(local=[KIT, *files])
    found = subjects(_plugin(registry, key[0]), registry, files)
    return next(subject for subject in found if subject.key == list(key))


def _cases(subject: Subject[Any]) -> list[Case]:
    spec = subject.spec
    modules = _CHECKS.get(spec.kind, ())
    if isinstance(spec, ConfigurableSpec):
        modules = ("settings", *modules)
    absent = [name for name in subject.trial.needs if find_module(name) is None]
    checks = [
        check if name == "settings" or not absent else _not_tried(check, absent)
        for name in modules
        for check in checks_in(_module(name))
    ]
    _no_lost_xfail(subject.component.plugin, subject.trial.xfail, checks)
    group = f"{spec.kind} {spec.name}{_apart(subject)}"
    return [Case(group, check, subject, subject.trial.xfail.get(check.name)) for check in checks]


def _not_tried(check: Check, absent: Sequence[str]) -> Check:
    """The rule where what it would be tried with is not installed."""

    def run(_: Any) -> None:
        raise NotTried(f"{', '.join(absent)} is not installed: an extra of the plugin")

    return replace(check, run=run)


def _apart(subject: Subject[Any]) -> str:
    """What tells a trial from the others of its component."""
    others = _trials(subject.component, subject.samples)
    said = ", ".join(f"{name}={value}" for name, value in subject.trial.settings.items())
    return f" ({said})" if len(others) > 1 else ""


def _plugin_checks(plugin: Plugin) -> tuple[Check, ...]:
    """A one-file plugin has no light module to be looked at."""
    return () if plugin.file is not None else checks_in(_module("plugin"))


def _module(name: str) -> ModuleType:
    return importlib.import_module(f"mm_core.testing.checks.{name}")


def _plugin(registry: Registry, name: str) -> Plugin:
    for plugin in registry.plugins:
        if plugin.name == name:
            return plugin
    for problem in registry.problems:
        if problem.name == name:
            raise problem.error
    names = [plugin.name for plugin in registry.plugins]
    near = suggest(name, names)
    raise UnknownComponentError(
        f"no plugin is called {name!r}",
        plugin=name,
        value=name,
        remedy=f"did you mean {near!r}?" if near else f"plugins: {', '.join(names)}",
    )


def _samples(plugin: Plugin) -> Samples:
    target = plugin.info.samples
    if target is None:
        return Samples()
    try:
        found = plugin.find(target)
    except (ImportError, AttributeError) as error:
        raise PluginLoadError(
            f"the samples {target!r} of plugin {plugin.name!r} cannot be imported: {error}",
            plugin=plugin.name,
            value=target,
            remedy="correct PluginInfo(samples=...)",
        ) from error
    if not isinstance(found, Samples):
        raise PluginLoadError(
            f"{target!r} of plugin {plugin.name!r} is {type(found).__name__}, not Samples",
            plugin=plugin.name,
            value=target,
            remedy="give a mm_core.api.Samples",
        )
    return found


def _trials(component: Component[Any], samples: Samples) -> list[Trial]:
    kind, name = component.spec.kind, component.spec.name
    return [t for t in samples.trials if (t.kind, t.name) == (kind, name)] or [Trial(kind, name)]


def _no_lost_trial(plugin: Plugin, samples: Samples, components: Iterable[Component[Any]]) -> None:
    known = {(component.spec.kind, component.spec.name) for component in components}
    for trial in samples.trials:
        if (trial.kind, trial.name) not in known:
            raise ConfigError(
                f"the samples of {plugin.name!r} try a {trial.kind} {trial.name!r}, and there is "
                "none",
                plugin=plugin.name,
                value=trial.name,
                remedy="it has " + ", ".join(" ".join(one) for one in sorted(known)),
            )


def _no_lost_xfail(plugin: Plugin, xfail: Mapping[str, str], checks: Sequence[Check]) -> None:
    names = [check.name for check in checks]
    for name in xfail:
        if name not in names:
            raise ConfigError(
                f"the samples of {plugin.name!r} expect the check {name!r} to fail, and there is "
                "none",
                plugin=plugin.name,
                value=name,
                remedy=f"checks: {', '.join(names)}",
            )
