"""docs/tensorrt.md: its table has every setting with its default, and it says what never ran."""

from __future__ import annotations

from pathlib import Path

from mm_tensorrt.configs import TensorRTConfig

TEXT = (Path(__file__).parents[3] / "docs" / "tensorrt.md").read_text(encoding="utf-8")


def test_every_setting_is_told_with_its_default() -> None:
    table = [line for line in TEXT.splitlines() if line.startswith("| `")]
    for name, field in TensorRTConfig.model_fields.items():
        (line,) = (one for one in table if f"`{name}`" in one.split("|")[1])
        default = line.split("|")[2]
        if field.default is not None:
            told = [one.strip(" `") for one in default.split(",")]
            assert any(one and float(one) == float(field.default) for one in told), name


def test_it_says_what_never_ran() -> None:
    assert "None of this has ever run on a GPU" in TEXT
    assert "recording fake" in TEXT
