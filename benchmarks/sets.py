"""The sets that are compared, and what both sides are held to."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

Metric = Literal["accuracy", "roc_auc", "r2"]


@dataclass(frozen=True)
class Budget:
    """What both sides share: sizes that cost time, and nothing that is a choice of method.

    ``max_rows``: training rows at most, the held-out ones among them.
    """

    epochs: int
    batch_size: int
    max_length: int | None = None
    image_size: int | None = None
    max_rows: int = 2000


@dataclass(frozen=True)
class BenchmarkSet:
    """A folder with ``train.csv`` and ``test.csv``, and the role of each of its columns.

    ``ignored`` columns are shown to neither side. ``unread`` ones are left out by the bare loop
    only: ours is given them and decides for itself.
    """

    name: str
    label: str
    metric: Metric
    budget: Budget
    text: tuple[str, ...] = ()
    image: str | None = None
    numbers: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()

    @property
    def modalities(self) -> dict[str, tuple[str, ...]]:
        """Modality -> its columns, for those that the set has."""
        columns = {
            "text": self.text,
            "image": (self.image,) if self.image else (),
            "tabular": (*self.numbers, *self.categories),
        }
        return {name: found for name, found in columns.items() if found}

    def to_json(self) -> dict[str, Any]:
        """What identifies a run; a stored run of another definition is not used again."""
        return asdict(self)

    def with_epochs(self, epochs: int) -> BenchmarkSet:
        """The same set under another name and number of epochs."""
        budget = replace(self.budget, epochs=epochs)
        return replace(self, name=f"{self.name}@{epochs}", budget=budget)

    @property
    def folder(self) -> str:
        """Name of the set's folder."""
        return self.name.split("@")[0]


_POKEMON = BenchmarkSet(
    name="pokemon",
    label="type",
    metric="accuracy",
    budget=Budget(epochs=3, batch_size=32, max_length=64, image_size=96),
    text=("species", "description"),
    image="image",
    numbers=(
        "hp",
        "attack",
        "defense",
        "sp_attack",
        "sp_defense",
        "speed",
        "height_m",
        "weight_kg",
        "male_share",
    ),
    categories=("egg_group",),
)

_MAGNETIC_TILE = BenchmarkSet(
    name="magnetic_tile",
    label="defect",
    metric="accuracy",
    budget=Budget(epochs=3, batch_size=32, image_size=128),
    image="image",
    ignored=("mask",),
)

_ALL = (
    BenchmarkSet(
        name="snips",
        label="intent",
        metric="accuracy",
        budget=Budget(epochs=3, batch_size=32, max_length=32, max_rows=1000),
        text=("text",),
    ),
    _MAGNETIC_TILE,
    _MAGNETIC_TILE.with_epochs(5),
    BenchmarkSet(
        name="cifar10_2k",
        label="label",
        metric="accuracy",
        budget=Budget(epochs=3, batch_size=32, image_size=64),
        image="image",
    ),
    BenchmarkSet(
        name="churn",
        label="Exited",
        metric="roc_auc",
        budget=Budget(epochs=20, batch_size=256),
        numbers=(
            "CreditScore",
            "Age",
            "Tenure",
            "Balance",
            "NumOfProducts",
            "HasCrCard",
            "IsActiveMember",
            "EstimatedSalary",
        ),
        categories=("Geography", "Gender"),
        unread=("Surname",),
    ),
    BenchmarkSet(
        name="california_housing",
        label="median_house_value",
        metric="r2",
        budget=Budget(epochs=20, batch_size=256),
        numbers=(
            "longitude",
            "latitude",
            "housing_median_age",
            "total_rooms",
            "total_bedrooms",
            "population",
            "households",
            "median_income",
        ),
        categories=("ocean_proximity",),
    ),
    _POKEMON,
    _POKEMON.with_epochs(5),
)

SETS = {one.name: one for one in _ALL}
