"""One-file plugins: a Python file that holds hooks and components together.

The plugin's name is the file's stem, and its specs name their classes as ``"<stem>:Class"``.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType


def file_sha256(file: Path) -> str:
    """SHA-256 of the file's bytes, in hex.

    Raises:
        OSError: the file cannot be read.
    """
    return hashlib.sha256(file.read_bytes()).hexdigest()


def module_name(file: Path, sha256: str) -> str:
    """Import name of the file's module.

    It depends on place and content, so that it shadows no installed module, an edited file is
    loaded anew, and an unchanged one keeps its classes.
    """
    key = hashlib.sha256(f"{file}\0{sha256}".encode()).hexdigest()[:12]
    return f"mm_local_{file.stem}_{key}"


def import_file(file: Path, name: str) -> ModuleType:
    """Import ``file`` as module ``name``; a failed import leaves nothing behind.

    Raises:
        ImportError: the file is no Python file.
    """
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"{file} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    # pydantic and dataclasses look up a class's module here while the file still runs.
    sys.modules[name] = module
    done = False
    try:
        # Not by the loader: its cache of bytecode takes an edit within one second for no edit.
        exec(compile(file.read_bytes(), str(file), "exec"), module.__dict__)
        done = True
    finally:
        if not done:
            del sys.modules[name]
    return module
