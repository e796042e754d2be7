"""Some rows on their way to an engine. No torch: arrays here, tensors once a network has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mm_core.api.errors import BadCell
    from mm_core.api.processors import Table


@dataclass
class Batch:
    """Some rows on their way through a model.

    Arrays are numpy where an engine is given them, and tensors in a network.

    Attributes:
        inputs: input name -> array name -> array, first axis B.
        present: input name -> bool [B].
        targets: target name -> array [B, ...], or list of B where rows are ragged; empty at
            prediction.
        weight: float [B] or None.
        row_ids: long [B], positions in the frame.
        meta: input name -> key -> what decoding needs of these rows (original sizes, offsets): an
            array [B, ...] or a list of B.
        table: the rows as they came, for engines that read cells (``FitterSpec.reads`` = "rows").
        bad: cells that such an engine could not read: it adds them, with the rows that encoding
            ``table`` tells.
    """

    inputs: dict[str, dict[str, Any]]
    present: dict[str, Any]
    targets: dict[str, Any] = field(default_factory=dict)
    weight: Any = None
    row_ids: Any = None
    meta: dict[str, dict[str, Any]] = field(default_factory=dict)
    table: Table | None = None
    bad: list[BadCell] = field(default_factory=list)

    def __len__(self) -> int:
        if self.table is not None:
            return len(self.table)
        return len(next(iter(self.present.values())))

    def map(self, change: Callable[[Any], Any]) -> Batch:
        """The same batch, each array of inputs, presence, targets and weight changed."""
        return replace(
            self,
            inputs={name: mapped(arrays, change) for name, arrays in self.inputs.items()},
            present=mapped(self.present, change),
            targets=mapped(self.targets, change),
            weight=None if self.weight is None else change(self.weight),
        )

    def to(self, device: Any, non_blocking: bool = False) -> Batch:
        """The tensors on another device, in lists and dicts too (Lightning calls this).

        Args:
            device: of torch.
            non_blocking: not to wait for it; of use for tensors in pinned memory.
        """
        return self.map(
            lambda value: (
                value.to(device, non_blocking=non_blocking) if hasattr(value, "to") else value
            )
        )

    def pin_memory(self) -> Batch:
        """The tensors in memory that a GPU reads by itself (torch's loader calls this)."""
        return self.map(lambda value: value.pin_memory() if hasattr(value, "pin_memory") else value)


def mapped(values: Any, change: Callable[[Any], Any]) -> Any:
    """Arrays changed, wherever they stand in dicts, lists and tuples; the same containers."""
    if isinstance(values, Mapping):
        return {name: mapped(value, change) for name, value in values.items()}
    if isinstance(values, list | tuple):
        return type(values)(mapped(value, change) for value in values)
    return change(values)
