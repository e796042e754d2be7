"""A second layer of members, which read what the first says of a row beside its own columns.

What it learns from is said by models that had not seen the row: of each fold by those that left it
out. A member that knows its rows by heart tells nothing that it would not tell of new ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

import pandas as pd

from mm_ensemble.votes import Votes


@dataclass(frozen=True)
class Said:
    """What members of the first layer say, as columns.

    Attributes:
        members: their names, in the order of the columns.
        prefix: a column is called ``<prefix><member>_<number>``.
    """

    members: tuple[str, ...] = ()
    prefix: str = "said_"

    @classmethod
    def beside(cls, members: Collection[str], taken: Collection[str]) -> Self:
        """With names that no column of the data has."""
        prefix = "said_"
        while any(name.startswith(prefix) for name in taken):
            prefix += "_"
        return cls(tuple(members), prefix)

    def columns(self, votes: Mapping[str, Votes]) -> pd.DataFrame:
        """float64 columns of each member: probabilities (of two classes the second's), numbers."""
        found = {
            f"{self.prefix}{name}_{number}": column
            for name in self.members
            for number, column in enumerate(votes[name].columns.T)
        }
        return pd.DataFrame(found)

    def values(self) -> dict[str, Any]:
        """JSON-able."""
        return {"members": list(self.members), "prefix": self.prefix}

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> Self:
        """From :meth:`values`."""
        return cls(tuple(values["members"]), str(values["prefix"]))
