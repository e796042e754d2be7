"""What Lightning sees of a fit: the network as a module, the batches as a loader."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import Any, Self

import lightning.pytorch as pl
import torch
from torch import Tensor
from torch.distributed.fsdp import FSDPModule

from mm_core.api.fitting import Batches
from mm_core.api.nn import Batch, Topology
from mm_core.network.transfer import on_device
from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop.mixing import Mixer
from mm_core.training.loop.optimizer import parameter_groups
from mm_core.training.loop.pace import Course
from mm_core.training.loop.run import FitRun
from mm_core.training.loop.schedule import learning_rate_factor
from mm_core.training.loop.sharding import shard
from mm_core.training.loop.shares import shares_of_steps
from mm_core.training.loop.together import read_together
from mm_core.training.loop.untrained import warn_of_untrained


class NetworkModule(pl.LightningModule):
    """A topology with its optimiser.

    Args:
        topology: the network.
        run: settings and rates.
        course: of the optimiser steps through the schedule.
        sizes: rows of each batch of an epoch, the shares of all processes together.
        accumulate: batches of an optimiser step.
    """

    def __init__(
        self,
        topology: Topology,
        run: FitRun,
        course: Course,
        sizes: Sequence[int],
        accumulate: int,
    ) -> None:
        super().__init__()
        self.strict_loading = False  # the state of an unfinished fit leaves out what is not trained
        self.topology = topology
        self._run = run
        self._training: TrainingConfig = run.training
        self._course = course
        self._sizes = sizes
        self._shares = shares_of_steps(sizes, accumulate)
        mixes = self._training.mixup > 0 or self._training.cutmix > 0
        self._mixer = (
            Mixer(run.mixable, self._training.mixup, self._training.cutmix) if mixes else None
        )

    def configure_model(self) -> None:
        """Share out the weights, where the strategy asks for it; Lightning may call this twice."""
        if self.device_mesh is not None and not isinstance(self.topology, FSDPModule):
            shard(self.topology, self.device_mesh["data_parallel"])

    def training_step(self, batch: Batch, index: int) -> dict[str, Tensor]:
        """``loss``, of which the optimiser gets the gradient, and ``mean_loss`` of the batch.

        The mean over processes is that of the whole batch, of which each has a share of the rows.
        """
        share = len(batch) * self.trainer.world_size / self._sizes[index]
        mean = share * self._loss(batch)
        return {"loss": self._shares[index] * mean, "mean_loss": mean.detach()}

    def _loss(self, batch: Batch) -> Tensor:
        if self._mixer is None:
            return self.topology.loss(self.topology(batch), batch)
        mixed = self._mixer(batch)
        outputs = self.topology(mixed.own)
        own, partner = (self.topology.loss(outputs, of) for of in (mixed.own, mixed.partner))
        return mixed.share * own + (1 - mixed.share) * partner

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, index: int) -> Batch:
        return on_device(batch, device)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm over all weights; Lightning's own refuses fused optimisers with bf16."""
        if gradient_clip_val is not None:
            torch.nn.utils.clip_grad_norm_(self.topology.parameters(), gradient_clip_val)

    def on_train_end(self) -> None:
        """Say what an adapter did not reach, and let go."""
        if self.trainer.is_global_zero:
            warn_of_untrained(self.topology, *self.trainer.optimizers)
        self.let_go()

    def let_go(self) -> None:
        """Of gradients and of the optimiser's numbers, three times the memory of the weights:
        Lightning would move them to the CPU, and its trainer and schedule, which know each other,
        would hold them until they are collected.
        """
        for optimizer in self.trainer.optimizers:
            optimizer.zero_grad(set_to_none=True)
            optimizer.state.clear()
        self.trainer.strategy.optimizers = []

    def cpu(self) -> Self:
        """Nothing: Lightning calls this at its end, and the network stays on its device, where it
        goes on to answer.
        """
        return self

    def configure_optimizers(self) -> Any:
        groups = parameter_groups(self.topology, self._training, self._run.learning_rates)
        # One kernel for all parameters: several times faster, on CPUs too. The gradient scaler of
        # 16-mixed has to see the gradients before such an optimiser does; None then leaves it to
        # torch to take many parameters at once, where False means one by one.
        fused = None if self._training.precision == "16-mixed" else True
        optimizer = torch.optim.AdamW(groups, fused=fused)
        factor, course = learning_rate_factor(self._training, self._course.steps), self._course
        scheduler = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: factor(course.place(step))
        )
        return [optimizer], [{"scheduler": scheduler, "interval": "step"}]


class Loader:
    """Batches that are told which epoch it is, where in it to begin, and for which process.

    Lightning saves and restores the state of a loader that has one, and counts on from there.
    """

    def __init__(self, batches: Batches, module: NetworkModule) -> None:
        self._batches = batches
        self._module = module
        self._share: Batches | None = None
        self._running: Generator[Batch, None, None] | None = None
        self._start = 0
        self._done = 0

    def __len__(self) -> int:
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        self._running = self._epoch()
        return self._running

    def close(self) -> None:
        """Let go of the epoch at hand, and of the processes that make batches."""
        if self._running is not None:
            self._running.close()
        getattr(self._share, "close", lambda: None)()  # those of a fitter may have none
        self._share = None

    def _epoch(self) -> Generator[Batch, None, None]:
        self._done, self._start = self._start, 0
        trainer = self._module.trainer
        # Only here, as processes may be forked after the loader was built; and once, as others that
        # make batches live through all epochs.
        if self._share is None:
            self._share = self._batches.shard(trainer.global_rank, trainer.world_size)
        share = self._share
        share.set_epoch(self._module.current_epoch, self._done)
        for batch in share if trainer.world_size == 1 else read_together(share, trainer.strategy):
            yield batch
            self._done += 1

    def state_dict(self) -> dict[str, int]:
        """Batches of the epoch that are done with."""
        return {"done": self._done}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Begin the next epoch after those."""
        self._start = state_dict["done"]
