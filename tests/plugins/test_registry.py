"""Rule 5: ids, short names, and look-ups that fail helpfully."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mm_core.api import (
    AmbiguousComponentError,
    Config,
    PluginLoadError,
    UnknownComponentError,
)
from mm_core.api.hookspecs import ENTRY_POINT_GROUP
from mm_core.api.specs import (
    AdapterSpec,
    BackboneSpec,
    ComponentSpec,
    ExporterSpec,
    FitterSpec,
    FusionHeadSpec,
    MetricSpec,
    ModalitySpec,
    PresetSpec,
    TaskSpec,
)
from mm_core.plugins import Registry, default_registry
from mm_core.plugins.loading import component_hooks

INFO = """
@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")
"""


def head(name: str) -> str:
    spec = f"FusionHeadSpec(name={name!r}, target='{{module}}:Head', summary='h')"
    return f"{INFO}@hookimpl\ndef mm_fusion_heads():\n    return [{spec}]\n"


def test_id_and_unique_short_name_give_the_same_component(good: str) -> None:
    registry = Registry()
    component = registry.get(FusionHeadSpec, "good:shiny")
    assert registry.get(FusionHeadSpec, "shiny") is component
    assert component.load().__name__ == "Head"
    assert component.load().__module__ == good
    assert component.config_class() is Config


def test_everything_is_sorted_and_core_is_a_plugin_like_others(good: str) -> None:
    registry = Registry()
    names = [plugin.name for plugin in registry.plugins]
    assert names == sorted(names)
    assert {"core", "good"} <= set(names)
    for kind in (TaskSpec, MetricSpec, FusionHeadSpec, PresetSpec):
        ids = [component.id for component in registry.all(kind)]
        assert ids == sorted(ids)
        assert ids
    assert registry.all(ExporterSpec) is not registry.all(ExporterSpec)  # the caller's own list


@pytest.mark.usefixtures("site")
def test_without_plugins_the_core_is_there() -> None:
    registry = Registry(entry_points=[])
    assert [plugin.name for plugin in registry.plugins] == ["core"]
    assert registry.problems == []
    assert registry.get(FitterSpec, "finetune").id == "core:finetune"


@pytest.mark.usefixtures("site")
def test_given_entry_points_do_not_depend_on_the_environment(
    good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib.metadata import EntryPoint

    monkeypatch.setenv("MM_PLUGINS", "")
    registry = Registry([EntryPoint("mine", good, ENTRY_POINT_GROUP)])
    assert registry.get(FusionHeadSpec, "shiny").id == "mine:shiny"
    assert registry.get(FusionHeadSpec, "shiny").plugin.distribution is None


@pytest.mark.usefixtures("good")
def test_ambiguous_short_name_lists_the_candidates(install: Callable[..., str]) -> None:
    install("rival", head("shiny"))
    registry = Registry()
    with pytest.raises(AmbiguousComponentError) as caught:
        registry.get(FusionHeadSpec, "shiny")
    assert caught.value.value == ["good:shiny", "rival:shiny"]
    assert "good:shiny" in (caught.value.remedy or "")
    assert registry.get(FusionHeadSpec, "rival:shiny").plugin.name == "rival"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("concatmlp", "did you mean 'core:concat_mlp'?"),
        ("core:concat_mpl", "did you mean 'core:concat_mlp'?"),
        ("good:shinny", "did you mean 'good:shiny'?"),
        (
            "something_else",
            "installed: core:concat_mlp, core:hybrid, core:logit, core:mean, good:shiny",
        ),
        ("tensor_train", "pip install mm-far"),
        ("far:mbt", "pip install mm-far"),
    ],
)
@pytest.mark.usefixtures("far")
def test_unknown_name_suggests(good: str, asked: str, expected: str) -> None:
    from importlib.metadata import EntryPoint

    registry = Registry([EntryPoint("good", good, ENTRY_POINT_GROUP)])
    with pytest.raises(UnknownComponentError) as caught:
        registry.get(FusionHeadSpec, asked)
    assert expected in (caught.value.remedy or "")
    assert caught.value.value == asked


def test_no_install_line_for_a_plugin_that_is_there(install: Callable[..., str]) -> None:
    from importlib.metadata import EntryPoint

    module = install("peft", head("other"))
    registry = Registry([EntryPoint("peft", module, ENTRY_POINT_GROUP)])
    with pytest.raises(UnknownComponentError) as caught:
        registry.get(FusionHeadSpec, "peft:gmu")
    assert "pip install" not in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("kind", "name", "line"),
    [
        (AdapterSpec, "lora", "pip install mm-peft"),
        (FitterSpec, "catboost", "pip install mm-trees"),
        (BackboneSpec, "text:hf", "pip install mm-text"),
        (BackboneSpec, "ft_transformer", "pip install mm-tabular"),
        (ModalitySpec, "image", "pip install mm-image"),
    ],
)
def test_install_lines_of_known_plugins(kind: type[ComponentSpec], name: str, line: str) -> None:
    with pytest.raises(UnknownComponentError) as caught:
        Registry(entry_points=[]).get(kind, name)
    assert line in (caught.value.remedy or "")


def test_presets_of_one_name_may_serve_several_components(install: Callable[..., str]) -> None:
    def preset(*components: str) -> str:
        return f"PresetSpec(name='fast', summary='s', components={components}, values={{}})"

    two = preset("good:a"), preset("good:b")
    install("presets", f"{INFO}@hookimpl\ndef mm_presets():\n    return [{two[1]}, {two[0]}]\n")
    install("same", f"{INFO}@hookimpl\ndef mm_presets():\n    return [{two[0]}, {two[0]}]\n")
    registry = Registry()
    found = [c for c in registry.all(PresetSpec) if c.plugin.name == "presets"]
    assert [c.id for c in found] == ["presets:fast", "presets:fast"]
    assert [c.spec.components for c in found] == [("good:a",), ("good:b",)]  # type: ignore[attr-defined]
    (problem,) = [p for p in registry.problems if p.name == "same"]
    assert "fast good:a" in problem.error.message


@pytest.mark.parametrize(
    ("more", "attribute", "cause"),
    [
        ({"target": "{module}:Nothing"}, "target", "AttributeError"),
        ({"target": "no_such_module_7:X"}, "target", "no_such_module_7"),
        ({"config": "builtins:dict"}, "config", "not a subclass"),
    ],
)
def test_a_target_that_cannot_be_had_names_component_and_remedy(
    install: Callable[..., str], more: dict[str, str], attribute: str, cause: str
) -> None:
    fields = {"target": "{module}:Head", **more}
    spec = ", ".join(f"{key}='{value}'" for key, value in fields.items())
    install(
        "late",
        INFO
        + "@hookimpl\ndef mm_fusion_heads():\n"
        + f"    return [FusionHeadSpec(name='x', summary='x', {spec})]\n",
    )
    component = Registry().get(FusionHeadSpec, "late:x")  # found without importing the target
    with pytest.raises(PluginLoadError) as caught:
        component.config_class() if attribute == "config" else component.load()
    assert caught.value.plugin == "late:x"
    assert cause in caught.value.message
    assert "mm-late" in (caught.value.remedy or "")


def test_attribute_that_the_spec_leaves_empty(good: str) -> None:
    with pytest.raises(PluginLoadError, match="core:accuracy has no config"):
        Registry(entry_points=[]).get(MetricSpec, "accuracy").load("config")


def test_every_component_hook_is_known_by_its_annotation() -> None:
    hooks = component_hooks()
    assert hooks["mm_tasks"].__name__ == "TaskSpec"
    assert "mm_plugin_info" not in hooks
    assert len({spec.kind for spec in hooks.values()}) == len(hooks) >= 10


def test_default_registry_is_one_per_process() -> None:
    assert default_registry() is default_registry()


def test_every_record_can_be_a_key() -> None:
    """Also where it has dicts: components are looked up by them."""
    registry = Registry()
    for kind in component_hooks().values():
        there = registry.all(kind)
        assert len({one.spec for one in there}) == len(there)
        assert len(set(there)) == len(there)
