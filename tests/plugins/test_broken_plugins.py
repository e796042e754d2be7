"""Rule 4 and 6: a broken plugin is reported with cause and remedy, and breaks nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mm_core.api import IncompatiblePluginError, PluginLoadError, UnknownComponentError
from mm_core.api.specs import BackboneSpec, FusionHeadSpec, MetricSpec, TaskSpec
from mm_core.plugins import PluginProblem, Registry

INFO = """
@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture")
"""
HEAD = 'FusionHeadSpec(name="x", target="{module}:X", summary="x")'

BROKEN = {
    "import": ("import module_that_is_not_there_42", "module_that_is_not_there_42"),
    "syntax": ("def (:", "SyntaxError"),
    "exits": ("raise SystemExit(3)", "SystemExit"),
    "hook": (
        INFO + "@hookimpl\ndef mm_tasks():\n    raise KeyError('lost')\n",
        "mm_tasks failed: KeyError: 'lost'",
    ),
    "typo": (INFO + "@hookimpl\ndef mm_task():\n    return []\n", "unknown hook 'mm_task'"),
    "argument": (INFO + "@hookimpl\ndef mm_tasks(what):\n    return []\n", "what"),
    "wrongtype": (
        INFO + f"@hookimpl\ndef mm_tasks():\n    return [{HEAD}]\n",
        "not a list of TaskSpec",
    ),
    "notalist": (
        INFO + f"@hookimpl\ndef mm_fusion_heads():\n    return {HEAD}\n",
        "not a list of FusionHeadSpec",
    ),
    "nothing": (INFO + "@hookimpl\ndef mm_tasks():\n    pass\n", "returned None"),
    "noinfo": (f"@hookimpl\ndef mm_fusion_heads():\n    return [{HEAD}]\n", "mm_plugin_info"),
    "twice": (
        INFO + f"@hookimpl\ndef mm_fusion_heads():\n    return [{HEAD}, {HEAD}]\n",
        "two components for 'fusion_head x'",
    ),
    "badspec": (
        INFO + "@hookimpl\ndef mm_tasks():\n    return [TaskSpec(name='Upper Case')]\n",
        "mm_tasks failed: TaskSpec.name = 'Upper Case' is not of the form",
    ),
}


def problem_of(registry: Registry, name: str) -> PluginProblem:
    (found,) = [problem for problem in registry.problems if problem.name == name]
    return found


@pytest.mark.usefixtures("good")
def test_all_broken_plugins_at_once_leave_the_good_one_and_the_core(
    install: Callable[..., str],
) -> None:
    for name, (body, _) in BROKEN.items():
        install(name, body)
    registry = Registry()
    assert registry.get(FusionHeadSpec, "good:shiny").plugin.version == "1.2"
    assert registry.get(TaskSpec, "binary").id == "core:binary"
    assert {plugin.name for plugin in registry.plugins} & set(BROKEN) == set()
    for kind in (TaskSpec, FusionHeadSpec, MetricSpec):
        assert not [c.id for c in registry.all(kind) if c.plugin.name in BROKEN]
    for name, (_, cause) in BROKEN.items():
        problem = problem_of(registry, name)
        assert (problem.distribution, problem.version) == (f"mm-{name}", "1.2")
        assert isinstance(problem.error, PluginLoadError)
        assert problem.error.plugin == name
        assert cause in problem.error.message
        assert f"mm-{name} 1.2" in problem.error.message
        assert problem.error.remedy


def test_a_failing_hook_leaves_none_of_the_plugins_other_components(
    install: Callable[..., str],
) -> None:
    body = f"@hookimpl\ndef mm_fusion_heads():\n    return [{HEAD}]\n"
    install("half", INFO + body + "@hookimpl\ndef mm_tasks():\n    raise ValueError('late')\n")
    registry = Registry()
    assert "half:x" not in [component.id for component in registry.all(FusionHeadSpec)]


def test_remedy_says_what_to_type(install: Callable[..., str]) -> None:
    install("import", BROKEN["import"][0])
    error = problem_of(Registry(), "import").error
    assert "pip install --upgrade --force-reinstall mm-import" in (error.remedy or "")
    assert "MM_DISABLE_PLUGINS=import" in (error.remedy or "")


@pytest.mark.parametrize(
    ("api", "remedy"),
    [
        ((2, 99), "pip install --upgrade mm-core"),
        ((3, 0), "pip install --upgrade mm-core"),
        ((0, 9), "pip install --upgrade --force-reinstall mm-other"),
    ],
)
def test_incompatible_api_is_said_in_one_sentence(
    install: Callable[..., str], api: tuple[int, int], remedy: str
) -> None:
    # The hook of a later API would be called misspelt, were the version not looked at first.
    install(
        "other",
        f"@hookimpl\ndef mm_plugin_info():\n    return PluginInfo(api={api}, summary='x')\n"
        "@hookimpl\ndef mm_hook_of_the_future():\n    return []\n",
    )
    error = problem_of(Registry(), "other").error
    assert isinstance(error, IncompatiblePluginError)
    assert error.value == api
    assert error.remedy == remedy
    assert "\n" not in error.message
    assert f"{api[0]}.{api[1]}" in error.message


def test_import_of_a_name_this_core_lacks_points_to_the_core(install: Callable[..., str]) -> None:
    install("newer", "from mm_core.api import NothingOfToday")
    assert "pip install --upgrade mm-core" in (problem_of(Registry(), "newer").error.remedy or "")


@pytest.mark.usefixtures("good")
def test_same_entry_point_name_twice_names_both_distributions(install: Callable[..., str]) -> None:
    install("double", INFO, distribution="mm-one")
    install("double", INFO, distribution="mm-two")
    registry = Registry()
    problem = problem_of(registry, "double")
    assert problem.distribution == "mm-one, mm-two"
    assert "mm-one 1.2" in problem.error.message
    assert "mm-two 1.2" in problem.error.message
    assert "double" not in [plugin.name for plugin in registry.plugins]
    assert registry.get(FusionHeadSpec, "shiny").id == "good:shiny"


@pytest.mark.parametrize("name", ["core", "Upper"])
def test_reserved_and_malformed_names_are_refused(install: Callable[..., str], name: str) -> None:
    install(name, INFO, distribution="mm-odd")
    registry = Registry()
    assert "mm-odd" in problem_of(registry, name).error.message
    assert registry.get(TaskSpec, "core:binary").plugin.distribution == "mm-core"


def test_strict_raises_the_problem(
    install: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("aaa_broken", BROKEN["import"][0])
    monkeypatch.setenv("MM_STRICT_PLUGINS", "1")
    with pytest.raises(PluginLoadError) as caught:
        Registry()
    assert caught.value.plugin == "aaa_broken"


def test_look_up_in_a_broken_plugin_tells_its_cause(install: Callable[..., str]) -> None:
    install("import", BROKEN["import"][0])
    registry = Registry()
    with pytest.raises(UnknownComponentError) as caught:
        registry.get(BackboneSpec, "import:net")
    assert "module_that_is_not_there_42" in caught.value.message
    assert "--force-reinstall mm-import" in (caught.value.remedy or "")
    assert caught.value.plugin == "import"
    with pytest.raises(UnknownComponentError) as caught:  # a short name may be the broken one's
        registry.get(BackboneSpec, "net")
    assert "module_that_is_not_there_42" in caught.value.message
