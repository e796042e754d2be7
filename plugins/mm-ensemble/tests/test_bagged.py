"""Members on folds: scores out of fold, the user's validation rows, and too few rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mm_core.api import ConfigError
from mm_core.api.tools import model_of

from .conftest import fit, rows_for

TREES = {
    "fit": "ensemble:bagged",
    "fit.folds": 2,
    "fit.members.features": None,
    "fit.members.features.learner": "unset",
    "fit.alone": False,
    "fit.settings": "unset",
}
pytestmark = pytest.mark.filterwarnings("ignore:the weights of left are new")


def test_scores_are_of_rows_that_were_not_learned() -> None:
    """Each model's own score is of the fold that it left out: the ensemble's is of all rows."""
    rng = np.random.default_rng(1)
    rows = pd.DataFrame(rng.normal(size=(120, 4)), columns=list("abcd"))
    rows["sold"] = rng.choice(["yes", "no"], 120)
    model = fit("sold", rows, **TREES, **{"data.validation_metric": "accuracy"})
    (said,) = model.history.to_dict("records")
    for name in ("trees", "network"):
        assert said[f"{name}.accuracy"] < 0.7
    for member in model_of(model).engine.members.values():
        assert len(member.models) == 2
    (member,) = [one for n, one in model_of(model).engine.members.items() if n == "trees"] or [None]
    if member is not None:
        own = np.mean([one.result.best_score for one in member.models])
        assert said["trees.accuracy"] == pytest.approx(own)


def test_rows_that_the_user_held_out_choose_the_weights() -> None:
    """Of labels turned round there no member is right."""
    rows = rows_for("sold")
    turned = rows.assign(sold=rows.sold.map({"yes": "no", "no": "yes"}))
    model = fit("sold", rows, call={"tuning_data": turned}, **TREES)
    (said,) = model.history.to_dict("records")
    assert said["trees.roc_auc"] < 0.4
    assert model.evaluate(rows)["roc_auc"] > 0.7
    table = model.leaderboard(rows).set_index("member")
    assert table.roc_auc["ensemble"] == pytest.approx(model.evaluate(rows)["roc_auc"])


def test_too_few_rows_are_told() -> None:
    """With what to set."""
    with pytest.raises(ConfigError, match="too few for 200 folds"):
        fit("sold", **{**TREES, "fit.folds": 200})
