"""Loading and predicting import nothing that only a fit, or another modality, needs."""

from __future__ import annotations

import json
import subprocess
import sys

_PREDICT = """
import json, sys
import pandas as pd
from mm_core import MultiModalPredictor
predictor = MultiModalPredictor.load(sys.argv[1])
rows = pd.read_csv(sys.argv[2])
predictor.predict_proba(rows)
predictor.evaluate(rows)
print(json.dumps(sorted({name.split(".")[0] for name in sys.modules})))
"""


def test_predicting_a_table_imports_neither_lightning_nor_transformers(
    small_table, fit_table, tmp_path
):
    fit_table(small_table).save(tmp_path / "model")
    small_table.to_csv(tmp_path / "rows.csv", index=False)
    command = [sys.executable, "-c", _PREDICT, str(tmp_path / "model"), str(tmp_path / "rows.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = set(json.loads(done.stdout))
    assert "torch" in imported
    assert not imported & {"lightning", "torchmetrics", "transformers", "torchvision", "timm"}
