"""Binary and multiclass: labels in, answers of the same type out, clear errors."""

from __future__ import annotations

import json
import warnings
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from mm_core.api import (
    Config,
    ConfigError,
    Criterion,
    LabelError,
    MetricError,
    MMError,
    MMWarning,
    State,
    TrainingError,
)
from mm_core.builtin.configs import BinaryConfig, MulticlassConfig
from mm_core.builtin.losses.classes import CrossEntropy
from mm_core.builtin.losses.configs import CrossEntropyConfig
from mm_core.builtin.tasks.binary import Binary
from mm_core.builtin.tasks.multiclass import Multiclass


def learned(values: Any, task: type = Multiclass, config: Config | None = None) -> Any:
    config = config or (BinaryConfig() if task is Binary else MulticlassConfig())
    built = task(config, ["y"])
    built.learn(frame(values))
    return built


def frame(values: Any) -> pd.DataFrame:
    return pd.DataFrame({"y": values})


def certain(indices: list[int], n_classes: int) -> dict[str, np.ndarray]:
    """Logits that name these classes."""
    return {"logits": 9.0 * np.eye(n_classes, dtype=np.float32)[indices]}


CLASSES = {
    "int": [7, -1, 3],
    "text": ["b", "", "a b"],
    "digits": ["10", "9", "1"],
    "float": [0.5, 1.0, -2.25],
    "category": pd.Categorical(["x", "z", "y"]),
    "category of int": pd.Categorical([3, 1, 2]),
    "object": np.array(["u", "v", "w"], dtype=object),
    "int8": np.array([1, 2, 3], dtype=np.int8),
}


@pytest.mark.parametrize("values", CLASSES.values(), ids=CLASSES)
def test_answers_have_the_labels_values_and_type_after_a_json_round_trip(values: Any) -> None:
    task = learned(values)
    targets = task.encode(frame(values))
    assert targets["class"].dtype == np.int64
    state = State(values=json.loads(json.dumps(task.state().values)))
    again = Multiclass.from_state(MulticlassConfig(), ["y"], state)
    answer = again.decode(certain(targets["class"].tolist(), 3), {}).answer["y"]
    assert answer.tolist() == list(values)
    assert {type(value) for value in again.classes} == {type(task.classes[0])}
    number = pd.api.types.is_numeric_dtype(pd.Series(list(values)).dtype)
    assert pd.api.types.is_numeric_dtype(answer.dtype) == number
    pd.testing.assert_series_equal(
        answer, task.decode(certain(targets["class"].tolist(), 3), {}).answer["y"]
    )


def test_booleans_stay_booleans() -> None:
    task = learned([True, False, True], Binary)
    decoded = task.decode(certain([0, 1], 2), {})
    assert decoded.answer["y"].dtype == np.bool_
    assert decoded.answer["y"].tolist() == [False, True]
    assert decoded.proba is not None
    assert decoded.proba.columns.tolist() == [False, True]


def test_proba_columns_are_the_classes_and_rows_sum_to_one() -> None:
    task = learned([3, 1, 2])
    logits = np.array([[0.0, 1.0, 2.0], [1000.0, -1000.0, 0.0]], dtype=np.float32)
    decoded = task.decode({"logits": logits}, {})
    assert decoded.proba is not None
    assert decoded.proba.columns.tolist() == [1, 2, 3]
    np.testing.assert_allclose(decoded.proba.sum(axis=1), 1.0)
    np.testing.assert_allclose(decoded.proba.iloc[0], np.exp([0, 1, 2]) / np.exp([0, 1, 2]).sum())
    assert decoded.views["labels"].tolist() == [2, 0]
    np.testing.assert_array_equal(decoded.views["proba"], decoded.proba.to_numpy())


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("values", CLASSES.values(), ids=CLASSES)
def test_decode_of_no_row_and_of_one_row(n: int, values: Any) -> None:
    task = learned(values)
    decoded = task.decode({"logits": np.zeros((n, 3), dtype=np.float32)}, {})
    assert len(decoded.answer) == len(decoded.views["labels"]) == n
    assert decoded.proba is not None
    assert decoded.proba.shape == (n, 3)
    full = task.decode({"logits": np.zeros((5, 3), dtype=np.float32)}, {})
    assert decoded.answer["y"].dtype == full.answer["y"].dtype


@pytest.mark.parametrize(
    ("values", "positive", "expected"),
    [
        (["no", "yes"], None, "yes"),
        (["no", "yes"], "no", "no"),
        ([0, 1], None, 1),
        ([0, 1], 0, 0),
        ([False, True], False, False),
        ([1.0, 2.0], 1, 1.0),
    ],
)
def test_positive_class_has_index_one(values: Any, positive: Any, expected: Any) -> None:
    task = learned(values, Binary, BinaryConfig(positive=positive))
    assert task.classes[1] == expected
    assert task.encode(frame([expected]))["class"].tolist() == [1]
    assert task.output_dim == 2


def test_positive_class_that_does_not_occur() -> None:
    with pytest.raises(LabelError) as caught:
        learned([0, 1], Binary, BinaryConfig(positive="1"))
    assert caught.value.value == "1"
    assert caught.value.column == "y"
    assert "must be 0 or 1" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("train", "later"),
    [
        ([1, 2, 3], [3.0, 1.0]),
        ([1.0, 2.0, 3.0], [3, 1]),
        ([0, 1], [False, True]),
        ([False, True], [1, 0]),
        ([1, 2], pd.Series([1, 2], dtype="Int64")),
        (["a", "b"], pd.Categorical(["b", "a"])),
    ],
)
def test_equal_values_of_another_number_type_match(train: Any, later: Any) -> None:
    task = learned(train)
    indices = task.encode(frame(later))["class"]
    assert [task.classes[i] for i in indices] == list(later)


@pytest.mark.parametrize(
    ("train", "later", "rows", "value"),
    [
        ([1, 2, 3], ["1", "2"], (0, 1), "1"),
        (["1", "2"], [1, 2], (0, 1), 1),
        (["a", "b"], ["a", "c", "b", "d"], (1, 3), "c"),
        ([1, 2], [1, 1.5], (1,), 1.5),
    ],
)
def test_unseen_label_names_rows_value_and_classes(
    train: Any, later: Any, rows: tuple[int, ...], value: Any
) -> None:
    task = learned(train)
    with pytest.raises(LabelError) as caught:
        task.encode(frame(later))
    assert caught.value.rows == rows
    assert caught.value.value == value
    assert caught.value.column == "y"
    assert repr(task.classes[0]) in (caught.value.remedy or "")


@pytest.mark.parametrize("missing", [None, np.nan, pd.NA, pd.NaT])
def test_missing_labels_name_their_rows(missing: Any) -> None:
    values = pd.Series(["a", missing, "b", missing], dtype=object)
    task = learned(["a", "b"])
    for call in (task.learn, task.encode):
        with pytest.raises(LabelError) as caught:
            call(frame(values))
        assert caught.value.rows == (1, 3)
        assert caught.value.column == "y"
        assert "dropna" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("values", "field", "expected"),
    [
        (["a", "a"], "value", "a"),
        ([], "column", "y"),
        (["a", 1, "b"], "rows", (1,)),
        ([[1], [2], [1]], "column", "y"),
        ([1.0, np.inf, 2.0], "rows", (1,)),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "column", "y"),
    ],
)
def test_labels_that_cannot_be_learned(values: Any, field: str, expected: Any) -> None:
    with pytest.raises(LabelError) as caught:
        learned(values)
    assert getattr(caught.value, field) == expected
    assert caught.value.remedy


def test_three_classes_are_no_binary_task() -> None:
    with pytest.raises(LabelError) as caught:
        learned(["a", "b", "c"], Binary)
    assert "multiclass" in (caught.value.remedy or "")


def test_label_column_must_be_one_and_be_there() -> None:
    with pytest.raises(LabelError) as caught:
        Multiclass(MulticlassConfig(), ["z"]).learn(frame([1, 2]))
    assert caught.value.column == "z"
    with pytest.raises(LabelError):
        Multiclass(MulticlassConfig(), ["y", "z"]).learn(frame([1, 2]))


def test_loss_is_weighted_cross_entropy() -> None:
    task = learned([0, 1])
    task.criterion = Criterion(CrossEntropy(CrossEntropyConfig()), "class")
    logits = torch.tensor([[2.0, 0.0], [0.0, 3.0], [1.0, 0.0]])
    targets = {"class": torch.tensor([0, 1, 1])}
    each = torch.nn.functional.cross_entropy(logits, targets["class"], reduction="none")
    assert torch.allclose(task.loss(logits, targets, None), each.mean())
    weight = torch.tensor([1.0, 0.0, 3.0])
    assert torch.allclose(task.loss(logits, targets, weight), (each[0] + 3 * each[2]) / 3)
    one = {"class": targets["class"][2:]}
    single = task.loss(logits[2:], one, weight[2:])
    assert torch.allclose(single, 3 * each[2])  # a weight counts in a batch of one row too
    assert task.loss(logits, targets, torch.zeros(3)) == 0  # not NaN
    assert task.loss(logits.bfloat16(), targets, None).dtype == torch.float32
    task.criterion = None
    with pytest.raises(TrainingError, match="criterion"):
        task.loss(logits, targets, None)


def test_truth_and_strata() -> None:
    task = learned(["b", "a", "c"])
    targets = task.encode(frame(["c", "a"]))
    assert task.truth(targets, "labels").tolist() == [2, 0]
    assert task.truth(targets, "proba").tolist() == [2, 0]
    assert task.strata(targets).tolist() == [2, 0]
    with pytest.raises(MetricError) as caught:
        task.truth(targets, "values")
    assert caught.value.value == "values"


def test_outputs_that_are_not_finite_are_not_turned_into_a_class() -> None:
    logits = np.zeros((3, 2), dtype=np.float32)
    logits[1] = np.nan
    with pytest.raises(TrainingError) as caught:
        learned([0, 1]).decode({"logits": logits}, {})
    assert caught.value.rows == (1,)


@pytest.mark.parametrize(
    "values",
    [
        pd.Series([2**63, 2**63 + 1, 2**63 + 2], dtype="uint64"),
        pd.Series([2**63, 2**63 + 1, 2**63 + 2], dtype="UInt64"),
        [2**64, 1, 2],
        [-(2**63) - 1, 1, 2],
        [10**400, 1, 2],
    ],
    ids=["uint64", "UInt64", "2**64", "below", "10**400"],
)
def test_whole_numbers_beyond_int64_are_refused_not_wrapped(values: Any) -> None:
    for call in (learned, learned([1, 2]).encode):
        with pytest.raises(LabelError) as caught:
            call(values if call is learned else frame(values))
        assert caught.value.column == "y"
        assert caught.value.row == 0
        assert caught.value.value == pd.Series(values).iloc[0]
        assert "astype(str)" in (caught.value.remedy or "")


def test_large_whole_numbers_are_told_apart() -> None:
    values = [2**62, 2**62 + 1, 2**62 + 2]
    task = learned(values)
    assert task.encode(frame(values))["class"].tolist() == [0, 1, 2]
    assert task.encode(frame([float(2**62)]))["class"].tolist() == [0]
    assert task.decode(certain([1], 3), {}).answer["y"].tolist() == [2**62 + 1]


def test_decimals_are_classes_of_floats() -> None:
    values = [Decimal("0.5"), Decimal("1"), Decimal("0.5")]
    task = learned(values, Binary)
    assert task.classes == [0.5, 1.0]
    assert task.encode(frame(values))["class"].tolist() == [0, 1, 0]


@pytest.mark.parametrize("call", ["learn", "encode"])
def test_half_characters_are_refused_before_they_cannot_be_saved(call: str) -> None:
    broken = pd.Series(["a", "b\ud800", "a", "\udfff"], dtype=object)
    with pytest.raises(LabelError) as caught:
        getattr(learned(["a", "b"]), call)(frame(broken))
    assert caught.value.rows == (1, 3)
    assert caught.value.column == "y"
    assert "replace" in (caught.value.remedy or "")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (pd.to_timedelta([1, 2, 3], unit="D"), "total_seconds"),
        (pd.Series([timedelta(1), timedelta(2)], dtype=object), "total_seconds"),
        (pd.to_datetime(["2020-01-01", "2020-01-02"]), "to_datetime"),
        (pd.Series([date(2020, 1, 1), date(2020, 1, 2)], dtype=object), "to_datetime"),
        ([1 + 2j, 3j, 1j], "astype(str)"),
    ],
)
def test_labels_of_other_types_come_with_their_conversion(values: Any, said: str) -> None:
    with pytest.raises(LabelError) as caught:
        learned(values)
    assert said in (caught.value.remedy or "")


def test_classes_with_blanks_are_mentioned_once() -> None:
    with pytest.warns(MMWarning, match="begin or end with blanks: '', ' a'") as caught:
        learned(["", " a", "a", "b"])
    assert len(caught) == 1


def test_numbers_written_as_text_are_mentioned_where_they_nearly_all_differ() -> None:
    with pytest.warns(MMWarning, match="problem_type='regression'"):
        learned([f"{i / 7:.3f}" for i in range(100)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        learned([f"{i % 30}" for i in range(100)])  # repeating: class numbers
        learned([f"id{i}" for i in range(100)])


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "complex"},
        {"kind": "int"},
        {"kind": None},
        {"classes": "ab"},
        {"classes": ["a", 1]},
        {"classes": ["a", None]},
        {"classes": ["a", "a"]},
        {"classes": ["b", "a"]},
        {"classes": ["a"]},
        {"classes": ["a", "b", "c"]},
        {"classes": ["a", "\ud800"]},
        {"classes": None},
        {"kind": "float", "classes": [0.0, float("nan")]},
        {"kind": "int", "classes": [0, 2**70]},
        {"kind": "int", "classes": [0, True]},
    ],
    ids=str,
)
def test_an_altered_state_is_refused(changes: dict[str, Any]) -> None:
    state = learned(["a", "b"], Binary).state()
    again = Binary.from_state(BinaryConfig(), ["y"], state)
    assert again.classes == ["a", "b"]
    for values in ({**state.values, **changes}, {"kind": "str"}, {"classes": ["a", "b"]}):
        with pytest.raises((MMError, ValueError, KeyError, TypeError)):
            Binary.from_state(BinaryConfig(), ["y"], State(values=values))


def test_unknown_setting_is_refused() -> None:
    with pytest.raises(ConfigError) as caught:
        BinaryConfig.read({"postive": 1}, where="task")
    assert "task.positive" in (caught.value.remedy or "")


def test_the_callers_frame_is_not_changed() -> None:
    data = frame(pd.Categorical(["x", "y"]))
    before = data.copy(deep=True)
    task = learned(["x", "y"])
    task.learn(data)
    task.encode(data)
    pd.testing.assert_frame_equal(data, before)
