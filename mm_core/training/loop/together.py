"""What goes wrong in one of several processes is told in all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch.distributed as dist
from lightning.pytorch.strategies import Strategy

from mm_core.api.errors import BadCell, BadCellError
from mm_core.api.nn import Batch


def read_together(batches: Iterable[Batch], strategy: Strategy) -> Iterator[Batch]:
    """The batches of this process; a cell that one process cannot read is an error in each.

    Else the others would wait for its gradients, and end with an error of the network between them.

    Raises:
        BadCellError: lists all such cells.
    """
    batch: Batch | None
    own = iter(batches)
    while True:
        bad: tuple[BadCell, ...] = ()
        try:
            batch = next(own, None)
        except BadCellError as error:
            batch, bad = None, error.cells
        if strategy.reduce_boolean_decision(bool(bad), all=False):
            found: list[tuple[BadCell, ...]] = [()] * dist.get_world_size()
            dist.all_gather_object(found, bad)
            raise BadCellError(dict.fromkeys(cell for cells in found for cell in cells))
        if batch is None:
            return
        yield batch
