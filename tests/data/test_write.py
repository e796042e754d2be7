"""Files of answers, written in parts."""

import json

import numpy as np
import pandas as pd
import pytest

from mm_core.api.errors import DataError
from mm_core.data.write import new_folder, sink, writing_into

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


@pytest.mark.parametrize("ending", [*READ, ".jsonl"])
def test_arrays_are_written_whole(tmp_path, ending):
    """numpy's own text of a large one leaves out its middle."""
    large = np.arange(4000).reshape(40, 100)
    path = tmp_path / f"said{ending}"
    with sink(path) as file:
        file.write(pd.DataFrame({"mask": pd.Series([large], dtype=object)}))
    if ending == ".jsonl":
        found = json.loads(path.read_text())["mask"]
    else:
        found = json.loads(READ[ending](path)["mask"][0])
    assert found == large.tolist()


@pytest.mark.parametrize("opened", [sink, new_folder])
def test_a_fault_of_the_body_is_not_told_as_one_of_the_file(tmp_path, opened):
    """A picture that is not there says nothing of where answers are written."""
    with pytest.raises(FileNotFoundError, match="picture"), opened(tmp_path / "said.csv"):
        (tmp_path / "picture.png").read_bytes()
    assert list(tmp_path.iterdir()) == []


def test_a_fault_of_writing_names_the_file(tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mm_core.data.write.as_csv", full)
    csv, folder = tmp_path / "said.csv", tmp_path / "said"
    with pytest.raises(DataError, match=r"cannot write .*said.csv.*No space"), sink(csv) as file:
        file.write(pd.DataFrame({"a": [1]}))
    told = pytest.raises(DataError, match=r"cannot write the folder .*said.*No space")
    with told, new_folder(folder), writing_into(folder):
        full()
    assert list(tmp_path.iterdir()) == []
