"""What holds of every network: of fusion heads, backbones and topologies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from mm_core.testing.outcome import expect

Answers = Mapping[str, Tensor]
"""Outputs by name, rows first."""

_DEEP = 3
"""Levels of lists and dicts in which tensors and modules may hide."""


def expect_same(found: Answers, wanted: Answers, where: str, tolerance: float = 1e-5) -> None:
    """Two sets of outputs are equal, up to rounding."""
    expect(
        set(found) == set(wanted), f"{where}: {sorted(found)} instead of {sorted(wanted)} are given"
    )
    for name, want in wanted.items():
        got = found[name]
        shapes = f"{tuple(got.shape)} instead of {tuple(want.shape)}"
        expect(got.shape == want.shape, f"{where}: {name} has the shape {shapes}")
        off = (got.float() - want.float()).abs().max().item() if got.numel() else 0.0
        scale = max(1.0, want.float().abs().max().item() if want.numel() else 0.0)
        expect(off <= tolerance * scale, f"{where}: {name} differs by {off:.3g}")


def expect_finite(values: Mapping[str, Tensor], where: str) -> None:
    """No NaN and no infinity."""
    for name, value in values.items():
        expect(bool(torch.isfinite(value).all()), f"{where}: {name} is not finite")


def gradients(module: nn.Module) -> dict[str, Tensor | None]:
    """Gradient by the name of the trainable parameter."""
    return {name: p.grad for name, p in module.named_parameters() if p.requires_grad}


def step(module: nn.Module, size: float = 1e-3) -> None:
    """Move each parameter a little against its gradient, whatever the length of that."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad and parameter.grad is not None:
                parameter.add_(parameter.grad.sign(), alpha=-size)


def expect_finite_gradients(module: nn.Module, where: str) -> None:
    """No NaN and no infinity in the gradients that there are."""
    found = {name: grad for name, grad in gradients(module).items() if grad is not None}
    expect_finite(found, f"{where}, gradient")


def pull(answers: Answers) -> Tensor:
    """A scalar that every entry of every output moves, each in a direction of its own."""
    total = torch.zeros(())
    for name in sorted(answers):
        value = answers[name].float()
        if value.requires_grad:
            weights = torch.linspace(-1.0, 1.7, value.numel()).reshape(value.shape)
            total = total + (value * weights).sum() + 0.1 * value.square().sum()
    return total


def copied(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict of its own memory."""
    return {name: value.detach().clone() for name, value in state.items()}


def expect_state(module: nn.Module, before: Mapping[str, Tensor], where: str) -> None:
    """The module's state dict is what it was."""
    after = module.state_dict()
    expect(
        set(after) == set(before),
        f"{where}: the state dict's keys changed: {sorted(set(after) ^ set(before))[:5]}",
    )
    for name, value in before.items():
        expect(torch.equal(after[name], value), f"{where}: {name} changed")


def hidden(module: nn.Module) -> list[str]:
    """Trainable tensors and modules that the module holds and ``parameters()`` does not give."""
    known = {id(p) for p in module.parameters()}
    modules = {id(m) for m in module.modules()}
    found = []
    for path, owner in module.named_modules():
        for name, value in vars(owner).items():
            if name in ("_parameters", "_buffers", "_modules"):
                continue
            for inner in _inside(value, _DEEP):
                if _is_lost(inner, known, modules):
                    found.append(f"{path}.{name}".lstrip("."))
    return list(dict.fromkeys(found))


def _is_lost(value: Any, known: set[int], modules: set[int]) -> bool:
    if isinstance(value, nn.Module):
        return id(value) not in modules and any(id(p) not in known for p in value.parameters())
    return isinstance(value, Tensor) and value.requires_grad and id(value) not in known


def _inside(value: Any, deep: int) -> Iterator[Any]:
    """The value, or what its containers hold."""
    if isinstance(value, Mapping) and deep:
        for inner in value.values():
            yield from _inside(inner, deep - 1)
    elif isinstance(value, (list, tuple, set)) and deep:
        for inner in value:
            yield from _inside(inner, deep - 1)
    else:
        yield value


class LowRank(nn.Module):
    """A linear layer with an adapter beside it: ``W x + B A x``, B zero at first."""

    def __init__(self, base: nn.Linear, rank: int = 2) -> None:
        super().__init__()
        self.base = base
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)
        nn.init.zeros_(self.up.weight)

    @property
    def weight(self) -> Tensor:
        """The layer's own, whose dtype some networks read."""
        return self.base.weight

    @property
    def bias(self) -> Tensor | None:
        """The layer's own."""
        return self.base.bias

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_features] -> [..., out_features]."""
        found: Tensor = self.base(x) + self.up(self.down(x))
        return found


def adapt(module: nn.Module) -> dict[str, LowRank]:
    """Put an adapter around every linear layer; gives them by the name of the layer.

    Where a module keeps a layer in a list of its own too, it stands there as well.
    """
    adapters = {}
    for path, owner in list(module.named_modules()):
        for name, child in list(owner.named_children()):
            if type(child) is nn.Linear:
                setattr(owner, name, LowRank(child))
                adapters[f"{path}.{name}".lstrip(".")] = getattr(owner, name)
    instead = {id(adapter.base): adapter for adapter in adapters.values()}
    for owner in module.modules():
        for kept in vars(owner).values():
            if isinstance(kept, list):
                kept[:] = [instead.get(id(one), one) for one in kept]
    return adapters
