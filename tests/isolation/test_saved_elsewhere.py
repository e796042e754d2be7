"""A model goes where one of its plugins is missing, one too old, and one broken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def lacking(alone, wheel):
    """No mm-text, an mm-tabular of before, and an mm-image that cannot be imported."""
    environment = alone("tabular")
    environment.install(wheel("image"))
    (environment.site / "mm_image" / "plugin.py").write_text("raise RuntimeError('on the rocks')")
    metadata = environment.site / "mm_tabular-0.1.0.dist-info" / "METADATA"
    metadata.write_text(metadata.read_text().replace("Version: 0.1.0", "Version: 0.0.9"))
    return environment


def test_one_error_names_all_that_is_lacking(fused, lacking, tmp_path):
    model = fused.predictor.save(tmp_path / "model")
    error = json.loads(lacking.python(HERE / "refused.py", model))
    assert error["plugin"] == "image"
    assert error["value"] == [
        "image:image",
        "image:timm_transform",
        "image:timm",
        "tabular:tabular",
        "tabular:table",
        "tabular:mlp",
        "text:text",
        "text:hf_tokenizer",
        "text:hf",
    ]
    assert error["remedy"].split("; ") == [
        "pip install 'mm-tabular>=0.1.0' 'mm-text>=0.1.0'",
        "pip install --upgrade --force-reinstall mm-image",
        "or go on without it: MM_DISABLE_PLUGINS=image",
    ]
    _, broken, old, missing = error["message"].splitlines()
    assert broken.endswith("cannot be loaded: import failed: RuntimeError: on the rocks")
    assert "mm-tabular 0.0.9 is older than the 0.1.0" in old
    assert "is not installed; the model was saved with mm-text 0.1.0" in missing

    (tmp_path / "rows.csv").write_text("price\n1\n")
    done = lacking.run("mm", "predict", model, tmp_path / "rows.csv")
    assert done.returncode == 1
    assert error["remedy"] in " ".join(done.stderr.split())
