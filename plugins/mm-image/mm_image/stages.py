"""A timm model as stages from input to output, for layer-wise decay and freezing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from timm.models import group_parameters
from torch import nn

_PLAIN_MATCHER: Mapping[str, Any] = {
    "stem": r"^(?:stem|patch_embed|conv_stem|bn1|cls_token|pos_embed)",
    "blocks": [
        (r"^\w+\.(\d+)\.downsample", (-1,)),
        (r"^\w+\.(\d+)\.blocks\.(\d+)", None),
        (r"^\w+\.(\d+)", None),
    ],
}
"""For the few timm models that bring no matcher of their own (MetaFormer, PiT, ...)."""


class Stage(nn.Module):
    """Modules and single parameters of one depth; a view, the model stays their owner."""

    def __init__(self, modules: Sequence[nn.Module], parameters: Sequence[nn.Parameter]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(modules)
        self.single = nn.ParameterList(parameters)


def split_stages(model: nn.Module) -> list[Stage]:
    """Stages from input to output that together hold every parameter of ``model`` once."""
    matcher = getattr(model, "group_matcher", None)
    groups = _PLAIN_MATCHER if matcher is None else matcher(coarse=False)
    depth: dict[str, int] = group_parameters(model, groups, reverse=True)
    modules: dict[int, list[nn.Module]] = defaultdict(list)
    single: dict[int, list[nn.Parameter]] = defaultdict(list)

    def visit(module: nn.Module, prefix: str) -> None:
        names = [name for name in depth if name.startswith(prefix)]
        if not names:
            return
        depths = {depth[name] for name in names}
        if len(depths) == 1 and prefix:
            modules[depths.pop()].append(module)
            return
        for name, parameter in module.named_parameters(recurse=False):
            if prefix + name in depth:  # a parameter shared by two modules is named once
                single[depth[prefix + name]].append(parameter)
        for name, child in module.named_children():
            visit(child, f"{prefix}{name}.")

    visit(model, "")
    return [Stage(modules[d], single[d]) for d in sorted({*modules, *single})]
