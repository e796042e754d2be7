"""``mm plugins doctor``: each plugin in a process of its own, whatever is wrong with it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mm_core.api import UnknownComponentError
from mm_core.testing.authoring.doctor import examine
from mm_core.testing.authoring.findings import Diagnosis
from mm_core.testing.authoring.targets import find_module, missing_imports, missing_target

Install = Callable[..., str]

INFO = """
@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="a fixture", samples="{module}:SAMPLES")
"""
HEAD = """
@hookimpl
def mm_fusion_heads():
    return [FusionHeadSpec(name="x", summary="x", target="{module}:X", <more>)]


class X:
    pass
"""


def head(more: str = "") -> str:
    return INFO + HEAD.replace("<more>", more)


BROKEN = {
    "absent": ("import module_that_is_not_there_42", "import", "module_that_is_not_there_42"),
    "syntax": ("def (:", "import", "SyntaxError"),
    "exits": ("raise SystemExit(3)", "import", "SystemExit: 3"),
    "raises": (
        INFO + "@hookimpl\ndef mm_tasks():\n    raise KeyError('lost')\n",
        "hook",
        "mm_tasks failed: KeyError: 'lost'",
    ),
    "typo": (INFO + "@hookimpl\ndef mm_task():\n    return []\n", "misspelt-hook", "'mm_task'"),
    "wrongtype": (
        INFO + "@hookimpl\ndef mm_tasks():\n    return [3]\n",
        "hook",
        "not a list of TaskSpec",
    ),
    "twice": (
        INFO + "H = FusionHeadSpec(name='x', target='{module}:X', summary='x')\n"
        "@hookimpl\ndef mm_fusion_heads():\n    return [H, H]\n",
        "hook",
        "two components for 'fusion_head x'",
    ),
    "unmarked": (
        head() + "\ndef mm_metrics():\n    return []\n",
        "unmarked-hook",
        "mm_metrics has no @hookimpl",
    ),
    "future": (
        "@hookimpl\ndef mm_plugin_info():\n    return PluginInfo(api=(2, 99), summary='x')\n"
        "@hookimpl\ndef mm_hook_of_the_future():\n    return []\n",
        "api",
        "plugin API 2.99",
    ),
    "heavy": ("import numpy\n" + head(), "heavy-import", "import numpy"),
    "nowhere": (
        head().replace("{module}:X", "mmfix_not_there.net:X"),
        "target",
        "there is no module 'mmfix_not_there'",
    ),
    "nobody": (head().replace("{module}:X", "{module}:Xx"), "target", "has no 'Xx'"),
    "noconfig": (head("config='{module}:X'"), "config", "not a subclass of mm_core.api.Config"),
    "bare": (
        "from mm_core.api import Config\n\nclass Bare(Config):\n    width: int = 3\n"
        + head("config='{module}:Bare'"),
        "config",
        "settings without a description: width",
    ),
    "dangling": (
        INFO + "@hookimpl\ndef mm_presets():\n    return [PresetSpec(name='p', summary='p', "
        "components=('dangling:gone',), values={})]\n",
        "id",
        "names 'dangling:gone'",
    ),
    "crash": ("import os\nos._exit(7)", "crash", "with exit code 7 while importing"),
    "segfault": ("import ctypes\nctypes.string_at(0)", "crash", "by SIGSEGV while importing"),
    "hangs": ("import time\ntime.sleep(600)", "timeout", "not done after 4 s of importing"),
}


def one(found: list[Diagnosis], name: str) -> Diagnosis:
    (diagnosis,) = [diagnosis for diagnosis in found if diagnosis.name == name]
    return diagnosis


@pytest.fixture
def only_fixtures(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let nothing but these plugins count."""

    def only(*names: str) -> None:
        monkeypatch.setenv("MM_PLUGINS", ",".join(names))

    return only


@pytest.mark.usefixtures("good")
def test_all_broken_plugins_at_once_each_get_their_finding(
    install: Install, only_fixtures: Callable[..., None]
) -> None:
    for name, (body, _, _) in BROKEN.items():
        install(name, body)
    only_fixtures("good", *BROKEN)
    started = time.monotonic()
    found = examine(time_limit=4)
    assert time.monotonic() - started < 60
    assert [diagnosis.name for diagnosis in found] == sorted(["core", "good", *BROKEN])
    assert one(found, "good").wrong == 0
    assert one(found, "good").components == {"fusion_head": ["good:shiny"]}
    for name, (_, code, message) in BROKEN.items():
        findings = [finding for finding in one(found, name).findings if finding.severity == "wrong"]
        assert [finding.code for finding in findings] == [code], (name, findings)
        assert message in findings[0].message
        assert findings[0].remedy
    assert "rename it to mm_tasks" in one(found, "typo").findings[0].remedy
    for name in ("crash", "hangs"):
        assert f"MM_DISABLE_PLUGINS={name}" in one(found, name).findings[0].remedy
    for name in ("absent", "raises", "typo", "heavy", "segfault", "hangs"):
        message = one(found, name).findings[0].message
        assert f"_{name}.py, line " in message, message  # where to look


def test_a_plugin_without_samples_is_only_advised(good: str) -> None:
    (found,) = examine("good")
    assert [(finding.code, finding.severity) for finding in found.findings] == [
        ("samples", "advice")
    ]
    assert f"{good}.samples:SAMPLES" in found.findings[0].remedy


def test_one_name_used_twice_is_looked_at_twice(install: Install) -> None:
    install("double", INFO, distribution="mm-one")
    install("double", "import nothing_of_the_kind", distribution="mm-two")
    found = examine("double")
    assert [diagnosis.distribution for diagnosis in found] == ["mm-one", "mm-two"]
    for diagnosis in found:
        assert diagnosis.findings[0].code == "name"
        assert "mm-one 1.2 and by mm-two 1.2" in diagnosis.findings[0].message
    assert "import" in [finding.code for finding in found[1].findings]


def test_a_short_name_of_two_plugins_is_told(
    install: Install, only_fixtures: Callable[..., None]
) -> None:
    install("one", head())
    install("two", head())
    only_fixtures("one", "two")
    finding = one(examine(), "two").findings[-1]
    assert (finding.code, finding.severity) == ("shared-name", "advice")
    assert "one:x, two:x" in finding.message
    assert finding.remedy == "write 'two:x' in full"


def test_a_heavy_import_is_charged_to_the_line_that_asks_for_it(
    install: Install, site: Path
) -> None:
    (site / "mmfix_middle.py").write_text("\n\nimport pandas\n")
    install("deep", "import mmfix_middle\n" + head())
    (found,) = examine("deep")
    (finding,) = found.findings
    assert "mmfix_middle.py, line 3" in finding.message
    assert "pandas and with it" in finding.message  # numpy came with it, nobody wrote that line
    assert {"pandas", "numpy"} <= set(found.heavy)
    assert found.import_ms
    assert found.import_ms > 50


def test_a_one_file_plugin_may_be_heavy_and_its_targets_are_looked_up(tmp_path: Path) -> None:
    file = tmp_path / "my_head.py"
    file.write_text(
        "import numpy\nfrom mm_core.api import FusionHeadSpec, PluginInfo, hookimpl\n"
        + head().replace("{module}", "my_head").replace("my_head:X", "my_head:Xylo")
        + "\nclass Xyloo:\n    pass\n"
    )
    (found,) = examine("my_head", [file])
    assert [finding.code for finding in found.findings] == ["target"]
    assert found.findings[0].remedy == "write 'Xyloo'"


def test_turned_off_plugins_are_left_out_unless_asked_for(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("hangs", "import time\ntime.sleep(600)")
    monkeypatch.setenv("MM_PLUGINS", "absent_one")
    monkeypatch.setenv("MM_DISABLE_PLUGINS", "hangs")
    found = examine()
    assert [diagnosis.name for diagnosis in found] == ["absent_one", "core"]
    assert "is not installed" in found[0].findings[0].message
    assert examine("hangs", time_limit=2)[0].findings[0].code == "timeout"


def test_unknown_names_are_helped(install: Install, far: None) -> None:
    install("shiny", head())
    with pytest.raises(UnknownComponentError, match="did you mean 'shiny'"):
        examine("shini")
    with pytest.raises(UnknownComponentError, match="pip install mm-far"):
        examine("far")


def test_the_doctor_itself_stays_light(site: Path, install: Install) -> None:
    install("heavy", "import numpy\n" + head())
    code = (
        "import sys\nfrom mm_core.testing.authoring.doctor import examine\n"
        f"sys.path.insert(0, {str(site)!r})\n"
        "found = examine('heavy')\n"
        "import json\n"
        "names = ('torch', 'pandas', 'numpy', 'transformers')\n"
        "print(json.dumps([found[0].heavy, [n for n in names if n in sys.modules]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [["numpy"], []]


def test_targets_are_found_without_importing_what_they_are_in(site: Path) -> None:
    package = site / "mmfix_pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "net.py").write_text(
        "import no_such_framework\nfrom mmfix_pack.layers import Layer\n"
        "try:\n    import no_such_option\nexcept ImportError:\n    pass\n\n\nclass Net:\n    pass\n"
    )
    (package / "layers.py").write_text("import no_such_thing.at_all\nLayer = object\n")
    assert find_module("mmfix_pack.net") is not None
    assert find_module("mmfix_pack.gone") is None
    assert missing_target("mmfix_pack.net", "Net") is None
    assert missing_target("mmfix_pack.gone.deeper", "Net") == (
        "there is no module 'mmfix_pack.gone'"
    )
    assert list(missing_imports("mmfix_pack.net")) == [
        ("mmfix_pack.net", "no_such_framework"),
        ("mmfix_pack.layers", "no_such_thing.at_all"),
    ]
    assert not [name for name in sys.modules if name.startswith("mmfix_pack")]


def test_a_name_made_at_run_time_is_found_by_importing(site: Path) -> None:
    (site / "mmfix_late.py").write_text("globals()['Net'] = object\n")
    assert missing_target("mmfix_late", "Net") is None
    assert missing_target("mmfix_late", "Nett") == ("mmfix_late has no 'Nett'; did you mean 'Net'?")
