"""A page of texts says of each entity what it is, and runs nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from mm_ner.draw import compared, page

from mm_core import MultiModalPredictor
from mm_core.api import DataError

Orders = Callable[..., pd.DataFrame]


def test_each_entity_is_told_what_it_is() -> None:
    """On both sides."""
    true = [(0, 4, "A"), (5, 9, "A"), (10, 14, "A"), (20, 24, "A")]
    said = [(0, 4, "A"), (5, 9, "B"), (10, 13, "A"), (30, 34, "A")]
    wanted, given = compared(true, said)
    assert [what for _, what in wanted] == ["right", "wrong group", "wrong ends", "missed"]
    assert [what for _, what in given] == ["right", "wrong group", "wrong ends", "made up"]


def test_a_page_runs_nothing_and_keeps_every_character() -> None:
    """Texts and groups are escaped, wherever they stand."""
    text, group = '<script>alert(1)</script> & "Rome"', "<b>'\" onload=x"
    made = page("<i>", [("<u>", text, [(26, 30, group)], [(0, 8, group)])])
    seen: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            assert tag not in ("script", "i", "u")
            assert not any(name.startswith("on") for name, _ in attrs)

        def handle_data(self, data: str) -> None:
            seen.append(data)

    Reader().feed(made)
    said = "".join(seen)
    assert "made up" in said
    assert "missed" in said
    assert re.sub(r"\s", "", text) in re.sub(r"\s", "", said.replace(f"{group}, missed", ""))
    assert "http" not in made


def test_pages_of_a_model(learned: MultiModalPredictor, orders: Orders, tmp_path: Path) -> None:
    """The most mistakes first; without labels what was found; broken labels by row."""
    frame = orders(6, seed=9)
    frame.loc[4, "entities"] = '[{"entity_group": "Place", "start": 0, "end": 2}]'
    frame.loc[5, "said"] = None
    frame.loc[5, "entities"] = "[]"
    made = learned.visualize(frame)
    assert made.index("row 4") < made.index("row 0")
    assert ", missed" in made
    written = learned.visualize(frame[["said"]], out=tmp_path / "a.html", most=2)
    bare = Path(written).read_text(encoding="utf-8")
    assert bare.count("<article>") == 2
    assert "labels" not in bare
    with pytest.raises(DataError, match="row 2"):
        learned.visualize(frame.assign(entities=["[]", "[]", "[7]", "[]", "[]", "[]"]))
