"""What a failed look-up says, word for word: message, and what to type."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint

import pytest

from mm_core.api import AmbiguousComponentError, PluginError, UnknownComponentError
from mm_core.api.hookspecs import ENTRY_POINT_GROUP
from mm_core.api.specs import BackboneSpec, ComponentSpec, FitterSpec, FusionHeadSpec, MetricSpec
from mm_core.plugins import Registry

INFO = """
@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")


@hookimpl
def mm_fusion_heads():
    return [FusionHeadSpec(name="shiny", target="{module}:Head", summary="h")]
"""


@pytest.fixture
def registry(install: Callable[..., str]) -> Registry:
    """The core, two plugins with a head of one name, a broken one; nothing that is installed."""
    names = {"alpha": INFO, "beta": INFO, "wreck": "import module_that_is_not_there_42"}
    modules = {name: install(name, body) for name, body in names.items()}
    return Registry([EntryPoint(name, one, ENTRY_POINT_GROUP) for name, one in modules.items()])


def said(registry: Registry, kind: type[ComponentSpec], name: str) -> PluginError:
    with pytest.raises(PluginError) as caught:
        registry.get(kind, name)
    return caught.value


WRECK = (
    "not used: plugin 'wreck' (unknown distribution) cannot be loaded: "
    "import failed: ModuleNotFoundError: No module named 'module_that_is_not_there_42'"
)


def test_ambiguous(registry: Registry) -> None:
    error = said(registry, FusionHeadSpec, "shiny")
    assert type(error) is AmbiguousComponentError
    assert str(error) == (
        "fusion head 'shiny' is offered by several plugins: alpha:shiny, beta:shiny\n"
        "  -> write the full id, such as 'alpha:shiny'"
    )
    assert error.value == ["alpha:shiny", "beta:shiny"]


def test_unknown_with_suggestion(registry: Registry) -> None:
    error = said(registry, FusionHeadSpec, "core:concat_mpl")
    assert type(error) is UnknownComponentError
    assert str(error) == (
        "no fusion head is called 'core:concat_mpl'\n  -> did you mean 'core:concat_mlp'?"
    )
    assert (error.plugin, error.value) == ("core", "core:concat_mpl")


def test_unknown_without_anything_near(registry: Registry) -> None:
    assert str(said(registry, FusionHeadSpec, "core:zzz")) == (
        "no fusion head is called 'core:zzz'\n"
        "  -> installed: alpha:shiny, beta:shiny, "
        "core:concat_mlp, core:hybrid, core:logit, core:mean"
    )


def test_the_end_of_another_name_may_be_no_slip(registry: Registry) -> None:
    """As ``classification`` of ``few_shot_classification``: what else there is is listed too."""
    line = str(said(registry, MetricSpec, "auc")).splitlines()[-1]
    assert line.startswith("  -> did you mean 'core:roc_auc'?; installed: core:accuracy, ")
    assert "installed" not in str(said(registry, MetricSpec, "rok_auc"))


@pytest.mark.parametrize(
    ("kind", "name", "words", "line"),
    [
        (BackboneSpec, "text:hf", "backbone", "pip install mm-text"),
        (FitterSpec, "trees:catboost", "fitter", "pip install mm-trees"),
    ],
)
def test_known_but_not_installed(
    registry: Registry, kind: type[ComponentSpec], name: str, words: str, line: str
) -> None:
    assert str(said(registry, kind, name)) == f"no {words} is called {name!r}\n  -> {line}"


@pytest.mark.usefixtures("far")
def test_known_short_name_but_not_installed_beside_a_broken_plugin(registry: Registry) -> None:
    # A short name may be the broken one's: so its cause is told besides.
    assert str(said(registry, FusionHeadSpec, "tensor_train")) == (
        f"no fusion head is called 'tensor_train'\n    {WRECK}\n  -> pip install mm-far"
    )


def test_broken(registry: Registry) -> None:
    error = said(registry, BackboneSpec, "wreck:net")
    assert type(error) is UnknownComponentError
    assert str(error) == (
        f"no backbone is called 'wreck:net'\n    {WRECK}\n"
        "  -> pip install --upgrade --force-reinstall wreck; "
        "or go on without it: MM_DISABLE_PLUGINS=wreck"
    )
    assert error.plugin == "wreck"


def test_broken_as_installed(install: Callable[..., str]) -> None:
    install("wreck", "import module_that_is_not_there_42")
    assert str(said(Registry(), BackboneSpec, "wreck:net")) == (
        "no backbone is called 'wreck:net'\n    "
        + WRECK.replace("unknown distribution", "mm-wreck 1.2")
        + "\n  -> pip install --upgrade --force-reinstall mm-wreck; "
        "or go on without it: MM_DISABLE_PLUGINS=wreck"
    )
