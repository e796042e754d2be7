"""Which weights a fit ends with."""

from __future__ import annotations

import gc
import math

import pytest
import torch
from torch import nn

from mm_core.recipe.training import TrainingConfig
from mm_core.training.loop import weights
from mm_core.training.loop.weights import RAMP_UP, keeper

AVERAGES = ["best", "uniform_soup", "greedy_soup", "ema"]


def _network():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.Linear(2, 1))
    network[2].requires_grad_(False)
    return network


def _set(network, value):
    """Give everything that training changes one value; frozen weights stay."""
    for part in (*network[0].parameters(), *network[1].parameters()):
        part.data.fill_(value)
    for buffer in network.buffers():
        buffer.fill_(value)


def _values(network):
    """The values of a network that :func:`_set` filled, each once."""
    changing = [*network[0].parameters(), *network[1].parameters(), *network.buffers()]
    return {round(one.item(), 5) for value in changing for one in value.flatten()}


def _kept(network, folder, average="best", **settings):
    return keeper(network, TrainingConfig(average=average, **settings), folder)


def _validate(kept, network, scored):
    """One validation after another, of these (value of all weights, score)."""
    for value, score in scored:
        _set(network, value)
        with kept.candidate():
            pass
        kept.consider(score)


def _no_score():
    raise AssertionError("nothing is to be validated")


@pytest.fixture(params=["in memory", "in a file"])
def place(request, monkeypatch):
    """Where copies lie."""
    if request.param == "in a file":
        monkeypatch.setattr(weights, "MAPPED_FROM_BYTES", 0)
    return request.param


def test_the_best_come_back_and_frozen_ones_stay(tmp_path, place):
    network = _network()
    frozen = network[2].weight.clone()
    kept = _kept(network, tmp_path)
    _validate(kept, network, [(1.0, 0.5), (2.0, 0.9), (3.0, 0.7)])
    network[2].weight.data.add_(1)  # no keeper's business
    assert kept.finish(_no_score) == 0.9
    assert _values(network) == {2.0}
    torch.testing.assert_close(network[2].weight, frozen + 1)
    assert network[1].num_batches_tracked.dtype == torch.int64
    assert any(tmp_path.iterdir()) == (place == "in a file")


@pytest.mark.parametrize("average", ["best", "uniform_soup", "greedy_soup"])
def test_of_equal_scores_the_later(tmp_path, average):
    network = _network()
    kept = _kept(network, tmp_path, average, top_k=2)
    _validate(kept, network, [(1.0, 0.5), (2.0, 0.5), (3.0, 0.5), (4.0, 0.1)])
    assert kept.finish(lambda: 0.0) is not None
    expected = {"best": 3.0, "greedy_soup": 3.0, "uniform_soup": 2.5}[average]
    assert round(network[0].bias[0].item(), 5) == expected


def test_without_validation_the_last_weights_stay(tmp_path):
    network = _network()
    kept = _kept(network, tmp_path)
    _set(network, 4.0)
    assert kept.finish(None) is None
    assert _values(network) == {4.0}


def test_a_uniform_soup_is_the_mean_of_the_best(tmp_path, place):
    network = _network()
    kept = _kept(network, tmp_path, "uniform_soup", top_k=3)
    scored = [(1.0, 0.1), (2.0, 0.8), (9.0, 0.2), (6.0, 0.7), (4.0, 0.9)]
    _validate(kept, network, scored)
    seen = []
    assert kept.finish(lambda: seen.append(_values(network)) or 0.95) == 0.95
    assert len(seen) == 1
    assert network[0].weight.flatten().tolist() == pytest.approx([4.0] * 6)  # (4 + 2 + 6) / 3
    assert network[1].running_mean.tolist() == pytest.approx([4.0] * 2)


def test_a_soup_of_one_is_not_validated_again(tmp_path):
    network = _network()
    for average in ("uniform_soup", "greedy_soup"):
        kept = _kept(network, tmp_path, average)
        _validate(kept, network, [(1.0, 0.3)])
        assert kept.finish(_no_score) == 0.3
        assert _values(network) == {1.0}


def test_a_greedy_soup_takes_in_what_betters_it(tmp_path, place):
    network = _network()
    kept = _kept(network, tmp_path, "greedy_soup", top_k=4)
    # By score: 4, 2, 9, 6. Best near 3: the 2 betters 4, the 9 worsens their mean, the 6 does too.
    _validate(kept, network, [(6.0, 0.5), (9.0, 0.6), (2.0, 0.7), (4.0, 0.8), (7.0, 0.1)])
    tried = []

    def score():
        tried.append(network[0].bias[0].item())
        return 0.9 - abs(tried[-1] - 3.0)

    assert kept.finish(score) == pytest.approx(0.9)
    assert tried == pytest.approx([3.0, 5.0, 4.0])  # (4+2)/2; (4+2+9)/3; (4+2+6)/3
    assert network[0].weight.flatten().tolist() == pytest.approx([3.0] * 6)


def test_a_greedy_soup_that_nothing_betters_is_the_best(tmp_path):
    network = _network()
    kept = _kept(network, tmp_path, "greedy_soup")
    _validate(kept, network, [(1.0, 0.8), (3.0, 0.7)])
    assert kept.finish(lambda: 0.79) == 0.8
    assert _values(network) == {1.0}


@pytest.mark.parametrize("average", ["uniform_soup", "greedy_soup"])
def test_a_soup_without_a_score_is_the_best(tmp_path, place, average):
    network = _network()
    kept = _kept(network, tmp_path, average, top_k=3)
    _validate(kept, network, [(1.0, 0.8), (3.0, 0.7), (5.0, 0.9)])
    assert kept.finish(lambda: math.nan) == 0.9
    assert _values(network) == {5.0}


def _copies():
    """Sets of the network's weights that are alive, its own included."""
    tensors = (one for one in gc.get_objects() if isinstance(one, torch.Tensor))
    return len({one.data_ptr() for one in tensors if one.shape == (2, 3)})


@pytest.mark.parametrize(("average", "copies"), [("greedy_soup", 3), ("ema", 2)])
def test_no_more_copies_than_documented(tmp_path, average, copies):
    before = _copies()
    network = _network()
    kept = _kept(network, tmp_path, average, top_k=3)
    seen = []
    for value in (1.0, 3.0, 5.0):
        _set(network, value)
        kept.after_step()
        with kept.candidate():
            seen.append(_copies())
        kept.consider(value)
    kept.finish(lambda: seen.append(_copies()) or 9.0)
    assert max(seen) - before == 1 + copies


def test_a_moving_average_is_the_recursion(tmp_path, place):
    network = _network()
    _set(network, 0.0)
    kept = _kept(network, tmp_path, "ema", ema_decay=0.3)
    average, seen = 0.0, []
    for step in range(1, 8):
        decay = min(0.3, (1 + step) / (RAMP_UP + step))
        average = decay * average + (1 - decay) * step
        _set(network, float(step))
        kept.after_step()
        with kept.candidate():
            seen.append(network[0].bias[0].item())
            assert network[1].running_var[0].item() == pytest.approx(seen[-1])
            assert network[1].num_batches_tracked.item() == step  # a count has no mean
        assert _values(network) == {float(step)}  # training goes on with its own weights
        kept.consider(1.0 if step == 5 else 0.0)
        assert seen[-1] == pytest.approx(average, rel=1e-5)
    assert kept.finish(_no_score) == 1.0
    assert network[0].bias[0].item() == pytest.approx(seen[4])


@pytest.mark.parametrize("average", AVERAGES)
def test_what_was_kept_is_taken_up_again(tmp_path, average, place):
    scored = [(float(n), score) for n, score in enumerate([0.5, 0.9, 0.1, 0.7, 0.8, 0.6])]
    found = []
    for cut in (0, 2, 4):
        network = _network()
        _set(network, 0.0)
        kept = _kept(network, tmp_path / str(cut), average, top_k=2)
        (tmp_path / str(cut)).mkdir()
        for number, (value, score) in enumerate(scored):
            if number and number == cut:
                state = torch.load(_saved(kept.state(), tmp_path), weights_only=True)
                network = _network()
                kept = _kept(network, tmp_path / str(cut), average, top_k=2)
                kept.restore(state)
            _set(network, value)
            kept.after_step()
            kept.consider(score)
        found.append((kept.finish(lambda: 1.0), network[0].bias.tolist()))
    assert found[0] == found[1] == found[2]


def _saved(state, folder):
    torch.save(state, folder / "state.pt")
    return folder / "state.pt"


@pytest.mark.parametrize("average", AVERAGES)
def test_the_score_told_is_that_of_the_final_weights(small_table, fit_table, average):
    train, tuning = small_table.iloc[:56], small_table.iloc[56:]
    settings = {
        "training.average": average,
        "training.epochs": 8,
        "training.batch_size": 8,
        "training.head_learning_rate": 0.02,
        "training.ema_decay": 0.8,
        "data.validation_metric": "core:log_loss",
        "task.temperature": False,  # set after the weights are chosen
    }
    predictor = fit_table(train, tuning_data=tuning, hyperparameters=settings)
    told = predictor._fitted.result.best_score
    assert predictor.evaluate(tuning, "log_loss")["log_loss"] == pytest.approx(told, rel=1e-6)
    lowest = predictor.history["log_loss"].min()
    if average in ("best", "ema"):
        assert told == lowest
    if average == "greedy_soup":
        assert told <= lowest


def test_averages_end_with_different_weights(small_table, fit_table):
    settings = {"training.epochs": 8, "training.batch_size": 8, "training.ema_decay": 0.5}
    answers = [
        fit_table(small_table, hyperparameters=settings | {"training.average": average})
        .predict_proba(small_table)
        .to_numpy()
        for average in ("best", "uniform_soup", "ema")
    ]
    assert not (answers[0] == answers[1]).all()
    assert not (answers[0] == answers[2]).all()
