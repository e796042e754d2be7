"""Blocks and merges by formula, traps of the released code, models merged as a user does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from mm_lego.blocks import frequencies, merged, spherical_mean, transformed
from mm_lego.merging import merge
from typer.testing import CliRunner

from mm_core import MultiModalPredictor
from mm_core.api import ArtifactError, ConfigError, FusionHeadSpec
from mm_core.api.nn import Features
from mm_core.api.tools import installed
from mm_core.cli.app import app
from mm_core.testing.end_to_end import points
from mm_core.testing.kit import KIT

INPUTS = {"image": {"pooled": 6}, "table": {"pooled": 4}, "text": {"pooled": 5}}
SETTINGS = {
    "fusion": "lego:merge",
    "fusion.channels": 4,
    "fusion.dim": 16,
    "training.epochs": 5,
    "training.batch_size": 16,
    "training.head_learning_rate": 1e-2,
}


def complex_of(magnitude, phase):
    one = torch.polar(torch.tensor(magnitude), torch.tensor(phase)).reshape(-1, 1, 1, 1)
    return one.real, one.imag


def one(found):
    return torch.complex(*found).flatten()[0]


# ---- the traps of the released code


def test_magnitudes_are_merged_by_the_harmonic_mean_of_all():
    """(a) not half of it, (b) and not of the first two alone."""
    latents = complex_of([1.0, 2.0, 4.0], [0.0, 0.0, 0.0])
    found = one(merged(latents, torch.full((3, 1), 1 / 3), "harmonic"))
    assert found.abs().item() == pytest.approx(3 / (1 + 1 / 2 + 1 / 4), rel=1e-5)
    uneven = one(merged(latents, torch.tensor([[0.8], [0.2], [0.0]]), "harmonic"))
    assert uneven.abs().item() == pytest.approx(1 / (0.8 + 0.2 / 2), rel=1e-5)


def test_phases_are_averaged_on_the_circle():
    """(c) the mean of the phases pi - 0.1 and -(pi - 0.1) is pi, not 0."""
    latents = complex_of([1.0, 1.0], [math.pi - 0.1, 0.1 - math.pi])
    found = one(merged(latents, torch.full((2, 1), 0.5), "harmonic"))
    assert abs(found.angle().item()) == pytest.approx(math.pi, abs=1e-4)
    assert found.abs().item() == pytest.approx(1, rel=1e-4)


def test_answers_are_joined_on_the_sphere():
    """(d) all weight on one gives that one, equal ones stay equal, and there is no NaN."""
    torch.manual_seed(0)
    a, b = torch.randn(2, 12)
    b = 3 * b
    weights = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.25, 0.75]])
    found = spherical_mean(weights, torch.stack([a, b]))
    torch.testing.assert_close(found[:2], torch.stack([a, b]), rtol=1e-4, atol=1e-4)
    units = [x / x.norm() for x in (a, b)]
    angle = torch.acos(units[0] @ units[1])
    for row, share in ((2, 0.5), (3, 0.75)):
        slerp = torch.sin((1 - share) * angle) * units[0] + torch.sin(share * angle) * units[1]
        length = (1 - share) * a.norm() + share * b.norm()
        torch.testing.assert_close(
            found[row], length * slerp / torch.sin(angle), rtol=1e-4, atol=1e-4
        )
    same = spherical_mean(torch.full((1, 3), 1 / 3), a.expand(3, -1).clone().requires_grad_())
    torch.testing.assert_close(same[0], a)
    same.sum().backward()


def test_the_transform_is_that_along_the_channels():
    """Frequencies of channels, not of features; of tokens over as many as a row has (g)."""
    torch.manual_seed(0)
    value = torch.randn(2, 5, 3), torch.randn(2, 5, 3)
    expected = torch.fft.fft(torch.complex(*value), dim=1, norm="ortho")
    torch.testing.assert_close(torch.complex(*transformed(value)), expected, rtol=1e-4, atol=1e-5)
    back = transformed(transformed(value), back=True)
    torch.testing.assert_close(back[0], value[0], rtol=1e-4, atol=1e-5)
    tokens, there = torch.randn(1, 4, 3), torch.tensor([[True, True, True, False]])
    wanted = torch.fft.fft(tokens[:, :3], dim=1, norm="ortho").real
    torch.testing.assert_close(frequencies(tokens, there)[:, :3], wanted, rtol=1e-4, atol=1e-5)
    assert (frequencies(tokens, there)[:, 3] == 0).all()
    assert torch.equal(frequencies(tokens[:, :1], there[:, :1]), tokens[:, :1])


def head(name, inputs=INPUTS, **settings):
    torch.manual_seed(0)
    component = installed([KIT]).get(FusionHeadSpec, f"lego:{name}")
    settings = {"channels": 4, "dim": 16} | settings
    return component.load()(component.read(settings, where="fusion"), inputs, 3)


def rows(n=4):
    torch.manual_seed(1)
    features = {name: Features(pooled=torch.randn(n, d["pooled"])) for name, d in INPUTS.items()}
    return features, {name: torch.ones(n, dtype=torch.bool) for name in INPUTS}


@pytest.mark.parametrize("name", ["merge", "fuse"])
def test_a_pass_changes_no_parameter_and_every_latent_learns(name):
    """(f)"""
    features, present = rows()
    block = head(name)
    before = {key: value.clone() for key, value in block.state_dict().items()}
    block(features, present).logits.square().sum().backward()
    after = block.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], value) for key, value in before.items())
    assert all((one.latent.grad != 0).any() for one in block.blocks.values())


@pytest.mark.parametrize("method", ["harmonic", "mean"])
def test_a_row_of_one_input_is_answered_as_by_the_block_of_that_one(method):
    features, present = rows()
    whole = head("merge", method=method).eval()
    alone = head("merge", {"text": INPUTS["text"]}, method=method).eval()
    alone.blocks["text"].load_state_dict(whole.blocks["text"].state_dict())
    alone.answers["text"].load_state_dict(whole.answers["text"].state_dict())
    for name in ("image", "table"):
        present[name][:] = False
        features[name].pooled[:] = math.nan
    found = whole(features, present).logits
    torch.testing.assert_close(found, alone(features, present).logits, rtol=1e-4, atol=1e-5)


def test_stacks_and_weaves_differ_and_pass_by_what_is_not_there():
    features, present = rows()
    present["image"][0] = False
    stack, weave = (head("fuse", order=order).eval() for order in ("stack", "weave"))
    weave.load_state_dict(stack.state_dict())
    first = stack(features, present).logits
    assert not torch.allclose(first, weave(features, present).logits)
    features["image"].pooled[0] = math.nan
    assert torch.equal(stack(features, present).logits, first)


# ---- as a user does it


@pytest.fixture(scope="module")
def frame():
    labels = {"kind": ["a", "b", "c"] * 20}
    return points(labels, ("left", "right")).assign(**labels)


@pytest.fixture(scope="module")
def models(frame, tmp_path_factory):
    """A model of each column."""
    folder = tmp_path_factory.mktemp("models")
    for column in ("left", "right"):
        fitted(frame, column).save(folder / column)
    return folder


def fitted(frame, column, **settings):
    """A model of that column alone."""
    others = {name: "ignore" for name in frame.columns if name not in (column, "kind")}
    given = {key: one for key, one in (SETTINGS | settings).items() if one is not None}
    model = MultiModalPredictor("kind", hyperparameters=given, plugins=[KIT], verbosity=0)
    return model.fit(frame, column_types=others)


def test_models_are_merged_as_it_is_typed(frame, models, tmp_path):
    typed = [*(str(models / one) for one in ("left", "right")), "--out", str(tmp_path / "both")]
    done = CliRunner().invoke(app, ["merge", *typed, "--plugin", str(KIT)])
    assert done.exit_code == 0, done.stderr
    both = MultiModalPredictor.load(tmp_path / "both", plugins=[KIT])
    assert both.evaluate(frame, "accuracy")["accuracy"] > 0.9
    left = MultiModalPredictor.load(models / "left", plugins=[KIT])
    without = frame.assign(right=None)
    assert (both.predict(without) == left.predict(without)).mean() == 1
    again = CliRunner().invoke(app, ["merge", *typed, "--plugin", str(KIT), "--share", "left=0"])
    assert again.exit_code != 0
    assert "no number above 0" in again.stderr


def test_settings_of_the_blocks_are_those_of_the_merged(frame, tmp_path):
    for column in ("left", "right"):
        given = {"training.epochs": 1, "fusion.method": "mean"}
        fitted(frame, column, **given).save(tmp_path / column)
    merge([tmp_path / "left", tmp_path / "right"], tmp_path / "both", plugins=[KIT])
    both = MultiModalPredictor.load(tmp_path / "both", plugins=[KIT])
    assert both.recipe.fusion.config["method"] == "mean"


def test_an_input_is_added_later_without_forgetting(frame, models, tmp_path):
    pytest.importorskip("mm_tabular")
    more = frame.assign(size=np.arange(60) % 3 + 0.1)
    fitted(more, "size").save(tmp_path / "size")
    merge([models / "left", models / "right"], tmp_path / "two", plugins=[KIT])
    merge([tmp_path / "two", tmp_path / "size"], tmp_path / "three", plugins=[KIT])
    two, three = (
        MultiModalPredictor.load(tmp_path / name, plugins=[KIT]) for name in ("two", "three")
    )
    assert set(three.recipe.backbones) == {"left", "right", "tabular"}
    old = more.assign(size=None)
    expected, found = two.predict_proba(old).to_numpy(), three.predict_proba(old).to_numpy()
    assert np.allclose(found, expected, atol=1e-4)
    assert three.evaluate(more, "accuracy")["accuracy"] > 0.9


def test_a_fuse_is_trained_some_epochs(frame, models, tmp_path):
    merge([models / "left", models / "right"], tmp_path / "fuse", "fuse", plugins=[KIT])
    model = MultiModalPredictor.load(tmp_path / "fuse", plugins=[KIT])
    assert model.recipe.fusion.id == "lego:fuse"
    model.fit(frame, hyperparameters={"training.epochs": 5})
    assert model.evaluate(frame, "accuracy")["accuracy"] > 0.9


NO_FUSION = {key: None for key in SETTINGS if key.startswith("fusion")}


@pytest.mark.parametrize(
    ("column", "settings", "says"),
    [
        ("left", {}, "both have the backbone 'left'"),
        ("right", {"fusion.dim": 32}, "fusion.dim"),
        ("right", NO_FUSION, "no blocks to merge"),
    ],
)
def test_what_does_not_fit_together_is_refused(column, settings, says, frame, models, tmp_path):
    fitted(frame, column, **{"training.epochs": 1}, **settings).save(tmp_path / "other")
    with pytest.raises(ConfigError, match=says) as caught:
        merge([models / "left", tmp_path / "other"], tmp_path / "out", plugins=[KIT])
    assert caught.value.remedy


def test_models_of_other_labels_are_refused(frame, models, tmp_path):
    more = frame.assign(kind=["a", "b", "d"] * 20)
    fitted(more, "right", **{"training.epochs": 1}).save(tmp_path / "other")
    with pytest.raises(ConfigError, match="the classes"):
        merge([models / "left", tmp_path / "other"], tmp_path / "out", plugins=[KIT])
    with pytest.raises(ConfigError, match="nothing to merge"):
        merge([models / "left"], tmp_path / "out", plugins=[KIT])
    with pytest.raises(ArtifactError, match="one of the models"):
        merge([models / "left", models / "right"], models / "left", plugins=[KIT])


def test_scaled_labels_are_merged_where_they_were_scaled_alike(frame, tmp_path):
    numbers = frame.assign(kind=np.arange(60.0))
    one = {"training.epochs": 1}
    fitted(numbers, "left", **one).save(tmp_path / "left")
    fitted(numbers, "right", **one).save(tmp_path / "right")
    fitted(numbers.iloc[:40], "right", **one).save(tmp_path / "fewer")
    merge([tmp_path / "left", tmp_path / "right"], tmp_path / "both", plugins=[KIT])
    found = MultiModalPredictor.load(tmp_path / "both", plugins=[KIT]).predict(numbers)
    assert len(found) == 60
    with pytest.raises(ConfigError, match="learned of the labels"):
        merge([tmp_path / "left", tmp_path / "fewer"], tmp_path / "out", plugins=[KIT])
