"""A batch that is too large for the GPU is cut; an optimiser step keeps about as many rows."""

from __future__ import annotations

import warnings

import torch

from mm_core.api.errors import MMWarning, TrainingError
from mm_core.api.fitting import Batches
from mm_core.api.nn import Batch, Topology
from mm_core.network.precision import chosen, mixed
from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop.devices import process_count

SPARE = 1 / 8
"""Of a batch's rows, how many more are tried: batches of unlike lengths leave gaps in memory."""


def within_memory(model: Topology, train: Batches, training: TrainingConfig) -> tuple[Batches, int]:
    """Batches that fit into the GPU's memory, and how many of them make an optimiser step.

    The costliest rows, an eighth more than a batch has, are tried as they will be trained on
    (adapters in, stages recomputed where they are to be, in the precision asked for): forward and
    backward, beside room for the optimiser. Where the memory does not suffice, batches are halved
    and more of them make a step, with one warning. Nothing is tried on a CPU, nor for several
    processes, which would have to agree.

    Args:
        model: as it will be trained; on the device afterwards.
        train: batches.
        training: settings.

    Raises:
        TrainingError: not even two rows fit, which batch normalisation needs.
    """
    if not torch.cuda.is_available() or process_count(training) > 1:
        return train, training.accumulate
    wanted = training.devices
    model.to(torch.device("cuda", wanted[0] if isinstance(wanted, tuple) else 0))
    return halved_until_it_fits(model, train, training)


def halved_until_it_fits(
    model: Topology, train: Batches, training: TrainingConfig
) -> tuple[Batches, int]:
    """As :func:`within_memory`, on the device where the model is."""
    size, rows_of_step = training.batch_size, training.batch_size * training.accumulate
    precision = chosen(training.precision)
    while not _fits(model, _tried(train, size), precision):
        torch.cuda.empty_cache()
        if size <= 2:
            raise TrainingError(
                f"not even {size} row(s) fit into the memory of the GPU",
                value=training.batch_size,
                remedy="set training.gradient_checkpointing=true, a smaller max_length or "
                "image_size, or a smaller checkpoint",
            )
        size = max(2, size // 2)
        train = train.with_batch_size(size)
    accumulate = round(rows_of_step / size)
    if size < training.batch_size:
        warnings.warn(
            f"{training.batch_size} rows at once do not fit into the memory of the GPU: {size} at "
            f"once, {accumulate} times per optimiser step, which sees {size * accumulate} rows "
            f"({rows_of_step} were asked for)",
            MMWarning,
            stacklevel=3,
        )
    return train, accumulate


def _tried(train: Batches, size: int) -> Batch:
    tried: Batch = train.with_batch_size(size + int(size * SPARE)).costliest()
    return tried


def _fits(model: Topology, batch: Batch, precision: str) -> bool:
    """Whether a training step on these rows has room; the model is as before afterwards."""
    buffers = {name: value.clone() for name, value in model.named_buffers()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    device = trained[0].device
    batch = batch.to(device)
    room = []
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else ()):
            room = [torch.empty_like(parameter) for parameter in trained for _ in range(2)]
            with mixed(precision, device):
                loss = model.loss(model(batch), batch)
            loss.backward()  # type: ignore[no-untyped-call]
            del loss
    except torch.OutOfMemoryError:
        return False
    finally:
        del room
        model.zero_grad(set_to_none=True)
        for name, value in model.named_buffers():
            value.copy_(buffers[name])
    return True
