"""Multilabel: columns or lists in, the same out; what cannot be learned is said."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import ConfigError, LabelError, State
from mm_core.builtin.configs import MultilabelConfig
from mm_core.builtin.tasks.multilabel import Multilabel
from mm_core.builtin.tasks.thresholds import label_thresholds

SETS = [["red"], ["round", "red"], [], ["round"], ["red", "round"]]
COLUMNS = pd.DataFrame({"red": [1, 1, 0, 0, 1], "round": [0, 1, 0, 1, 1]})


def learned(frame: pd.DataFrame, **settings: Any) -> Multilabel:
    task = Multilabel(MultilabelConfig(**settings), list(frame))
    task.learn(frame)
    return task


def again(task: Multilabel) -> Multilabel:
    """Through JSON, as from a saved model."""
    state = State(values=json.loads(json.dumps(task.state().values)))
    return Multilabel.from_state(task.config, task.label, state)


def certain(task: Multilabel, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    return {"logits": 9 * (2 * task.encode(frame)["labels"] - 1)}


@pytest.mark.parametrize(
    "columns",
    [
        COLUMNS,
        COLUMNS.astype(bool),
        COLUMNS.astype({"red": "int8", "round": "float32"}),
        COLUMNS.astype({"red": "boolean", "round": "Int64"}),
    ],
    ids=["int", "bool", "mixed", "nullable"],
)
def test_columns_come_back_in_their_dtypes(columns: pd.DataFrame) -> None:
    task = learned(columns)
    assert task.encode(columns)["labels"].dtype == np.float32
    answer = again(task).decode(certain(task, columns), {}).answer
    pd.testing.assert_frame_equal(answer, columns)


CELLS: dict[str, tuple[list[Any], dict[str, Any], list[Any]]] = {
    "list": (SETS, {}, [sorted(one) for one in SETS]),
    "tuple": ([tuple(one) for one in SETS], {}, [sorted(one) for one in SETS]),
    "set": ([set(one) for one in SETS], {}, [sorted(one) for one in SETS]),
    "array": ([np.array(one) for one in SETS], {}, [sorted(one) for one in SETS]),
    "json": ([json.dumps(one) for one in SETS], {}, [json.dumps(sorted(one)) for one in SETS]),
    "joined": (
        ["; ".join(one) for one in SETS],
        {"separator": ";"},
        [";".join(sorted(one)) for one in SETS],
    ),
    "numbers": ([[3], [10, 3], [], [10], [3, 10]], {}, [[3], [3, 10], [], [10], [3, 10]]),
}


@pytest.mark.parametrize("form", CELLS)
def test_lists_come_back_as_they_were_written_in_sorted_order(form: str) -> None:
    cells, settings, expected = CELLS[form]
    frame = pd.DataFrame({"tags": pd.Series(cells)})
    task = learned(frame, **settings)
    assert task.encode(frame)["labels"].tolist() == COLUMNS.to_numpy().tolist()
    decoded = again(task).decode(certain(task, frame), {})
    assert decoded.answer["tags"].tolist() == expected
    assert decoded.proba is not None
    assert not decoded.exclusive
    assert list(decoded.proba.columns) == ([3, 10] if form == "numbers" else ["red", "round"])


@pytest.mark.parametrize(
    ("cells", "rows", "says"),
    [
        ([["a"], None, ["b"]], (1,), "missing"),
        ([["a"], ["b", None], []], (1,), "missing label"),
        ([["a"], "b", ["b"]], (1,), "is no list"),
        (["a;b", "a", "b"], (0,), "is no list"),
        (['["a"]', '{"a": 1}', "[]"], (1,), "is no list"),
        ([["a"], [["b"]], []], (1,), "is no list"),
        ([["a"], [1], ["a"]], (1,), "cannot be classes"),
        ([[], []], (), "no cell"),
        ([["a"], ["a", "b"]], (), "'a' is 1 in all 2 rows"),
    ],
)
def test_lists_that_cannot_be_learned(cells: list[Any], rows: tuple[int, ...], says: str) -> None:
    with pytest.raises(LabelError, match=says) as caught:
        learned(pd.DataFrame({"tags": pd.Series(cells, dtype=object)}))
    assert caught.value.column == "tags"
    assert caught.value.rows == rows
    assert caught.value.remedy


def test_a_separator_is_suggested() -> None:
    with pytest.raises(LabelError) as caught:
        learned(pd.DataFrame({"tags": ["a;b", "a", "b"]}))
    assert "task.separator=';'" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("column", "rows"), [([0, 2, 1], (1,)), (["yes", "no", "yes"], (0, 1, 2)), ([0, None, 1], (1,))]
)
def test_columns_hold_0_and_1(column: list[Any], rows: tuple[int, ...]) -> None:
    with pytest.raises(LabelError) as caught:
        learned(pd.DataFrame({"a": [0, 1, 0], "b": column}))
    assert (caught.value.column, caught.value.rows) == ("b", rows)


def test_a_constant_column_is_named() -> None:
    with pytest.raises(LabelError, match="'b' is 0 in all 3 rows") as caught:
        learned(pd.DataFrame({"a": [0, 1, 0], "b": [0, 0, 0]}))
    assert caught.value.column == "b"


def test_a_label_unseen_in_training_is_named_with_its_rows() -> None:
    task = learned(pd.DataFrame({"tags": SETS}))
    with pytest.raises(LabelError, match="'blue' in row") as caught:
        task.encode(pd.DataFrame({"tags": [["red"], ["blue"], ["round", "blue"]]}))
    assert caught.value.rows == (1, 2)
    assert "'red', 'round'" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    "form",
    [
        {"names": ["a", "a"], "writing": "list"},
        {"names": ["a", 1], "writing": "list"},
        {"names": [["a"]], "writing": "list"},
    ],
)
def test_an_altered_state_is_refused(form: dict[str, Any]) -> None:
    with pytest.raises((LabelError, TypeError, ValueError)):
        Multilabel.from_state(MultilabelConfig(), ["tags"], State(values={"form": form}))
    with pytest.raises((TypeError, ValueError)):
        Multilabel.from_state(
            MultilabelConfig(),
            ["a", "b"],
            State(values={"form": {"names": ["a", "b"], "dtypes": ["int8", "object"]}}),
        )


def table(n: int = 160) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"a": rng.normal(size=n), "b": rng.normal(size=n)})
    rows["big"], rows["odd"] = (rows.a > 0).astype(int), rows.b > 0.5
    return rows


def fit(frame: pd.DataFrame, label: Any, **settings: Any) -> MultiModalPredictor:
    given = {"training.epochs": 8, "training.head_learning_rate": 1e-2, **settings}
    return MultiModalPredictor(label, hyperparameters=given, verbosity=0).fit(frame)


def test_columns_through_the_predictor(tmp_path: Any) -> None:
    frame = table()
    predictor = fit(frame, ["big", "odd"])
    assert predictor.recipe.task.id == "core:multilabel"
    assert predictor.evaluate(frame)["f1_macro"] > 0.9
    answer = predictor.predict(frame)
    assert answer.dtypes.to_dict() == frame[["big", "odd"]].dtypes.to_dict()
    proba = predictor.predict_proba(frame, as_multiclass=False)
    assert list(proba.columns) == ["big", "odd"]  # two labels are not two classes
    assert predictor.predict_proba(frame, as_pandas=False).shape == (len(frame), 2)
    loaded = MultiModalPredictor.load(predictor.save(tmp_path / "model"))
    pd.testing.assert_frame_equal(loaded.predict(frame), answer)
    pd.testing.assert_frame_equal(loaded.predict_proba(frame), proba)
    with pytest.raises(LabelError, match="'odd'"):
        predictor.evaluate(frame.assign(odd=[2] * len(frame)))


def test_labels_that_further_rows_bring_come_after_the_others() -> None:
    task = learned(pd.DataFrame({"tags": SETS}))
    more = pd.DataFrame({"tags": [["blue"], ["red", "blue"], []]})
    task.extend(more)
    assert again(task).info["labels"] == ["red", "round", "blue"]
    answer = again(task).decode(certain(task, more), {}).answer["tags"]
    assert answer.tolist() == [["blue"], ["red", "blue"], []]
    numbers = pd.DataFrame({"tags": [[1], [2]]})
    task.extend(numbers)
    with pytest.raises(LabelError, match="1 in row"):
        task.encode(numbers)


@pytest.mark.parametrize("loss", ["binary_focal", "asymmetric"])
def test_lists_through_the_predictor(loss: str) -> None:
    frame = table()
    tags = [
        [n for n, yes in (("big", a), ("odd", b)) if yes]
        for a, b in zip(frame.big, frame.odd, strict=True)
    ]
    frame = frame[["a", "b"]].assign(tags=tags)
    predictor = fit(frame, "tags", **{"training.loss": loss})
    assert predictor.evaluate(frame)["f1_macro"] > 0.85
    found = pd.Series(predictor.predict(frame))
    assert found.map(type).eq(list).all()
    assert np.mean([one == tag for one, tag in zip(found, tags, strict=True)]) > 0.8
    with pytest.raises(ConfigError, match="class_weights"):
        fit(frame, "tags", **{"training.class_weights": "balanced"})


@pytest.mark.parametrize("seed", range(5))
def test_the_only_row_with_a_label_is_trained_on(seed: int) -> None:
    frame = table(60)
    frame["rare"] = 0
    frame.loc[17, "rare"] = 1
    predictor = fit(frame, ["big", "rare"], **{"training.epochs": 1, "training.seed": seed})
    assert predictor.recipe.training.seed == seed  # else: "rare" is 0 in all rows


def test_new_labels_are_validated_without_the_old_calibration():
    task = Multilabel(MultilabelConfig(), ["tags"])
    task.learn(pd.DataFrame({"tags": [["a"], ["b"], ["a", "b"], []]}))
    task.calibration.temperature, task.calibration.threshold = 3.0, 0.9
    task.extend(pd.DataFrame({"tags": [["c"], ["a"]]}))
    assert (task.calibration.temperature, task.calibration.threshold) == (1.0, 0.5)
    assert task.output_dim == 3


def _calibrated(metric, n=400, threshold="auto", strength=2.0):
    """A task of four labels, two of them rare, calibrated on held-out rows; its labels a row."""
    rng = np.random.default_rng(0)
    truth = (rng.random((n, 4)) < [0.5, 0.3, 0.08, 0.05]).astype(np.float32)
    logits = strength * truth + rng.normal(size=truth.shape) + [-1.0, -2.5, -3.5, -4.0]
    task = Multilabel(MultilabelConfig(threshold=threshold), list("abcd"))
    task.learn(pd.DataFrame(truth.astype(int), columns=list("abcd")))
    task.calibrate(
        {"logits": logits},
        {},
        {"labels": truth},
        lambda decoded: metric(truth, decoded.views["labels"]),
    )
    found = task.decode({"logits": logits}, {}).views["labels"]
    return task, found.sum(axis=1).mean(), truth.sum(axis=1).mean()


def _f1_macro(truth, labels) -> float:
    hits = 2 * (truth * labels).sum(axis=0)
    return float((hits / np.maximum(truth.sum(axis=0) + labels.sum(axis=0), 1)).mean())


def test_each_label_has_a_threshold_and_about_the_true_number_is_answered():
    task, answered, true = _calibrated(_f1_macro)
    assert task.thresholds.shape == (4,)
    assert len(set(task.thresholds.round(6))) == 4
    assert 0.8 * true < answered < 1.35 * true
    again = Multilabel.from_state(task.config, task.label, task.state())
    assert (again.thresholds == task.thresholds).all()
    task.extend(pd.DataFrame([[1, 0, 0, 0], [0, 1, 1, 1]], columns=list("abcd")))
    assert task.thresholds is None


@pytest.mark.parametrize(
    "metric",
    [
        lambda truth, labels: float((truth * labels).sum() / truth.sum()),  # recall: all is best
        lambda truth, labels: 1.0 - float(labels.mean()),  # none is best
        lambda truth, labels: 0.7,
    ],
)
def test_the_threshold_stays_at_a_half_where_nothing_is_won(metric):
    assert _calibrated(metric, strength=2.0)[0].thresholds is None


def test_a_threshold_that_is_given_is_for_all_labels():
    task, _, _ = _calibrated(_f1_macro, threshold=0.4)
    assert task.thresholds is None
    assert task.calibration.threshold == 0.4


def test_thresholds_that_are_none_are_refused():
    task, _, _ = _calibrated(_f1_macro)
    for wrong in ([0.5], [0.5, 0.5, 0.5, 2.0]):
        state = task.state()
        state.values["thresholds"] = wrong
        with pytest.raises(ValueError, match="thresholds"):
            Multilabel.from_state(task.config, task.label, state)


def test_rare_labels_are_drawn_to_the_common_threshold():
    rng = np.random.default_rng(1)
    truth = rng.random((200, 2)) < [0.5, 0.02]
    proba = np.where(truth, 0.6, 0.2) + 0.2 * rng.random((200, 2))
    proba[:, 1] /= 4  # its own best threshold is far below that of the frequent one
    often, rare = label_thresholds(proba, truth)
    assert 0.4 < often < 0.6
    assert 0.2 < rare < often
