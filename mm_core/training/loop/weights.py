"""Which weights a fit ends with: the best validation's, a soup of several, or a moving average."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop.learned import Learned, learned, take_back
from mm_core.training.loop.sharding import own_share

Weights = dict[str, Tensor]
Score = Callable[[], float]
"""Validation score of the model as it stands; greater is better, NaN: it is not to be had."""

MAPPED_FROM_BYTES = 512 * 2**20
"""Copies that need more memory than this together lie in a file that is mapped into memory."""

RAMP_UP = 10
"""The moving average forgets faster in its first steps: (1 + t) / (RAMP_UP + t) at most."""


def changing(network: nn.Module) -> Weights:
    """What training changes of a network's state, by name: the live tensors, shared ones once.

    Of a network that is shared out, the share of this process.
    """
    state = network.state_dict(keep_vars=True)
    first = {id(value): name for name, value in reversed(state.items())}
    return {
        name: own_share(value.detach())
        for name, value in state.items()
        if first[id(value)] == name and (value.requires_grad or not isinstance(value, nn.Parameter))
    }


def room_for(live: Weights, folder: Path, name: str, copies: int = 1) -> Weights:
    """Room for a set of weights on the CPU: in memory, or in files where they are large.

    Args:
        live: weights of the same names, shapes and dtypes.
        folder: where such files lie.
        name: what sets them apart from others in the folder.
        copies: such sets that there are to be.
    """
    size = sum(value.nbytes for value in live.values())
    if size * copies <= MAPPED_FROM_BYTES:
        return {n: torch.empty_like(v, device="cpu") for n, v in live.items()}
    room: Weights = {}
    for dtype in {value.dtype for value in live.values()}:  # a file for each, as torch saves them
        alike = {n: v for n, v in live.items() if v.dtype == dtype}
        sizes = [value.numel() for value in alike.values()]
        file = folder / f"weights_{name}_{dtype}.bin"
        flat = torch.from_file(str(file), shared=True, size=sum(sizes), dtype=dtype)
        for (n, value), piece in zip(alike.items(), torch.split(flat, sizes), strict=True):
            room[n] = piece.view(value.shape)
    return room


def copy_weights(source: Mapping[str, Tensor], target: Weights) -> None:
    """``target`` takes the values of ``source``, wherever either lies."""
    with torch.no_grad():
        for name, value in target.items():
            value.copy_(source[name])


class Keeper:
    """Keeps the weights of the best validation, and what the topology had learned beside them.

    Of several sets of weights that are averaged, what stands beside the best of them counts.

    Args:
        network: whose weights change.
        folder: where large copies may lie.
    """

    copies = 1
    """Sets of weights kept at the most."""

    def __init__(self, network: nn.Module, folder: Path) -> None:
        self._network = network
        self._live = changing(network)
        self._folder = folder
        self._kept: list[tuple[float, Weights, Learned]] = []
        self._free: list[Weights] = []

    def after_step(self) -> None:
        """The optimiser has made a step."""

    @contextmanager
    def candidate(self) -> Iterator[None]:
        """The weights that a validation is to score stand in the network meanwhile."""
        yield

    def consider(self, score: float) -> None:
        """Remember the weights that were scored, if they are among the best."""
        worst = min((score for score, *_ in self._kept), default=-math.inf)
        if len(self._kept) == self.copies:
            if score < worst:
                return
            self._free.append(self._drop_worst())
        place = self._free.pop() if self._free else self._new()
        copy_weights(self._source(), place)
        self._kept.append((score, place, learned(self._network)))

    def finish(self, score: Score | None) -> float | None:
        """Leave the final weights in the network; their validation score, None: not known.

        Args:
            score: to compare candidates with; None: there was no validation, or no time is
                left for another one.
        """
        if not self._kept:
            copy_weights(self._source(), self._live)
            return None
        best, weights, beside = self._best_first()[0]
        copy_weights(weights, self._live)
        take_back(self._network, beside)
        return best

    def state(self) -> dict[str, Any]:
        """For :meth:`restore`: tensors and plain values."""
        return {"kept": [list(kept) for kept in self._kept]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up what :meth:`state` gave."""
        for score, weights, beside in state["kept"]:
            place = self._new()
            copy_weights(weights, place)
            self._kept.append((score, place, beside))

    def _source(self) -> Weights:
        """The weights that stand for the training so far."""
        return self._live

    def _best_first(self) -> list[tuple[float, Weights, Learned]]:
        latest_first = self._kept[::-1]
        return sorted(latest_first, key=lambda kept: -kept[0])

    def _drop_worst(self) -> Weights:
        score = min(score for score, *_ in self._kept)
        index = next(i for i, (kept, *_) in enumerate(self._kept) if kept == score)
        return self._kept.pop(index)[1]

    def _new(self) -> Weights:
        number = len(self._kept) + len(self._free)
        return room_for(self._live, self._folder, str(number), self.copies)


class UniformSoup(Keeper):
    """The mean of the best validations' weights (arXiv 2203.05482)."""

    def __init__(self, network: nn.Module, folder: Path, copies: int) -> None:
        super().__init__(network, folder)
        self.copies = copies

    def finish(self, score: Score | None) -> float | None:
        """Average them; one more validation where there are several. No score: the best."""
        best = super().finish(score)
        if len(self._kept) < 2 or score is None:
            return best
        for made_of, (_, weights, _) in enumerate(self._best_first()[1:], start=2):
            _blend(self._live, weights, 1 / made_of)
        found = score()
        return super().finish(score) if math.isnan(found) else found


class GreedySoup(UniformSoup):
    """The mean of those of the best that better it, taken in order (arXiv 2203.05482)."""

    def finish(self, score: Score | None) -> float | None:
        """As many more validations as there are weights besides the best."""
        best = Keeper.finish(self, score)
        if best is None or score is None:
            return best
        made_of, soup = 1, self._best_first()[0][1]  # no other copy: the best is in it
        for _, weights, _ in self._best_first()[1:]:
            _blend(self._live, weights, 1 / (made_of + 1))
            found = score()
            if found >= best:
                best, made_of = found, made_of + 1
                copy_weights(self._live, soup)
            else:
                copy_weights(soup, self._live)
        return best


class MovingAverage(Keeper):
    """The best validation of an exponential moving average of the weights."""

    def __init__(self, network: nn.Module, folder: Path, decay: float) -> None:
        super().__init__(network, folder)
        self._decay = decay
        self._steps = 0
        self._average = {name: value.clone() for name, value in self._live.items()}

    def after_step(self) -> None:
        self._steps += 1
        decay = min(self._decay, (1 + self._steps) / (RAMP_UP + self._steps))
        _blend(self._average, self._live, 1 - decay)

    @contextmanager
    def candidate(self) -> Iterator[None]:
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def state(self) -> dict[str, Any]:
        return super().state() | {"average": self._average, "steps": self._steps}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        copy_weights(state["average"], self._average)
        self._steps = state["steps"]

    def _swap(self) -> None:
        """Exchange the average with the trained weights, a tensor at a time: no third copy."""
        with torch.no_grad():
            for name, value in self._live.items():
                trained = value.clone()
                value.copy_(self._average[name])
                self._average[name].copy_(trained)

    def _source(self) -> Weights:
        return self._average


def keeper(network: nn.Module, training: TrainingConfig, folder: Path) -> Keeper:
    """The keeper that ``training.average`` names."""
    if training.average == "ema":
        return MovingAverage(network, folder, training.ema_decay)
    if training.average == "uniform_soup":
        return UniformSoup(network, folder, training.top_k)
    if training.average == "greedy_soup":
        return GreedySoup(network, folder, training.top_k)
    return Keeper(network, folder)


def _blend(target: Weights, other: Mapping[str, Tensor], share: float) -> None:
    """``target`` moves by ``share`` towards ``other``; whole numbers are taken over."""
    with torch.no_grad():
        numbers = [name for name, value in target.items() if value.is_floating_point()]
        torch._foreach_lerp_(
            [target[name] for name in numbers], _on_device(target, other, numbers), share
        )
        for name in target.keys() - set(numbers):
            target[name].copy_(other[name])


def _on_device(target: Weights, other: Mapping[str, Tensor], names: Sequence[str]) -> list[Tensor]:
    return [other[name].to(target[name].device) for name in names]
