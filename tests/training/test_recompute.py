"""Gradient checkpointing: the same numbers with less memory, whatever the backbone."""

from __future__ import annotations

import copy

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.api.nn import tensors
from mm_core.data.batches import BatchMaker
from mm_core.data.rows import read_rows
from mm_core.training.loop.recompute import recomputing


@pytest.fixture(scope="module")
def transformed(table_maker, tmp_path_factory):
    """A table's transformer."""
    frame = table_maker(40, tmp_path_factory.mktemp("recompute"), seed=5)
    settings = {"backbones.tabular.id": "tabular:ft_transformer", "training.max_steps": 1}
    predictor = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0)
    return predictor.fit(frame[["price", "size", "sold", "liked"]]), frame


def _topology_and_batch(predictor, frame):
    model = predictor._model
    table = predictor._session.labelled(
        read_rows(frame, predictor._registry).table, predictor.recipe
    )
    maker = BatchMaker(model.processors, model.pipeline.encode_with_targets(table))
    return copy.deepcopy(model.topology).train(), tensors(maker.make(np.arange(12)))


def _gradients(topology, batch):
    """Loss and gradients of a training step from one state of the random generator."""
    topology.zero_grad()
    with torch.random.fork_rng():
        torch.manual_seed(3)
        loss = topology.loss(topology(batch), batch)
        loss.backward()
    return loss.detach(), {n: p.grad.clone() for n, p in topology.named_parameters()}


def _bytes_kept(backbone, inputs):
    """Bytes that a forward pass keeps for the backward pass, weights not counted."""
    weights = {parameter.untyped_storage().data_ptr() for parameter in backbone.parameters()}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        features = backbone(inputs)
        total = sum(kept.values())
    assert features.pooled.requires_grad
    return total


@pytest.mark.parametrize("name", ["text", "image", "tabular", "ft_transformer"])
def test_less_is_kept_for_the_backward_pass(fused, transformed, name):
    predictor, frame = transformed if name == "ft_transformer" else (fused.predictor, fused.train)
    topology, batch = _topology_and_batch(predictor, frame)
    one = "tabular" if name == "ft_transformer" else name
    backbone = topology.backbones[one]
    inputs = {one: batch.inputs[one]}
    plain = _bytes_kept(backbone, inputs)
    with recomputing(topology):
        assert _bytes_kept(backbone, inputs) < 0.8 * plain
    assert _bytes_kept(backbone, inputs) == plain


@pytest.mark.parametrize("which", ["fused", "ft_transformer"])
def test_loss_and_gradients_are_the_same(fused, transformed, which):
    predictor, frame = transformed if which == "ft_transformer" else (fused.predictor, fused.train)
    topology, batch = _topology_and_batch(predictor, frame)
    again = copy.deepcopy(topology)
    loss, gradients = _gradients(topology, batch)
    with recomputing(again):
        same_loss, same = _gradients(again, batch)
    torch.testing.assert_close(same_loss, loss)
    torch.testing.assert_close(same, gradients)
    # statistics of batch normalisation take in the batch once
    torch.testing.assert_close(dict(again.named_buffers()), dict(topology.named_buffers()))
    assert any(gradient.abs().max() > 0 for gradient in gradients.values())


def test_forward_is_as_before_also_after_an_error(fused):
    topology, _ = _topology_and_batch(fused.predictor, fused.train)

    def broken_step():
        with recomputing(topology):
            assert any("forward" in vars(module) for module in topology.modules())
            raise RuntimeError("of a step")

    with pytest.raises(RuntimeError, match="of a step"):
        broken_step()
    assert not any("forward" in vars(module) for module in topology.modules())


class _Wrapped(pl.Callback):
    """Whether forward passes are checkpointed during the fit."""

    def on_train_batch_start(self, trainer, module, batch, index):
        self.found = any("forward" in vars(part) for part in module.topology.modules())


def test_a_fit_ends_with_the_same_model(table_maker, tmp_path):
    frame = table_maker(48, tmp_path, seed=6)[["review", "liked"]]
    answers = []
    for asked in (False, True):
        settings = {
            "backbones.text.checkpoint": "random",
            "training.epochs": 2,
            "training.batch_size": 8,
            "training.gradient_checkpointing": asked,
        }
        wrapped = _Wrapped()
        predictor = MultiModalPredictor("liked", hyperparameters=settings, verbosity=0)
        predictor.fit(frame, column_types={"review": "text"}, callbacks=[wrapped])
        assert wrapped.found == asked
        modules = predictor._model.topology.modules()
        assert not any("forward" in vars(module) for module in modules)
        answers.append(predictor.predict_proba(frame).to_numpy())
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-5)
    assert np.ptp(answers[0][:, 0]) > 1e-3
