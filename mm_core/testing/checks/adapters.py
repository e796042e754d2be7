"""What every adapter keeps, on a backbone of the kit and on those of its own plugin."""

from __future__ import annotations

import copy
from collections import Counter
from pathlib import Path

import pandas as pd
import torch
from torch import nn

from mm_core.api.nn import Backbone
from mm_core.api.specs import AdapterSpec
from mm_core.testing import end_to_end
from mm_core.testing.adapted import OF_THE_KIT, grounds
from mm_core.testing.encoded_inputs import features
from mm_core.testing.networks import copied, expect_finite, expect_same, gradients, hidden, pull
from mm_core.testing.outcome import NotTried, expect
from mm_core.testing.subject import Subject

Adapting = Subject[AdapterSpec]

_LABELS = end_to_end.repeated({"label": ["yes", "no"]})


def check_trains_less_than_all(subject: Adapting) -> None:
    """Some weights of the backbone are frozen, or all of them."""
    for ground in grounds(subject):
        backbone = ground.adapted()
        frozen = [name for name, p in backbone.named_parameters() if not p.requires_grad]
        expect(frozen, f"{ground}: all weights are trained, as without an adapter")


def check_what_is_frozen_says_the_same_in_training(subject: Adapting) -> None:
    """Of one whose spec says ``frozen`` nothing is trained, and training features are those of
    prediction: what a row gives stays the same.
    """
    if not subject.spec.frozen:
        raise NotTried("its spec does not say that it trains nothing")
    for ground in grounds(subject):
        backbone = ground.adapted()
        new = {id(p) for module in backbone.new for p in module.parameters()}
        named = backbone.named_parameters()
        trained = [name for name, p in named if p.requires_grad and id(p) not in new]
        expect(not trained, f"{ground}: its spec says frozen, and trained is {trained[:5]}")
        wanted = ground.answer(backbone)
        found = features(backbone.train(), ground.inputs)
        expect_same(found, wanted, f"{ground}, in training")


def check_starts_from_the_answers_there_were(subject: Adapting) -> None:
    """Applied and not yet trained, it changes no answer."""
    for ground in grounds(subject):
        wanted = ground.answer(ground.plain(0))
        expect_same(ground.answer(ground.adapted()), wanted, f"{ground}, not yet trained")


def check_gradients_reach_what_is_trained(subject: Adapting) -> None:
    """Every trainable weight gets a finite gradient that is not zero, and no other gets any."""
    for ground in grounds(subject):
        backbone = ground.trained().train()
        found = features(backbone, ground.inputs)
        pulled = pull({name: value for name, value in found.items() if value.is_floating_point()})
        if pulled.requires_grad:
            pulled.backward()  # type: ignore[no-untyped-call]
        given = {name: grad for name, grad in gradients(backbone).items() if grad is not None}
        expect_finite(given, f"{ground}, gradient")
        still = [name for name in gradients(backbone) if name not in given or not given[name].any()]
        expect(not still, f"{ground}: no gradient reaches {', '.join(still[:5])}")
        frozen = [p for p in backbone.parameters() if not p.requires_grad]
        expect(all(p.grad is None for p in frozen), f"{ground}: what is frozen has a gradient")


def check_frozen_statistics_do_not_run(subject: Adapting) -> None:
    """A norm whose scale is frozen keeps its running statistics in training: use ``still``."""
    for ground in grounds(subject):
        backbone = ground.adapted().train()
        norms = {
            name: copied(dict(module.named_buffers(recurse=False)))
            for name, module in backbone.named_modules()
            if getattr(module, "running_mean", None) is not None and not _trained(module)
        }
        features(backbone, ground.inputs)
        for name, before in norms.items():
            after = dict(backbone.get_submodule(name).named_buffers(recurse=False))
            moved = [key for key, value in before.items() if not torch.equal(after[key], value)]
            expect(not moved, f"{ground}: {name} is frozen, and {', '.join(moved)} changed")


def check_the_backbone_stays_a_backbone(subject: Adapting) -> None:
    """Class, widths and features are what they were; ``stages()`` hold every parameter once."""
    for ground in grounds(subject):
        plain, backbone = ground.plain(0), ground.adapted()
        expect(type(backbone) is type(plain), f"{ground}: it is a {type(backbone).__name__}")
        expect(dict(backbone.dims) == dict(plain.dims), f"{ground}: dims are {backbone.dims}")
        given, wanted = ground.answer(backbone), ground.answer(plain)
        shapes = [{k: v.shape for k, v in found.items()} for found in (given, wanted)]
        expect(shapes[0] == shapes[1], f"{ground}: features are {shapes[0]}, not {shapes[1]}")
        lost = [name for name in hidden(backbone) if name not in hidden(plain)]
        expect(not lost, f"{ground}: outside parameters(): {', '.join(lost)}; register them")
        outside = _not_once_in_stages(backbone)
        expect(
            not outside or _not_once_in_stages(plain),
            f"{ground}: not once in the stages: {', '.join(outside[:5])}",
        )


def check_names_its_own_weights(subject: Adapting) -> None:
    """``own_weights`` are names of the state dict, and all weights are among them that are new."""
    for ground in grounds(subject):
        backbone, adapter = ground.plain(0), ground.adapter()
        before = {id(value) for value in _state(backbone).values()}
        adapter.apply(backbone)
        state, own = _state(backbone), adapter.own_weights(backbone)
        strange = sorted(own - set(state))
        expect(not strange, f"{ground}: not in the state dict: {', '.join(strange[:5])}")
        new = [name for name, value in state.items() if id(value) not in before]
        lost = sorted(set(new) - own)
        expect(not lost, f"{ground}: new, and not named: {', '.join(lost[:5])}")


def check_applies_the_same_again(subject: Adapting) -> None:
    """Applied to the backbone built again, its state loads strictly and gives the same answers."""
    for ground in grounds(subject):
        backbone, again = ground.trained(), ground.adapted(seed=1)
        again.load_state_dict(backbone.state_dict(), strict=True)
        expect_same(ground.answer(again), ground.answer(backbone), f"{ground}, applied again")


def check_merges_into_an_ordinary_backbone(subject: Adapting) -> None:
    """Merged, in a copy too, the answers are the same, by the modules that the backbone had."""
    for ground in grounds(subject):
        backbone = ground.trained()
        wanted = ground.answer(backbone)
        merged = copy.deepcopy(backbone)
        ground.adapter().merge(merged)
        expect_same(ground.answer(merged), wanted, f"{ground}, merged", 1e-4)
        expect_same(ground.answer(backbone), wanted, f"{ground}, after a copy was merged", 0.0)
        keys = set(ground.plain(0).state_dict()) ^ set(merged.state_dict())
        expect(not keys, f"{ground}: merged, the state dict differs by {sorted(keys)[:5]}")


def check_runs_end_to_end(subject: Adapting) -> None:
    """A fit with it runs; saved and loaded in a new process, it predicts the same."""
    if all(ground.name != OF_THE_KIT for ground in grounds(subject)):
        raise NotTried(f"{OF_THE_KIT} has nothing for it")
    settings = {
        "backbones.left.id": OF_THE_KIT,
        "backbones.left.adapter": {"id": subject.component.id, **subject.trial.settings},
        "training.epochs": 1,
    }
    rows = "mm_core.testing.checks.adapters:one_side"
    end_to_end.runs(subject, end_to_end.Job(_LABELS, "binary", settings, rows))


def one_side(subject: Adapting, folder: Path) -> pd.DataFrame:
    """One input for a fit."""
    return end_to_end.points(_LABELS, ("left",))


def _not_once_in_stages(backbone: Backbone) -> list[str]:
    held = Counter(id(p) for stage in backbone.stages() for p in stage.parameters())
    return [name for name, p in backbone.named_parameters() if held[id(p)] != 1]


def _trained(norm: nn.Module) -> bool:
    weight = getattr(norm, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.requires_grad


def _state(backbone: Backbone) -> dict[str, torch.Tensor]:
    """The state dict with the tensors themselves."""
    return dict(backbone.state_dict(keep_vars=True))
