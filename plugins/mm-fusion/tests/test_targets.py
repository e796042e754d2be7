"""Heads and wrappers that look at targets: evidence, blended latents, gradients in step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from mm_core import MultiModalPredictor
from mm_core.api import FusionHeadSpec, RecipeError
from mm_core.api.nn import Batch, Features
from mm_core.api.tools import installed
from mm_core.testing.end_to_end import points
from mm_core.testing.kit import KIT

INPUTS = {"table": {"pooled": 4}, "text": {"pooled": 5}}
CLASSES = torch.tensor([0, 1, 2, 0, 1, 2])


def head(name, **settings):
    torch.manual_seed(0)
    component = installed([KIT]).get(FusionHeadSpec, f"fusion:{name}")
    return component.load()(component.read(settings, where="fusion"), INPUTS, 3)


def rows(n=6):
    torch.manual_seed(1)
    features = {name: Features(pooled=torch.randn(n, d["pooled"])) for name, d in INPUTS.items()}
    return features, {name: torch.ones(n, dtype=torch.bool) for name in INPUTS}


def batch(present, targets=None, weight=None):
    return Batch({}, present, {"class": CLASSES} if targets is None else targets, weight)


def outputs(fused):
    return {"logits": fused.logits, "kept": fused.kept}


def test_opinions_are_joined_by_dempsters_rule():
    features, present = rows()
    tmc = head("tmc").eval()
    fused = tmc(features, present)
    first, second = (fused.kept[f"alpha.{name}"] for name in INPUTS)
    (b1, u1), (b2, u2) = (
        ((alpha - 1) / alpha.sum(1, True), 3 / alpha.sum(1, True)) for alpha in (first, second)
    )
    conflict = torch.stack([b1[:, i] * b2[:, j] for i in range(3) for j in range(3) if i != j])
    agreed = 1 - conflict.sum(dim=0)[:, None]
    doubt = u1 * u2 / agreed
    torch.testing.assert_close(fused.kept["uncertainty"], doubt[:, 0])
    belief = (b1 * b2 + b1 * u2 + b2 * u1) / agreed
    torch.testing.assert_close(fused.logits.softmax(dim=1), belief + doubt / 3)


def test_an_input_that_is_not_there_is_no_opinion():
    features, present = rows()
    present["text"][0] = False
    present["table"][1] = present["text"][1] = False
    fused = head("tmc").eval()(features, present)
    torch.testing.assert_close(fused.kept["alpha"][0], fused.kept["alpha.table"][0])
    assert fused.kept["uncertainty"][1] == 1
    assert fused.gates["text"][0] == 0
    torch.testing.assert_close(sum(fused.gates.values()), 1 - fused.kept["uncertainty"])


def test_evidence_needs_classes():
    features, present = rows()
    tmc = head("tmc")
    with pytest.raises(RecipeError, match="evidence for classes") as caught:
        tmc.loss(outputs(tmc(features, present)), batch(present, {"value": CLASSES.float()}), None)
    assert caught.value.remedy


def test_latents_and_losses_are_blended_by_one_share():
    features, present = rows()
    present["text"][2] = False
    seen = []
    mixing = head("fusemix", head="core:mean").train()
    mixing.head.register_forward_hook(lambda module, given, output: seen.append(given[0]))
    fused = mixing(features, present)
    share, partner = (fused.kept[f"fusemix.{name}"] for name in ("share", "partner"))
    assert 0 < share < 1
    assert partner[2] == 2  # no other row lacks the same
    for name, own in features.items():
        expected = share * own.pooled + (1 - share) * own.pooled[partner]
        torch.testing.assert_close(seen[0][name].pooled, expected)

    weights = torch.arange(6.0)
    found = mixing.loss(
        outputs(fused),
        batch(present, weight=weights),
        lambda of: of.targets["class"].float() @ of.weight,
    )
    classes = CLASSES.float()
    expected = share * (classes @ weights)
    expected += (1 - share) * (classes[partner] @ weights[partner])
    torch.testing.assert_close(found, expected)
    mixing.eval()(features, present)
    assert torch.equal(seen[1]["text"].pooled, features["text"].pooled)


def test_tokens_of_unequal_texts_are_blended_where_both_have_some():
    features, present = rows(2)
    tokens, mask = torch.randn(2, 3, 5), torch.tensor([[True, True, True], [True, False, False]])
    features["text"] = replace(features["text"], tokens=tokens, mask=mask)
    mixing, seen = head("fusemix", head="core:mean").train(), []
    mixing.head.register_forward_hook(lambda module, given, output: seen.append(given[0]))
    for _ in range(8):
        fused = mixing(features, present)
        if fused.kept["fusemix.partner"].tolist() == [1, 0]:
            break
    text, share = seen[-1]["text"], fused.kept["fusemix.share"]
    assert text.mask.all()
    torch.testing.assert_close(text.tokens[1, 1:], tokens[0, 1:])
    torch.testing.assert_close(text.tokens[0, 0], share * tokens[0, 0] + (1 - share) * tokens[1, 0])


def test_the_input_that_is_ahead_waits():
    """Its gradient is scaled by 1 - tanh(a rho), that of the other is what it was."""
    features, present = rows()
    found = {}
    for strength in (0.0, 0.5):
        modulated = head("ogm_ge", strength=strength, noise=False, head="core:mean").train()
        nn.init.zeros_(modulated.probe.layers["text"].weight)  # the text knows nothing
        with torch.no_grad():
            for row in range(6):  # and the table knows the class
                modulated.probe.layers["table"].weight[CLASSES[row]] += modulated.project(
                    features, present
                )[0, row]
        modulated.head.eval()
        fused = modulated(features, present)
        of = lambda batch, pooled=fused.pooled: pooled[:, 0].sum()  # noqa: E731
        modulated.loss(outputs(fused), batch(present), of).backward()
        scales = {name: fused.kept[f"scale.{name}"] for name in INPUTS}
        layers = modulated.project.layers
        found[strength] = ({name: layers[name][1].weight.grad for name in INPUTS}, scales)
    assert found[0.0][1] == {"table": 1, "text": 1}
    scale = found[0.5][1]["table"]
    assert 0 < scale < 0.6
    assert found[0.5][1]["text"] == 1
    torch.testing.assert_close(found[0.5][0]["table"], scale * found[0.0][0]["table"])
    torch.testing.assert_close(found[0.5][0]["text"], found[0.0][0]["text"])


@pytest.mark.parametrize("fitter", ["core:finetune", "fusion:cached"])
@pytest.mark.parametrize("name", ["tmc", "fusemix", "ogm_ge"])
def test_a_model_learns_with_it_from_cells_and_from_latents(name, fitter):
    labels = {"kind": ["a", "b", "c"] * 16}
    frame = points(labels, ("left", "right")).assign(**labels)
    frame.loc[::5, "left"] = None
    settings = {
        "fit": fitter,
        "fusion": f"fusion:{name}",
        "training.epochs": 15,
        "training.batch_size": 16,
        "training.head_learning_rate": 1e-2,
    }
    model = MultiModalPredictor("kind", hyperparameters=settings, plugins=[KIT], verbosity=0)
    model.fit(frame)
    assert model.evaluate(frame, "accuracy")["accuracy"] > 0.85
    assert np.isfinite(model.history.loss).all()
