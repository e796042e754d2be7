"""What a file of scikit-learn's trees is made of: nothing else is built of one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn._loss import HalfSquaredError

_LOSSES = type(HalfSquaredError().closs).__module__
"""Of losses in C: its name is another one before scikit-learn 1.9."""

_BUILT = {
    "JsonNode": ("builtins.str",),
    "ListNode": ("builtins.list",),
    "TupleNode": ("builtins.tuple",),
    "DictNode": ("builtins.dict",),
    "SliceNode": ("builtins.slice",),
    "TypeNode": ("builtins.int", "builtins.str", "numpy.float64"),
    "NdArrayNode": ("numpy.ndarray", "numpy.uint64"),
    "RandomGeneratorNode": ("numpy.random._generator.Generator",),
    "FunctionNode": ("sklearn.utils.validation.check_array",),
    "PartialNode": ("functools.partial",),
    "LossNode": tuple(
        f"{_LOSSES}.Cy{name}"
        for name in (
            "AbsoluteError",
            "HalfBinomialLoss",
            "HalfMultinomialLoss",
            "HalfSquaredError",
            "PinballLoss",
        )
    ),
    "ObjectNode": (
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.AbsoluteError",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn._loss.loss.PinballLoss",
        "sklearn.compose._column_transformer.ColumnTransformer",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.preprocessing._encoders.OrdinalEncoder",
        "sklearn.preprocessing._function_transformer.FunctionTransformer",
        "sklearn.preprocessing._label.LabelEncoder",
    ),
}

BUILT: frozenset[tuple[Any, str]] = frozenset(
    (loader, name) for loader, names in _BUILT.items() for name in names
)
"""How skops builds it, and its name."""


def check_names(schema: Any) -> None:
    """Nothing but these.

    Args:
        schema: of a file, before anything is built of it.

    Raises:
        ValueError: something else is to be built.
    """
    others = sorted({name for loader, name in named(schema) if (loader, name) not in BUILT})
    if others:
        raise ValueError(f"made of {', '.join(others)}, of which no such trees are")


def named(schema: Any) -> Iterator[tuple[Any, str]]:
    """All that a schema says is to be built, as in :data:`BUILT`."""
    if isinstance(schema, list):
        for one in schema:
            yield from named(one)
    if isinstance(schema, dict):
        if schema.keys() & {"__loader__", "__module__", "__class__"}:
            yield schema["__loader__"], f"{schema['__module__']}.{schema['__class__']}"
        for one in schema.values():
            yield from named(one)
