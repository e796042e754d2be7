"""``mmcv._ext`` where mmcv was installed without it: its modules can then be imported. Heavy."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from mm_core.api import PluginError
from mm_openmmlab.operations import OPERATIONS, refused

NAME = "mmcv._ext"


class StandIn(ModuleType):
    """Operations that are said by torch; any other name is a function that says it is missing."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def operation(*_: Any, **__: Any) -> Any:
            raise refused(name)

        operation.__name__ = name
        return operation


def provide() -> ModuleType:
    """The compiled module where there is one, else the stand-in, which stays in ``sys.modules``.

    mmcv's modules bind it when they are imported, and only then.

    Raises:
        PluginError: there is a compiled one, and it cannot be imported. It is not hidden: whoever
            built it wants it.
    """
    if NAME in sys.modules:
        return sys.modules[NAME]
    if importlib.util.find_spec(NAME) is not None:
        try:
            return importlib.import_module(NAME)
        except (ImportError, OSError) as error:
            raise PluginError(
                f"mmcv's compiled operations cannot be imported: {error}",
                plugin="openmmlab",
                value=NAME,
                remedy="build mmcv anew for the torch that is installed, or go without: "
                "pip install --force-reinstall --no-deps onedl-mmcv",
            ) from error
    module = StandIn(NAME, "Operations of mmcv by torch and torchvision, of mm-openmmlab.")
    module.__spec__ = ModuleSpec(NAME, None, origin="mm-openmmlab")
    vars(module).update(OPERATIONS)
    sys.modules[NAME] = module
    return module
