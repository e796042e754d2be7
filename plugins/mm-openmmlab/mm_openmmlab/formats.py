"""Checkpoints of OpenMMLab, told from outside: nothing in them is read here. Light."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mm_core.api import CheckpointFormat, CheckpointMiss

_ELSEWHERE = CheckpointMiss(
    reason="OpenMMLab's weights are not on the Hugging Face hub",
    remedy="download the .pth that the config's page in the model zoo links, and name the file: "
    "checkpoint=./model.pth",
)


class PthFile(CheckpointFormat):
    """A ``.pth`` as OpenMMLab publishes it, or a folder with one in it, as ``mim download`` makes.

    Details: ``file``, its name in the folder; empty where the path is the file itself.
    """

    def recognise(
        self, path: Path, name: str, told: Mapping[str, Any]
    ) -> dict[str, Any] | CheckpointMiss:
        """By its ending, and as an archive of torch's."""
        if path.is_dir():
            files = sorted(path.glob("*.pth"))
            if len(files) != 1:
                return CheckpointMiss(
                    reason=f"the folder {path} has {len(files)} .pth files, not one"
                )
            found = self.recognise(files[0], name, told)
            return found if isinstance(found, CheckpointMiss) else {"file": files[0].name}
        if path.suffix != ".pth":
            return CheckpointMiss(reason=f"{path} is no .pth file")
        if not zipfile.is_zipfile(path):
            return CheckpointMiss(
                reason=f"{path} is no archive as torch has written them since 1.6",
                remedy="download it again, or save it anew by a torch of today",
            )
        return {"file": ""}

    def repository(self, name: str) -> str | CheckpointMiss:
        """There is none."""
        return _ELSEWHERE
