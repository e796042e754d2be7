"""Print the lowest versions that the core and the plugins promise to work with, as constraints.

python tests/lowest/constraints.py > lowest.txt
"""

from __future__ import annotations

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]


def lowest() -> dict[str, Version]:
    """Package -> its lowest version; of several bounds the highest, which is what pip can do."""
    found: dict[str, Version] = {}
    for file in [ROOT / "pyproject.toml", *sorted(ROOT.glob("plugins/*/pyproject.toml"))]:
        project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
        for requirement in map(Requirement, project["dependencies"]):
            bounds = [Version(one.version) for one in requirement.specifier if one.operator == ">="]
            if not requirement.name.startswith("mm-"):
                name = requirement.name.replace("_", "-").lower()
                found[name] = max([*bounds, found.get(name, Version("0"))])
    return found


if __name__ == "__main__":
    for name, version in sorted(lowest().items()):
        print(f"{name}=={version}")
