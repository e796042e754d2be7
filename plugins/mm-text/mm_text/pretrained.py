"""Models of transformers, from folders of checkpoints and from saved configs.

Nothing is downloaded, and no code that comes with a checkpoint is run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING
from transformers.utils import logging

from mm_core.api import ArtifactError, Checkpoint, CheckpointError, HFFolder


def read_model(
    folder: Path, checkpoint: Checkpoint, plugin: str
) -> tuple[PreTrainedModel, list[str]]:
    """The model of a folder, in float32, and the names of weights that it has not, sorted.

    Args:
        folder: of the checkpoint, as transformers saves it.
        checkpoint: for messages.
        plugin: id of the component that reads it, for messages.

    Raises:
        CheckpointError: transformers cannot read it.
    """
    try:
        with _quiet():
            model, report = AutoModel.from_pretrained(
                str(folder),
                dtype=torch.float32,
                local_files_only=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
    except (OSError, ValueError, RuntimeError, SafetensorError, StrictDataclassError) as error:
        raise CheckpointError(
            f"transformers cannot read {checkpoint.name!r} ({checkpoint.source}): {error}",
            plugin=plugin,
            value=checkpoint.name,
            remedy="name another checkpoint; models that need code of their own are not run",
        ) from error
    assert isinstance(model, PreTrainedModel)
    return model, sorted(report["missing_keys"])


def saved_config(config: PreTrainedConfig) -> dict[str, Any]:
    """A model's config as JSON, for :func:`rebuild_model`."""
    return HFFolder.own_config(json.loads(config.to_json_string(use_diff=False)))


def rebuild_model(config: Mapping[str, Any], plugin: str) -> PreTrainedModel:
    """The model of a saved config, with new weights.

    Args:
        config: as :func:`saved_config` gives it.
        plugin: id of the component whose it is, for messages.

    Raises:
        ArtifactError: transformers does not know it.
    """
    kind = str(config.get("model_type"))
    if kind not in CONFIG_MAPPING:
        raise ArtifactError(
            f"transformers knows no model type {kind!r}",
            plugin=plugin,
            value=kind,
            remedy="install the transformers version with which the model was saved",
        )
    try:
        return new_model(CONFIG_MAPPING[kind].from_dict(HFFolder.own_config(config)))
    except (TypeError, ValueError, StrictDataclassError) as error:
        raise ArtifactError(
            f"the saved architecture is no {kind!r} model: {error}", plugin=plugin, value=kind
        ) from error


def new_model(config: PreTrainedConfig) -> PreTrainedModel:
    """The model of a config, in float32, with new weights."""
    model: PreTrainedModel = AutoModel.from_config(config, dtype=torch.float32)  # type: ignore[no-untyped-call]
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """No progress bar and no report of unused weights while a checkpoint is read."""
    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
