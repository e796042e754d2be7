"""A network cut into stages, by its structure and not by its names."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from torch import nn


def split_stages(model: nn.Module) -> list[nn.Module]:
    """Embeddings, each layer, and the rest: modules that hold every parameter exactly once.

    The layers are the longest ``nn.ModuleList`` that lies in no other. What stands before it in
    the order of registration is the first stage, what stands after it the last one; a stage that
    would be empty is left out. A model without such a list is one stage.
    """
    lists = list(_outer_lists(model, ()))
    if not lists:
        return [model]
    above, layers = max(lists, key=lambda found: len(found[1]))
    before: list[nn.Module] = []
    after: list[nn.Module] = []
    for parent, child in pairwise((*above, layers)):
        before.append(nn.ParameterList(parent.parameters(recurse=False)))
        seen = False
        for module in parent.children():
            if module is child:
                seen = True
            elif seen:
                after.append(module)
            else:
                before.append(module)
    stages = [nn.ModuleList(before), *layers, nn.ModuleList(after)]
    return [stage for stage in stages if any(True for _ in stage.parameters())]


def _outer_lists(
    module: nn.Module, above: tuple[nn.Module, ...]
) -> Iterator[tuple[tuple[nn.Module, ...], nn.ModuleList]]:
    """Module lists that lie in no other, each with the modules that lead to it."""
    if isinstance(module, nn.ModuleList):
        yield above, module
        return
    for child in module.children():
        yield from _outer_lists(child, (*above, module))
