"""Files of answers, written in parts."""

import json

import pandas as pd
import pytest

from mm_core.data.write import sink

READ = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


@pytest.mark.parametrize("ending", READ)
def test_cells_of_any_form_are_written(tmp_path, ending):
    """Lists of unlike things, dicts, and a first part that tells of nothing."""
    parts = [[[], []], [[[1.5, "red", 0.9]], [{"start": 3, "end": 5}]]]
    path = tmp_path / f"said{ending}"
    with sink(path) as file:
        for start, part in zip((0, 2), parts, strict=True):
            column = pd.Series(part, dtype=object, index=range(start, start + 2))
            file.write(pd.DataFrame({"boxes": column}))
    assert [json.loads(cell) for cell in READ[ending](path)["boxes"]] == [*parts[0], *parts[1]]
