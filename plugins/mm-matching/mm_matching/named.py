"""Classes as items of an index: what a predictor of pairs finds for their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mm_core.api import ConfigError, ProcessorSpec, RecipeError, Table
from mm_core.api.tools import MultiModalPredictor, model_of, registry_of
from mm_matching.index import Index, fingerprint
from mm_matching.search import SIDES, side_vectors

_TEXT = "text"
_REMEDY = "index_classes(['cat', 'dog'], templates=['a photo of a {}'])"

Classes = Sequence[str] | Mapping[str, str | Sequence[str]]


def index_classes(
    predictor: MultiModalPredictor,
    classes: Classes,
    templates: Sequence[str] = ("{}",),
    side: str | None = None,
) -> Index:
    """An index of classes, by sentences that say what they are: ``search`` finds a row's class.

    Args:
        predictor: of a task of pairs, one side of which is a text; fitted.
        classes: names, or name -> what it means, or several such.
        templates: sentences that ``{}`` stands in for a class, whose vectors are averaged.
        side: whose texts they are; None: the one that is a text alone.

    Returns:
        An index whose ids are the names. The other side is searched with:
        ``search(pictures, index, top_k=1, side="response")``, where the texts are queries.

    Raises:
        RecipeError: no side is one column of texts.
        ConfigError: no class, a class without words, a template that no class would stand in, or
            a side that is no text.
    """
    _check_templates(templates)
    said = _words(classes)
    chosen, column = _texts(predictor, side)
    rows = [
        (place, template.replace("{}", word))
        for place, words in enumerate(said.values())
        for word in words
        for template in templates
    ]
    frame = pd.DataFrame({column: [sentence for _, sentence in rows]})
    vectors = side_vectors(predictor, Table(frame, Path()), chosen)
    owner = np.array([place for place, _ in rows])
    total = np.stack([vectors[owner == place].sum(axis=0) for place in range(len(said))])
    lengths = np.linalg.norm(total, axis=1, keepdims=True)
    return Index(
        np.divide(total, lengths, out=np.zeros_like(total), where=lengths > 0),
        pd.Index(list(said)),
        pd.DataFrame(index=range(len(said))),
        chosen,
        fingerprint(model_of(predictor)),
    )


def _check_templates(templates: Sequence[str]) -> None:
    # Of a text alone each character would be one, and all classes alike.
    if not templates or not all("{}" in one for one in templates):
        raise ConfigError(
            f"templates={templates!r}: a class is to stand in each, for '{{}}'",
            value=templates,
            remedy=_REMEDY,
        )


def _words(classes: Classes) -> dict[str, list[str]]:
    """What is said of each class."""
    if isinstance(classes, str):
        raise ConfigError(f"classes={classes!r} is one text", value=classes, remedy=_REMEDY)
    known: Mapping[Any, Any] = (
        classes if isinstance(classes, Mapping) else {name: name for name in classes}
    )
    said = {
        name: list(words) if isinstance(words, Iterable) and not isinstance(words, str) else [words]
        for name, words in known.items()
    }
    for name, words in said.items() or [("classes", [])]:
        if not words or not all(isinstance(one, str) and one.strip() for one in words):
            raise ConfigError(
                f"there is nothing that says what {name} would be", value=name, remedy=_REMEDY
            )
    return said


def _texts(predictor: MultiModalPredictor, side: str | None) -> tuple[str, str]:
    """A side that is one column of texts, and the column."""
    registry, found = registry_of(predictor), {}
    for role in SIDES:
        own = [one for one in model_of(predictor).recipe.inputs.values() if one.role == role]
        read = [registry.get(ProcessorSpec, one.processor.id).spec.modalities for one in own]
        if len(own) == 1 and len(own[0].columns) == 1 and _TEXT in read[0]:
            found[role] = own[0].columns[0]
    if side is not None and side not in found:
        raise ConfigError(
            f"side={side!r} is no text", value=side, remedy=f"one of {', '.join(found) or 'none'}"
        )
    if not found:
        raise RecipeError(
            "no side of these pairs is one column of texts: names of classes mean nothing to it",
            plugin="matching",
            remedy="fit pairs of which one side is a text",
        )
    chosen = next(iter(found)) if side is None else side
    return chosen, found[chosen]
