"""The processor: cells in, pixel arrays out; missing and broken cells; the same by every road."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from mm_image.configs import TimmTransformConfig
from mm_image.timm_transform import TimmTransform
from PIL import Image

from mm_core.api import Checkpoint, ConfigError, Field, MMWarning, Table

Fitted = Callable[..., tuple[TimmTransform, Table]]
PATHS = [f"pictures/{n}.png" for n in range(6)]


def batch_of(processor: TimmTransform, table: Table, **options: Any) -> Any:
    return processor.batch(processor.encode(table), np.arange(len(table)), **options)


def test_shapes_and_types(fitted: Fitted) -> None:
    processor, table = fitted({"image": PATHS})
    encoded = processor.encode(table)
    assert encoded.present.tolist() == [True] * 6
    batch = processor.batch(encoded, np.array([4, 1]))
    assert batch.arrays["pixels"].shape == (2, 1, 3, 32, 32)
    assert batch.arrays["pixels"].dtype == np.float32
    assert batch.arrays["image_mask"].tolist() == [[True], [True]]
    assert processor.info == {"n_images": 1, "image_size": [32, 32]}


def test_every_form_of_a_cell_gives_the_same_arrays(fitted: Fitted, folder: Path) -> None:
    processor, table = fitted({"image": PATHS})
    expected = batch_of(processor, table).arrays["pixels"]
    files = [folder / path for path in PATHS]
    blobs = [file.read_bytes() for file in files]
    text = [base64.b64encode(blob).decode() for blob in blobs]
    forms = {
        "absolute": [str(f) for f in files],
        "Path": files,
        "bytes": blobs,
        "bytearray": [bytearray(b) for b in blobs],
        "base64": text,
        "data uri": [f"data:image/png;base64,{t}" for t in text],
        "Pillow": [Image.open(f) for f in files],
        "arrays": [np.asarray(Image.open(f)) for f in files],
        "datasets": [{"bytes": b, "path": None} for b in blobs],
        "mixed": [PATHS[0], blobs[1], text[2], Image.open(files[3]), files[4], str(files[5])],
    }
    for name, cells in forms.items():
        frame = pd.DataFrame({"image": pd.Series(cells, dtype=object)})
        got = batch_of(processor, Table(frame, folder))
        assert got.bad == [], name
        assert np.abs(got.arrays["pixels"] - expected).max() == 0, name
    strings = Table(pd.DataFrame({"image": text}), Path("elsewhere"))
    assert np.abs(batch_of(processor, strings).arrays["pixels"] - expected).max() == 0


def test_a_batch_is_its_rows_one_by_one(fitted: Fitted) -> None:
    processor, table = fitted({"a": PATHS, "b": [None, *PATHS[:5]]})
    encoded = processor.encode(table)
    together = processor.batch(encoded, np.arange(6)).arrays
    for row in range(6):
        alone = processor.batch(processor.encode(table.take(np.array([row]))), np.array([0])).arrays
        for key, value in alone.items():
            assert np.array_equal(value[0], together[key][row])


def test_several_columns_lists_and_missing_cells(fitted: Fitted) -> None:
    processor, table = fitted(
        {
            "front": [PATHS[0], None, "", PATHS[1]],
            "rest": [f"{PATHS[2]};{PATHS[3]}", PATHS[4], float("nan"), " "],
        }
    )
    assert processor.n_images == 3
    encoded = processor.encode(table)
    assert encoded.present.tolist() == [True, True, False, True]
    assert encoded.arrays["image_mask"].sum(axis=1).tolist() == [3, 1, 0, 1]
    batch = processor.batch(encoded, np.arange(4))
    assert batch.present.tolist() == [True, True, False, True]
    assert (batch.arrays["pixels"][2] == 0).all()
    single, one = fitted({"image": [PATHS[3]]})
    expected = batch_of(single, one).arrays["pixels"][0, 0]
    assert np.array_equal(batch.arrays["pixels"][0, 2], expected)


def test_the_number_of_images_is_learned_capped_and_settable(fitted: Fitted) -> None:
    many = ";".join([PATHS[0]] * 20)
    assert fitted({"image": [many]})[0].n_images == 8
    assert fitted({"image": [many]}, max_images=3)[0].n_images == 3
    assert fitted({"image": [None]})[0].n_images == 1
    processor, table = fitted({"image": [PATHS[0]]})
    more = Table(pd.DataFrame({"image": [f"{PATHS[1]};{PATHS[2]}", PATHS[0]]}), table.folder)
    with pytest.warns(MMWarning, match=r"1 row\(s\) hold more than 1 image"):
        encoded = processor.encode(more)
    assert encoded.arrays["cells"].shape == (2, 1)


def test_a_column_that_is_not_there_is_missing(fitted: Fitted) -> None:
    processor, table = fitted({"a": PATHS, "b": PATHS})
    encoded = processor.encode(Table(table.frame[["b"]], table.folder))
    assert encoded.arrays["image_mask"].tolist() == [[True, False]] * 6
    nothing = processor.encode(Table(pd.DataFrame(index=range(3)), table.folder))
    assert nothing.present.tolist() == [False] * 3
    assert nothing.bad == []


def test_broken_cells_are_masked_and_named(fitted: Fitted, folder: Path) -> None:
    processor, _ = fitted({"a": PATHS, "b": PATHS})
    whole = (folder / PATHS[1]).read_bytes()
    (folder / "cut.png").write_bytes(whole[: len(whole) // 2])
    (folder / "text.png").write_text("not a picture, only named like one")
    cells = {"a": [PATHS[0], "gone.png", "cut.png"], "b": ["text.png", PATHS[1], None]}
    frame = pd.DataFrame(cells)
    before = frame.copy()
    encoded = processor.encode(Table(frame, folder))
    pd.testing.assert_frame_equal(frame, before)
    assert {(c.row, c.column, c.value, c.reason) for c in encoded.bad} == {
        (1, "a", "gone.png", "no such file"),
        (0, "b", "text.png", "does not begin like an image file"),
    }
    assert encoded.present.tolist() == [True, True, True]
    batch = processor.batch(encoded, np.array([2, 0, 1]))
    assert batch.present.tolist() == [False, True, True]
    (cell,) = batch.bad
    assert (cell.row, cell.column) == (2, "a")
    assert "truncated" in cell.reason
    assert cell.value == "cut.png"
    assert (batch.arrays["pixels"][0] == 0).all()
    assert np.isfinite(batch.arrays["pixels"]).all()


def test_a_bad_picture_in_training_changes_no_other(fitted: Fitted, folder: Path) -> None:
    processor, table = fitted({"image": PATHS})
    good = batch_of(processor, table, augment=np.random.default_rng(3)).arrays["pixels"]
    whole = (folder / PATHS[2]).read_bytes()
    (folder / PATHS[2]).write_bytes(whole[: len(whole) // 2])
    batch = batch_of(processor, table, augment=np.random.default_rng(3))
    others = [0, 1, 3, 4, 5]
    assert batch.present.tolist() == [True, True, False, True, True, True]
    assert np.array_equal(batch.arrays["pixels"][others], good[others])


def test_too_many_pixels_is_a_bad_cell(fitted: Fitted) -> None:
    processor, table = fitted({"image": PATHS}, max_pixels=1000)
    batch = batch_of(processor, table)
    assert [c.row for c in batch.bad] == list(range(6))
    assert "max_pixels" in batch.bad[0].reason


def test_the_checkpoint_brings_the_transform(fitted: Fitted) -> None:
    data = {
        "input_size": [3, 48, 64],
        "interpolation": "bilinear",
        "mean": [0.1, 0.2, 0.3],
        "std": [0.4, 0.5, 0.6],
        "crop_pct": 0.9,
        "crop_mode": "squash",
    }
    checkpoint = Checkpoint(name="c", source="s", format="timm", details={"data_config": data})
    processor, _ = fitted({"image": PATHS}, checkpoint, image_size=None)
    assert processor.info["image_size"] == [48, 64]
    values = processor.state().values["preprocessing"]
    assert (values["mean"], values["std"]) == ([0.1, 0.2, 0.3], [0.4, 0.5, 0.6])
    assert (values["crop_pct"], values["crop_mode"]) == (0.9, "squash")
    resized, _ = fitted({"image": PATHS}, checkpoint, image_size=32)
    assert resized.info["image_size"] == [32, 32]


def test_state_is_json_and_restores_the_same_answers(fitted: Fitted) -> None:
    processor, table = fitted({"a": PATHS, "b": PATHS})
    state = processor.state()
    assert not state.arrays
    assert not state.assets
    state.values = json.loads(json.dumps(state.values))
    again = TimmTransform.from_state(processor.config, processor.fields, state)
    assert again.info == processor.info
    for key, value in batch_of(processor, table).arrays.items():
        assert np.array_equal(batch_of(again, table).arrays[key], value)


def test_targets_pass_through(fitted: Fitted) -> None:
    processor, table = fitted({"image": PATHS})
    targets = {"y": np.arange(6)}
    batch = batch_of(processor, table, augment=np.random.default_rng(0), targets=targets)
    assert batch.targets in (None, targets)
    assert targets["y"].tolist() == list(range(6))


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="image_sise"):
        TimmTransformConfig.read({"image_sise": 3}, where="inputs.image")


def test_evaluation_imports_no_torch(folder: Path) -> None:
    code = f"""
import sys
import numpy as np, pandas as pd
from pathlib import Path
from mm_core.api import Field, State, Table
from mm_image.configs import TimmTransformConfig
from mm_image.timm_transform import TimmTransform
config = TimmTransformConfig(image_size=32)
table = Table(pd.DataFrame({{"image": {PATHS!r}}}), Path({str(folder)!r}))
fitted = TimmTransform(config, [Field("image", "path")])
fitted.fit(table)
processor = TimmTransform.from_state(config, fitted.fields, fitted.state())
batch = processor.batch(processor.encode(table), np.arange(6))
assert batch.present.all()
print([m for m in ("torch", "torchvision", "timm") if m in sys.modules])
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_encode_is_cheap_and_looks_once_at_a_file(
    fitted: Fitted, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor, _ = fitted({"image": PATHS})
    opened: list[str] = []
    real = Path.open

    def spy(self: Path, *args: Any, **kwargs: Any) -> Any:
        opened.append(self.name)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Path, "open", spy)
    processor.encode(Table(pd.DataFrame({"image": PATHS * 50}), folder))
    assert sorted(opened) == [f"{n}.png" for n in range(6)]


def test_fields_of_any_kind_accept_any_cell(folder: Path) -> None:
    processor = TimmTransform(TimmTransformConfig(image_size=32), [Field("image", "base64")])
    table = Table(pd.DataFrame({"image": PATHS}), folder)
    processor.fit(table)
    assert processor.encode(table).present.all()
