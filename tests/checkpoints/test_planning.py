"""A plan says where weights come from and downloads nothing; a fit fetches them, once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from mm_core import MultiModalPredictor
from mm_core.api import CheckpointError
from mm_core.checkpoints.finder import CheckpointFinder
from mm_core.plugins.registry import Registry

TOY = Path(__file__).parents[1] / "plugins" / "files" / "toy.py"
KEY = "backbones.points.checkpoint"

HUB = """
import json
from mm_core.api import (
    CheckpointFormat, CheckpointFormatSpec, CheckpointMiss, CheckpointSourceSpec, Checkpoint,
    PluginInfo, hookimpl,
)

@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A store of weights in parts.")

@hookimpl
def mm_checkpoints():
    return [
        CheckpointSourceSpec(
            name="parts", summary="Joined when they are fetched.", target="store:find",
            fetch="store:fetch", formats=("toy",), order=40,
        )
    ]

def find(name, format):
    if name != "two-parts":
        return CheckpointMiss(reason="not in the store")
    return Checkpoint(
        name=name, source="the store", format=format.name, location="p1+p2", local=False
    )

def fetch(checkpoint, format):
    log = open("fetched", "a"); log.write(checkpoint.name + "\\n"); log.close()
    with open("joined", "w") as file:
        file.write(open("part").read().strip())
    from pathlib import Path
    return format.checkpoint(Path("joined"), checkpoint.name, checkpoint.source)
"""


@pytest.fixture
def points() -> pd.DataFrame:
    north = np.linspace(-1, 1, 24)
    return pd.DataFrame(
        {"at": [f"{a:.2f},{-a:.2f}" for a in north], "sign": np.where(north > 0, "plus", "minus")}
    )


@pytest.fixture
def store(tmp_path, monkeypatch):
    """A third party's source of weights that must be joined before they can be read."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "store.py").write_text(HUB)
    (tmp_path / "part").write_text("1\n")
    return tmp_path / "store.py"


def test_a_source_of_its_own_fetches_when_the_model_is_built(points, store, tmp_path):
    predictor = MultiModalPredictor(
        "sign", hyperparameters={KEY: "two-parts"}, plugins=[TOY, store], verbosity=0
    )
    said = predictor.plan(points).origin(KEY)
    assert said == "user (the store: p1+p2, fetched when the model is built)"
    assert not (tmp_path / "fetched").exists()
    predictor.fit(points)
    assert (tmp_path / "fetched").read_text() == "two-parts\n"


def test_what_was_fetched_and_cannot_be_read_is_an_error(points, store, tmp_path):
    (tmp_path / "part").write_text("one\n")
    predictor = MultiModalPredictor(
        "sign", hyperparameters={KEY: "two-parts"}, plugins=[TOY, store], verbosity=0
    )
    with pytest.raises(CheckpointError, match="no number is in it") as caught:
        predictor.fit(points)
    assert caught.value.plugin == "store:parts"


# ---- the Hugging Face hub, through a plugin that reads its folders


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A hub that has a tiny BERT as some/words; ``.asked`` and ``.downloaded`` list names."""
    client = pytest.importorskip("huggingface_hub")
    transformers = pytest.importorskip("transformers")
    from tokenizers import Tokenizer, models, pre_tokenizers

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "stop", "it", "now"]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    folder = tmp_path / "origin"
    transformers.BertModel(
        transformers.BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=1,
            intermediate_size=16,
        )
    ).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    (folder / "README.md").write_text("not needed")
    cache = tmp_path / "cache"
    monkeypatch.setattr(client.constants, "HF_HUB_CACHE", str(cache))
    served = SimpleNamespace(asked=[], downloaded=[], reachable=True)

    def model_info(self, name, timeout):
        served.asked.append(name)
        if not served.reachable:
            raise ConnectionError("no route")
        if name != "some/words":
            raise client.errors.RepositoryNotFoundError(
                "404", response=SimpleNamespace(headers={}, status_code=404, request=None)
            )
        files = [SimpleNamespace(rfilename=path.name) for path in folder.iterdir()]
        return SimpleNamespace(siblings=files, sha="abc123def4567890")

    def snapshot_download(name, allow_patterns):
        served.downloaded.append(name)
        root = cache / "models--some--words"
        snapshot = root / "snapshots" / "abc123def4567890"
        snapshot.mkdir(parents=True)
        for file in allow_patterns:
            shutil.copy(folder / file, snapshot)
        (root / "refs").mkdir()
        (root / "refs" / "main").write_text(snapshot.name)
        return str(snapshot)

    monkeypatch.setattr(client.HfApi, "model_info", model_info)
    monkeypatch.setattr(client, "snapshot_download", snapshot_download)
    return served


FRAME = pd.DataFrame(
    {
        "said": [f"{('play it', 'stop now')[row % 2]} number {row} please" for row in range(24)],
        "y": np.arange(24) % 2,
    }
)


def predictor(checkpoint) -> MultiModalPredictor:
    settings = {"backbones.text.checkpoint": checkpoint, "training.epochs": 1}
    return MultiModalPredictor("y", hyperparameters=settings, verbosity=0)


def test_a_plan_asks_the_hub_and_downloads_nothing_and_a_fit_downloads_once(hub, tmp_path):
    ours = predictor(["no-such-words", "some/words"])
    said = ours.plan(FRAME).origin("backbones.text.checkpoint")
    assert said == (
        "user (Hugging Face hub: some/words at abc123def456, fetched when the model is built; "
        "not to be had before it: no-such-words)"
    )
    assert hub.asked == ["no-such-words", "some/words"]
    assert hub.downloaded == []
    ours.fit(FRAME)
    assert hub.downloaded == ["some/words"]
    (snapshot,) = (tmp_path / "cache").glob("*/snapshots/*")
    assert not (snapshot / "README.md").exists()
    assert ours._model.topology.backbones["text"].pretrained
    asked = len(hub.asked)
    again = predictor("some/words").plan(FRAME).origin("backbones.text.checkpoint")
    assert again == "user (Hugging Face cache)"
    assert len(hub.asked) == asked


def test_a_hub_out_of_reach_is_asked_once_and_all_that_was_tried_is_said(hub):
    hub.reachable = False
    with pytest.raises(CheckpointError) as caught:
        predictor(["one/words", "two/words"]).plan(FRAME)
    assert hub.asked == ["one/words"]
    for source in ("folder", "hf_cache", "weight_package", "hf_hub"):
        for name in ("one/words", "two/words"):
            assert f"{name} from core:{source}: " in caught.value.message
    assert "the hub cannot be reached: no route" in caught.value.message
    assert caught.value.remedy.endswith("give a folder: checkpoint=./weights; or checkpoint=random")


def test_processor_and_backbone_share_what_was_fetched(hub):
    finder = CheckpointFinder(Registry())
    first, second = (finder.fetch("text:hf", "some/words") for _ in range(2))
    assert first == second
    assert first.local
    assert (Path(first.location) / "tokenizer.json").is_file()
    assert hub.downloaded == ["some/words"]


def test_a_backbone_without_formats_starts_from_no_checkpoint(points, tmp_path):
    file = tmp_path / "toy.py"
    file.write_text(TOY.read_text().replace('            formats=("toy",),\n', ""))
    with pytest.raises(CheckpointError, match="names no format") as caught:
        MultiModalPredictor("sign", hyperparameters={KEY: "ones"}, plugins=[file]).plan(points)
    assert caught.value.remedy == "checkpoint=random"
