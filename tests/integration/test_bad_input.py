"""Bad input: a typed error that names row, column and remedy, or a documented, reported reading."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import (
    ArtifactError,
    BadCellError,
    ColumnError,
    ConfigError,
    DataError,
    EmptyDataError,
    LabelError,
    MetricError,
    MMWarning,
    NotFittedError,
    UnknownComponentError,
)


def _spoil(fused, row, content, tmp_path):
    path = tmp_path / "spoilt.jpg"
    if content is not None:
        path.write_bytes(content)
    rows = fused.test.head(5).copy()
    rows.loc[rows.index[row], "picture"] = str(path)
    return rows


@pytest.mark.parametrize(
    "content",
    [None, b"no picture at all", b"", b"\xff\xd8\xff\xe0" + b"cut off" * 10],
    ids=["missing file", "text", "empty", "truncated"],
)
def test_broken_picture_raises_or_is_masked(fused, content, tmp_path):
    rows = _spoil(fused, 3, content, tmp_path)
    with pytest.raises(BadCellError) as caught:
        fused.predictor.predict(rows)
    error = caught.value
    assert error.column == "picture"
    assert error.rows == (3,)
    assert "spoilt.jpg" in str(error)
    assert "on_error='missing'" in error.remedy
    with pytest.warns(MMWarning, match="row 3, column 'picture'"):
        masked = fused.predictor.predict_proba(rows, on_error="missing")
    empty = rows.copy()
    empty.loc[empty.index[3], "picture"] = None
    np.testing.assert_allclose(masked, fused.predictor.predict_proba(empty), atol=1e-6)


def test_every_broken_cell_is_listed_at_once(fused, tmp_path):
    rows = fused.test.head(6).copy()
    truncated = tmp_path / "half.png"
    from pathlib import Path

    truncated.write_bytes(Path(rows["picture"].iloc[0]).read_bytes()[:60])
    rows.loc[rows.index[1], "picture"] = str(tmp_path / "nowhere.png")
    rows.loc[rows.index[4], "picture"] = str(truncated)
    with pytest.raises(BadCellError) as caught:
        fused.predictor.predict(rows)
    assert caught.value.rows == (1, 4)


def test_broken_picture_stops_fit_with_every_cell_named(fused, random_weights, tmp_path):
    train = fused.train.head(40).copy()
    train.loc[train.index[7], "picture"] = str(tmp_path / "gone.png")
    predictor = MultiModalPredictor("liked", hyperparameters=random_weights, verbosity=0)
    with pytest.raises(BadCellError) as caught:
        predictor.fit(train)
    assert caught.value.column == "picture"
    assert "gone.png" in str(caught.value)


def test_relative_paths_start_at_the_data_file(fused, tmp_path, monkeypatch):
    from pathlib import Path

    rows = fused.test.head(4).copy()
    folder = Path(rows["picture"].iloc[0]).parent
    expected = fused.predictor.predict_proba(rows)
    rows["picture"] = [Path(path).name for path in rows["picture"]]
    rows.drop(columns="liked").to_csv(folder / "rows.csv", index=False)
    monkeypatch.chdir(tmp_path)
    answers = fused.predictor.predict_proba(folder / "rows.csv")
    np.testing.assert_allclose(answers, expected, atol=1e-6)


@pytest.mark.parametrize("rows", [pd.DataFrame(), pd.DataFrame({"height": []}), [], {"height": []}])
def test_no_rows(fit_table, small_table, rows):
    predictor = fit_table(small_table)
    assert predictor.predict(rows).tolist() == []
    width = predictor.extract_embedding(small_table).shape[1]
    assert predictor.extract_embedding(rows).shape == (0, width)
    with pytest.raises(EmptyDataError, match="no rows"):
        predictor.evaluate(rows)
    with pytest.raises(EmptyDataError):
        MultiModalPredictor("kind", verbosity=0).fit(rows)


def test_one_row_cannot_train_but_can_be_predicted(fit_table, small_table):
    with pytest.raises((EmptyDataError, LabelError)):
        fit_table(small_table.head(1))
    predictor = fit_table(small_table)
    assert len(predictor.predict(small_table.head(1))) == 1
    assert predictor.predict({"height": 0.1, "weight": 2.0, "place": "north"}).shape == (1,)


def test_one_row_regression(fit_table, small_table):
    predictor = fit_table(small_table, "height")
    assert predictor.predict(small_table.head(1)).shape == (1,)


def test_column_with_nothing_in_it_is_reported_and_not_used(fit_table, small_table):
    with pytest.warns(MMWarning, match="'empty'.*every cell is missing"):
        predictor = fit_table(small_table.assign(empty=None))
    assert predictor.column_types["empty"] is None


def test_constant_label(fit_table, small_table):
    with pytest.raises(LabelError) as caught:
        fit_table(small_table.assign(kind="a"))
    assert caught.value.column == "kind"


def test_missing_labels_are_named(fit_table, small_table):
    small_table.loc[[3, 9], "kind"] = None
    with pytest.raises(LabelError) as caught:
        fit_table(small_table)
    assert caught.value.column == "kind"
    assert caught.value.rows == (3, 9)


def test_infinite_numbers_count_as_missing_and_are_reported(fit_table, small_table):
    small_table.loc[[1, 2], "height"] = [np.inf, -np.inf]
    with pytest.warns(MMWarning, match=r"'height' \(2\)"):
        predictor = fit_table(small_table)
    with pytest.warns(MMWarning, match="infinite"):
        answers = predictor.predict_proba(small_table)
    small_table.loc[[1, 2], "height"] = np.nan
    np.testing.assert_array_equal(answers, predictor.predict_proba(small_table))


def test_infinite_numbers_beside_words_are_reported_too(fit_table, small_table):
    predictor = fit_table(small_table)
    mixed = small_table.head(4).astype({"place": object})
    mixed.loc[[0, 2], "place"] = [np.inf, np.float32(-np.inf)]
    before = mixed.copy()
    with pytest.warns(MMWarning, match=r"infinite .*'place' \(2\)"):
        answers = predictor.predict_proba(mixed)
    pd.testing.assert_frame_equal(mixed, before)
    mixed.loc[[0, 2], "place"] = None
    np.testing.assert_array_equal(answers, predictor.predict_proba(mixed))


def test_a_metric_that_the_hold_out_cannot_score_is_told_before_training(fit_table, small_table):
    from lightning.pytorch import Callback

    class Steps(Callback):
        taken = 0

        def on_train_batch_end(self, *_):
            self.taken += 1

    rare = small_table.assign(kind=["b", *["a"] * (len(small_table) - 1)])
    steps = Steps()
    with pytest.raises(MetricError) as caught:
        fit_table(rare, callbacks=steps)
    assert steps.taken == 0
    assert "positive class" in caught.value.message
    assert "validation_metric=" in caught.value.remedy
    predictor = MultiModalPredictor("kind", validation_metric="log_loss", verbosity=0)
    predictor.fit(rare, hyperparameters={"training.epochs": 1}, callbacks=steps)
    assert steps.taken > 0


def test_unseen_category_is_normal_input(fit_table, small_table):
    predictor = fit_table(small_table)
    rows = small_table.head(4).assign(place="the moon")
    assert np.isfinite(predictor.predict_proba(rows).to_numpy()).all()


def test_unseen_label_at_evaluate(fit_table, small_table):
    predictor = fit_table(small_table)
    small_table.loc[5, "kind"] = "c"
    with pytest.raises(LabelError) as caught:
        predictor.evaluate(small_table)
    assert caught.value.rows == (5,)
    assert caught.value.value == "c"
    assert caught.value.column == "kind"


def test_lists_in_cells_at_fit(fit_table, small_table):
    with pytest.raises(ColumnError) as caught:
        fit_table(small_table.assign(tags=[["a", "b"]] * len(small_table)))
    assert caught.value.column == "tags"
    assert "ignore" in caught.value.remedy


def test_list_in_a_cell_at_predict(fused):
    rows = fused.test.head(4).copy()
    for column in ("review", "size"):
        broken = rows.copy()
        broken[column] = broken[column].astype(object)
        broken.at[broken.index[2], column] = ["a", "b"]
        with pytest.raises(BadCellError) as caught:
            fused.predictor.predict(broken)
        assert (caught.value.column, caught.value.rows) == (column, (2,))


def test_wrong_column_names_are_never_taken_by_position(fit_table, small_table):
    predictor = fit_table(small_table)
    wrong = small_table.drop(columns="kind").set_axis(["a", "b", "c"], axis=1)
    with pytest.raises(ColumnError):
        predictor.predict(wrong)
    renamed = small_table.rename(columns={"height": "Height "})
    before = renamed.copy()
    with pytest.raises(ColumnError) as caught:
        predictor.predict(renamed)
    assert caught.value.column == "height"
    assert "rename" in caught.value.remedy
    pd.testing.assert_frame_equal(renamed, before)
    stranger = small_table.rename(columns={"height": "zzz"})
    with pytest.raises(ColumnError, match="same kind of values"):
        predictor.predict(stranger)


def test_unknown_columns_beside_the_known_ones_do_no_harm(fit_table, small_table):
    predictor = fit_table(small_table)
    more = small_table.assign(extra=1.5)
    pd.testing.assert_series_equal(predictor.predict(more), predictor.predict(small_table))


def test_duplicate_column_names(small_table):
    twice = small_table.set_axis(["height", "height", "place", "kind"], axis=1)
    with pytest.raises(ColumnError) as caught:
        MultiModalPredictor("kind", verbosity=0).fit(twice)
    assert caught.value.column == "height"
    numbers = small_table.set_axis([1, "1", "place", "kind"], axis=1)
    with pytest.raises(ColumnError):
        MultiModalPredictor("kind", verbosity=0).fit(numbers)


def test_duplicate_header_of_a_file(small_table, tmp_path):
    path = tmp_path / "twice.csv"
    path.write_text("a,b,a,kind\n1,2,3,x\n2,3,4,y\n")
    with pytest.raises(ColumnError) as caught:
        MultiModalPredictor("kind", verbosity=0).fit(path)
    assert caught.value.column == "a"


def test_two_sources_for_one_setting(small_table, fit_table, tmp_path):
    for arguments, settings in [
        ({"seed": 4}, {"training.seed": 5}),
        ({"holdout_frac": 0.3}, {"data.holdout_frac": 0.2}),
    ]:
        with pytest.raises(ConfigError, match="set twice"):
            fit_table(small_table, hyperparameters=settings, **arguments)
    recipe = MultiModalPredictor("kind", verbosity=0).plan(small_table)
    with pytest.raises(ConfigError, match="complete"):
        MultiModalPredictor(verbosity=0).fit(small_table, recipe=recipe, seed=3)
    with pytest.raises(UnknownComponentError, match="accuracy"):
        fit_table(small_table, hyperparameters={"data.eval_metric": "acuracy"})
    with pytest.raises(ConfigError, match="training"):
        fit_table(small_table, hyperparameters={"training": 3})
    with pytest.raises(ConfigError):
        fit_table(small_table, time_limit=0)
    with pytest.raises(ColumnError, match="label"):
        fit_table(small_table, column_types={"kind": "categorical"})
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(ArtifactError):
        MultiModalPredictor("kind", path=tmp_path / "file", verbosity=0).fit(small_table)


def test_metrics_set_as_settings(small_table, fit_table):
    predictor = fit_table(small_table, hyperparameters={"data.eval_metric": "accuracy"})
    assert predictor.recipe.data.eval_metric == "core:accuracy"
    assert predictor.recipe.data.validation_metric == "core:accuracy"
    assert set(predictor.evaluate(small_table)) == {"accuracy"}


def test_text_in_a_number_column(fit_table, small_table):
    predictor = fit_table(small_table)
    mixed = small_table.head(6).copy()
    mixed["height"] = mixed["height"].astype(object)
    mixed.loc[4, "height"] = "tall"
    with pytest.raises(BadCellError) as caught:
        predictor.predict(mixed)
    assert (caught.value.column, caught.value.rows) == ("height", (4,))
    assert "tall" in str(caught.value)
    with pytest.warns(MMWarning, match="tall"):
        predictor.predict(mixed, on_error="missing")
    as_text = small_table.head(6).assign(height=small_table["height"].head(6).map(str))
    np.testing.assert_allclose(
        predictor.predict_proba(as_text), predictor.predict_proba(small_table.head(6)), atol=1e-6
    )


def test_huge_text(fused):
    rows = fused.test.head(2).copy()
    rows.loc[rows.index[1], "review"] = "word " * 400_000
    assert len(fused.predictor.predict(rows)) == 2


def test_three_categories_in_300_rows_are_all_used(fit_table):
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"colour": rng.choice(["red", "green", "blue"], 300)})
    frame["answer"] = frame["colour"].map({"red": 1.0, "green": 5.0, "blue": 9.0})
    frame["answer"] += rng.normal(0, 0.01, 300)
    predictor = fit_table(frame, "answer", hyperparameters={"training.epochs": 60})
    assert predictor.evaluate(frame, metrics="r2")["r2"] > 0.95


def test_column_names_need_not_be_strings(fit_table, small_table):
    numbered = small_table.set_axis([0, 1, ("a", 2), "kind"], axis=1)
    predictor = fit_table(numbered)
    pd.testing.assert_series_equal(
        predictor.predict(numbered), predictor.predict(numbered[[("a", 2), 1, 0]])
    )


def test_label_column_need_not_be_a_string(fit_table, small_table):
    numbered = small_table.set_axis(["h", "w", "p", 3], axis=1)
    predictor = MultiModalPredictor(3, hyperparameters={"training.epochs": 1}, verbosity=0)
    assert len(predictor.fit(numbered).predict(numbered)) == len(numbered)


def test_missing_label_column_is_suggested(small_table):
    with pytest.raises(LabelError, match="kind"):
        MultiModalPredictor("kinds", verbosity=0).fit(small_table)
    with pytest.raises(LabelError):
        MultiModalPredictor(verbosity=0).fit(small_table)


def test_unknown_settings_are_suggested(small_table):
    for key, near in [
        ("training.epoch", "training.epochs"),
        ("trainning.epochs", "training"),
        ("backbones.tabular.widht", "width"),
        ("inputs.tabula.processor.scaling", "tabular"),
    ]:
        with pytest.raises(ConfigError, match=near):
            MultiModalPredictor("kind", hyperparameters={key: 1}, verbosity=0).fit(small_table)
    with pytest.raises(ConfigError, match="high_quality"):
        MultiModalPredictor("kind", presets="hihg_quality", verbosity=0).fit(small_table)
    with pytest.raises(ColumnError, match="height"):
        MultiModalPredictor("kind", verbosity=0).fit(small_table, column_types={"hight": "text"})
    with pytest.raises(ConfigError, match="categorical"):
        MultiModalPredictor("kind", verbosity=0).fit(
            small_table, column_types={"height": "categorial"}
        )


def test_metric_that_does_not_fit(fit_table, small_table):
    with pytest.raises(ConfigError, match="accuracy"):
        MultiModalPredictor("height", eval_metric="accuracy", verbosity=0).fit(small_table)
    predictor = fit_table(small_table)
    with pytest.raises(ConfigError):
        predictor.evaluate(small_table, metrics=["rmse"])
    one_class = small_table[small_table["kind"] == "a"]
    with pytest.raises(MetricError):
        predictor.evaluate(one_class, metrics=["roc_auc"])


def test_custom_metric(small_table):
    def agreement(truth, answer):
        assert set(truth) <= {"a", "b"}
        return float(np.mean(truth == answer))

    predictor = MultiModalPredictor(
        "kind", eval_metric=agreement, hyperparameters={"training.epochs": 2}, verbosity=0
    ).fit(small_table)
    scores = predictor.evaluate(small_table, metrics=[agreement, "accuracy"])
    assert scores["agreement"] == pytest.approx(scores["accuracy"])


def test_not_fitted():
    for use in ("predict", "evaluate", "predict_proba", "extract_embedding"):
        with pytest.raises(NotFittedError, match="fit"):
            getattr(MultiModalPredictor("y"), use)({"x": [1]})


def test_unsupported_data(small_table, tmp_path):
    predictor = MultiModalPredictor("kind", verbosity=0)
    for data in (3, "nowhere.csv", "table.xyz", {"a": [1, 2], "b": [1]}):
        with pytest.raises(DataError):
            predictor.fit(data)
    (tmp_path / "broken.parquet").write_bytes(b"not parquet")
    with pytest.raises(DataError, match="cannot read"):
        predictor.fit(tmp_path / "broken.parquet")


def test_sample_weight_moves_the_model(fit_table, small_table):
    heavy_a = small_table.assign(w=np.where(small_table["kind"] == "a", 1.0, 0.01))
    settings = {"training.epochs": 20}
    plain = fit_table(small_table, hyperparameters=settings)
    moved = fit_table(heavy_a, sample_weight="w", hyperparameters=settings)
    assert moved.column_types.keys() == plain.column_types.keys()
    share = (moved.predict(small_table) == "a").mean() - (plain.predict(small_table) == "a").mean()
    assert share > 0.02
    for wrong in (-1.0, np.nan):
        heavy_a.loc[4, "w"] = wrong
        with pytest.raises(DataError) as caught:
            fit_table(heavy_a, sample_weight="w")
        assert caught.value.column == "w"
