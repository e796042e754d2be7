"""A page of documentation as a program: its files are written, its commands run, in its order.

Blocks, by what stands after the backticks:

    python file=NAME      written to NAME, in place of what was there (also toml, text)
    python add-to=NAME    added to NAME
    python                run
    console               run; with ``fails`` its last command must fail
    text                  what the block before it printed: these lines in this order, among others;
                          ``...`` stands for anything; with ``about`` a number for any number

``# here: NAME`` in a file stands for that class or function of an earlier file of the page.
``<!-- with: PAGE -->`` on a page writes the files of another one first. A block behind
``<!-- not run: why -->``, and all between ``<!-- generated:`` and ``<!-- end -->``, is left alone.
``mm`` and Python run in this process, and ``python -m`` in a fork: importing torch anew for each
command would cost minutes.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mm_core.cli.app import app
from mm_core.plugins.registry import default_registry
from mm_core.testing import forked

BLOCK = re.compile(
    r"(?P<left><!-- not run: [^>]+ -->\n)?"
    r"^```(?P<kind>[a-z]+)(?P<options>[^\n]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
FITS = ("lightning.pytorch",)
"""What a process that fits imports."""

GENERATED = re.compile(r"<!-- generated: .*?<!-- end -->", re.DOTALL)
WITH = re.compile(r"<!-- with: (\S+) -->")
HERE = re.compile(r"^# here: (\w+)$", re.MULTILINE)

PIP = f"""\
#!/bin/sh
# pip install, without a network: wheels are built here, and what they need is there already.
for given in "$@"; do
  source=${{given%%\\[*}}
  if [ -f "$source/pyproject.toml" ]; then
    (cd "$source" && {sys.executable} -m hatchling build -t wheel -d "$WHEELS" > /dev/null) &&
    {sys.executable} -m pip install --quiet --no-deps --no-index --disable-pip-version-check \\
      --target "$SITE" "$WHEELS"/*.whl || exit 1
  fi
done
"""


@dataclass(frozen=True)
class Block:
    """A block of code on a page.

    Attributes:
        kind: language, the first word after the backticks.
        options: the other words.
        text: what it holds.
        line: where it begins.
    """

    kind: str
    options: tuple[str, ...]
    text: str
    line: int

    def option(self, name: str) -> str | None:
        """The value of ``name=value``."""
        return next((o.partition("=")[2] for o in self.options if o.startswith(f"{name}=")), None)


def blocks(page: Path) -> Iterator[Block]:
    """The blocks of a page that are run, written or compared."""
    text = page.read_text(encoding="utf-8")
    text = GENERATED.sub(lambda found: "\n" * found[0].count("\n"), text)
    for found in BLOCK.finditer(text):
        if found["left"] is None:
            options = tuple(found["options"].split())
            yield Block(
                found["kind"], options, found["text"], text[: found.start()].count("\n") + 1
            )


class Run:
    """A page in a folder of its own, with ``mm``, Python and a ``pip`` that needs no network."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder / "page"
        self.printed = ""
        self.files: list[Path] = []
        tools, site, wheels = (folder / name for name in ("bin", "site", "wheels"))
        for made in (self.folder, tools, site, wheels):
            made.mkdir(parents=True)
        (tools / "pip").write_text(PIP, encoding="utf-8")
        (tools / "pip").chmod(0o755)
        given = os.environ
        self.environ = {
            **given,
            "COLUMNS": "200",
            "OMP_NUM_THREADS": "1",
            "PATH": os.pathsep.join([str(tools), str(Path(sys.executable).parent), given["PATH"]]),
            "PYTHONPATH": os.pathsep.join([str(site), given.get("PYTHONPATH", "")]),
            "PYTHONWARNINGS": "ignore",
            "SITE": str(site),
            "WHEELS": str(wheels),
        }
        monkeypatch.syspath_prepend(site)
        monkeypatch.syspath_prepend(self.folder)

    def do(self, block: Block) -> None:
        """Write it, run it, or compare it."""
        if (name := block.option("file")) is not None:
            self._write(name, block.text, "w")
        elif (name := block.option("add-to")) is not None:
            self._write(name, f"\n\n{block.text}", "a")
        elif block.kind == "python":
            self._python(block.text)
        elif block.kind == "console":
            self._console(block.text, fails="fails" in block.options)
        elif block.kind == "text":
            self._compare(block.text, about="about" in block.options)

    def _write(self, name: str, text: str, mode: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.files.append(path)
        with path.open(mode, encoding="utf-8") as file:
            file.write(HERE.sub(lambda found: self._definition(found[1]), text))

    def _definition(self, name: str) -> str:
        for path in self.files:
            if path.suffix != ".py":
                continue
            source = path.read_text(encoding="utf-8")
            for node in ast.parse(source).body:
                if getattr(node, "name", None) == name:
                    return ast.get_source_segment(source, node) or ""
        raise AssertionError(f"no file holds {name}")

    def _python(self, text: str) -> None:
        printed = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stdout(printed):
            exec(compile(text, "block", "exec"), {"__name__": "__main__"})
        self.printed = printed.getvalue()

    def _console(self, text: str, *, fails: bool) -> None:
        self.printed = ""
        lines = text.splitlines()
        for line in lines:
            code = self._mm(line) if line.startswith("mm ") else self._shell(line)
            assert (code != 0) == (fails and line == lines[-1]), f"{line}\n{self.printed[-8000:]}"

    def _mm(self, line: str) -> int:
        with contextlib.chdir(self.folder):
            done = CliRunner(env=self.environ).invoke(app, shlex.split(line, comments=True)[1:])
        self.printed += done.output
        if not isinstance(done.exception, SystemExit | None):
            raise done.exception
        return done.exit_code

    def _shell(self, line: str) -> int:
        if line.startswith("python -m "):
            free = {name: self.environ[name] for name in ("COLUMNS", "PYTHONPATH")}
            done = forked.python(
                shlex.split(line)[1:], cwd=self.folder, env={**os.environ, **free}, libraries=FITS
            )
        else:
            done = subprocess.run(
                ["bash", "-c", line],
                cwd=self.folder,
                env=self.environ,
                capture_output=True,
                text=True,
            )
        self.printed += done.stdout + done.stderr
        _look_again()
        return done.returncode

    def _compare(self, text: str, *, about: bool) -> None:
        left = self.printed
        for line in filter(None, (line.strip() for line in text.splitlines())):
            pattern = ".*?".join(re.escape(part) for part in line.split("..."))
            pattern = re.sub(r"\d+", r"\\d+", pattern) if about else pattern
            found = re.search(pattern, left)
            assert found, f"not printed after what stands before it: {line!r}\n{self.printed}"
            left = left[found.end() :]


def follow(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Do all that the page says."""
    run = Run(folder, monkeypatch)
    try:
        _follow(page, run)
    finally:
        _look_again()
    return run


def _look_again() -> None:
    """What is installed may have changed."""
    importlib.invalidate_caches()
    default_registry.cache_clear()


def _follow(page: Path, run: Run) -> None:
    for other in WITH.findall(page.read_text(encoding="utf-8")):
        for block in blocks(page.with_name(other)):
            if block.option("file") is not None:
                run.do(block)
    for block in blocks(page):
        try:
            run.do(block)
        except AssertionError as error:
            raise AssertionError(f"{page.name}:{block.line}\n{error}") from None
