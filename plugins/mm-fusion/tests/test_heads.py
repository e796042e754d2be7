"""What single heads and wrappers promise beside the rules of the kit."""

from __future__ import annotations

import pandas as pd
import pytest
import torch

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, FusionHeadSpec, RecipeError
from mm_core.api.nn import Features
from mm_core.api.tools import installed
from mm_core.testing.end_to_end import points
from mm_core.testing.kit import KIT

INPUTS = {"image": {"pooled": 6}, "table": {"pooled": 4}, "text": {"pooled": 5}}


def head(name, inputs=INPUTS, **settings):
    torch.manual_seed(0)
    component = installed([KIT]).get(FusionHeadSpec, f"fusion:{name}")
    return component.load()(component.read(settings, where="fusion"), inputs, 3)


def rows(n=4):
    torch.manual_seed(1)
    features = {name: Features(pooled=torch.randn(n, d["pooled"])) for name, d in INPUTS.items()}
    return features, {name: torch.ones(n, dtype=torch.bool) for name in INPUTS}


def test_gates_of_gmu_are_shares_of_what_is_there():
    features, present = rows()
    present["text"][0] = False
    gates = head("gmu").eval()(features, present).gates
    assert torch.allclose(sum(gates.values()), torch.ones(4))
    assert gates["text"][0] == 0
    assert (gates["image"] > 0).all()


def test_a_tensor_too_large_is_refused_with_the_width_that_fits():
    with pytest.raises(RecipeError, match="1,124,864 entries") as caught:
        head("tfn", dim=103)
    assert "fusion.dim=26" in caught.value.remedy
    head("tfn", dim=26)


def test_film_is_told_which_input_it_is_conditioned_by():
    features, present = rows()
    film = head("film", condition="table").eval()
    assert set(film.modulate) == {"image", "text"}
    with pytest.raises(RecipeError, match="no backbone of this model") as caught:
        head("film", condition="tabel")
    assert "did you mean 'table'?" in caught.value.remedy
    assert film(features, present).pooled.shape == (4, film.dim)


def test_modality_dropout_leaves_inputs_out_in_training_alone():
    seen = []

    def watch(module, given, output):
        seen.append(torch.stack(list(given[1].values())))

    features, present = rows(200)
    dropped = head("modality_dropout", rate=0.5, head="core:mean")
    dropped.head.register_forward_hook(watch)
    dropped.train()(features, present)
    dropped.eval()(features, present)
    in_training, at_prediction = seen
    assert 0.35 < (~in_training).float().mean() < 0.5  # rows that would lose all keep all
    assert in_training.any(dim=0).all()
    assert at_prediction.all()


def test_align_draws_the_inputs_of_a_row_together():
    features, present = rows(8)
    aligned = head("align", head="core:mean").train()
    loss = aligned(features, present).aux_losses["align"]
    assert loss > 0
    assert aligned.eval()(features, present).aux_losses == {}
    present["text"][:] = present["table"][:] = False
    assert aligned.train()(features, present).aux_losses == {}


@pytest.mark.parametrize("inner", ["core:concat_mlp", "core:hybrid", "fusion:missing_embedding"])
@pytest.mark.parametrize("between", [(), ("align",), ("ogm_ge", "modality_dropout")])
def test_embeddings_for_missing_inputs_are_not_put_around_a_head_that_has_some(inner, between):
    held = inner
    for wrapper in between:
        held = {"id": f"fusion:{wrapper}", "head": held}
    with pytest.raises(ConfigError, match=f"{inner} has learned vectors .* of its own"):
        head("missing_embedding", head=held)
    head("modality_dropout", head="fusion:missing_embedding")
    head("missing_embedding", head={"id": "fusion:align", "head": "core:mean"})


def test_a_wrapped_head_fits_saves_and_answers(tmp_path):
    labels = {"kind": ["a", "b"] * 24}
    frame = points(labels, ("left", "right")).assign(**labels)
    frame.loc[::5, "left"] = None
    settings = {
        "fusion": "fusion:modality_dropout",
        "fusion.head": "fusion:gmu",
        "fusion.head.dim": 16,
        "training.epochs": 12,
        "training.head_learning_rate": 1e-2,
    }
    model = MultiModalPredictor("kind", hyperparameters=settings, plugins=[KIT], verbosity=0)
    model.fit(frame)
    assert model.evaluate(frame, "accuracy")["accuracy"] > 0.9
    again = MultiModalPredictor.load(model.save(tmp_path / "model"), plugins=[KIT])
    pd.testing.assert_frame_equal(again.predict_proba(frame), model.predict_proba(frame))


def test_blocks_meet_chunk_by_chunk():
    """A chunk of one input changes the same chunk of the product, and no other."""
    features, present = rows()
    block = head("block", dim=8, chunks=4, rank=2, dropout=0.0).eval()
    seen = []
    block.out.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    block(features, present)
    with torch.no_grad():
        block.weight["text"][2] *= -3.0  # a factor changes length and sign, and one chunk's alone
    block(features, present)
    before, after = (one.unflatten(1, (4, 2)) for one in seen)
    torch.testing.assert_close(before.norm(dim=2), torch.ones(4, 4), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(after[:, [0, 1, 3]], before[:, [0, 1, 3]])
    torch.testing.assert_close(after[:, 2], -before[:, 2], rtol=1e-2, atol=1e-2)
    with pytest.raises(ConfigError, match="3 chunks cannot share"):
        head("block", dim=8, chunks=3)


def test_what_inputs_share_stands_in_for_a_missing_one():
    features, present = rows()
    shaspec, seen = head("shaspec", dim=8, dropout=0.0).eval(), []
    shaspec.mlp.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    shaspec(features, present)
    present["text"][0] = False
    shaspec(features, present)
    whole, lacking = (one.unflatten(1, (3, 8)) for one in seen)
    shared = shaspec.shared(shaspec.project(features, present))  # image, table, text
    torch.testing.assert_close(lacking[0, 2], shared[:2, 0].mean(dim=0))
    torch.testing.assert_close(lacking[0, :2], whole[0, :2])
    torch.testing.assert_close(lacking[1:], whole[1:])


def test_shared_parts_are_drawn_together_and_specific_ones_told_apart():
    features, present = rows()
    shaspec = head("shaspec", dim=8, dropout=0.0)
    losses = shaspec.train()(features, present).aux_losses
    assert set(losses) == {"alignment", "domain"}
    assert losses["domain"].item() == pytest.approx(0.02 * 1.1, rel=0.5)  # log 3 when untaught
    assert shaspec.eval()(features, present).aux_losses == {}
    present["text"][:] = present["table"][:] = False
    assert set(shaspec.train()(features, present).aux_losses) == {"domain"}
    assert head("shaspec", domain=0.0, alignment=0.0).train()(features, present).aux_losses == {}
