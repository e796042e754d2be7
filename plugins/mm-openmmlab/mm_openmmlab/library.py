"""A library of OpenMMLab, as one component asks for it. Light until it is imported."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mm_core.api import PluginError

_DISTRIBUTIONS = {
    "mmengine": "onedl-mmengine",
    "mmcv": "onedl-mmcv",
    "mmdet": "onedl-mmdetection",
    "mmseg": "onedl-mmsegmentation",
}


_APART = tuple(
    f"{package}.models.{one}."
    for package, several in (
        (
            "mmdet",
            "language_models mot reid task_modules.tracking trackers vis detectors.d2_wrapper "
            "detectors.glip detectors.grounding_dino detectors.kd_one_stage detectors.lad "
            "dense_heads.atss_vlfusion_head",
        ),
        ("mmseg", "text_encoder backbones.timm_backbone backbones.vpd decode_heads.san_head"),
    )
    for one in several.split()
)
"""Parts that read files, ask a network, or evaluate texts when they are built: teachers, trackers,
language models. None is needed to learn boxes or masks."""


@dataclass(frozen=True)
class Library:
    """mmdet or mmseg.

    Attributes:
        package: ``"mmdet"``, ``"mmseg"``.
        plugin: id of the component that asks, for errors.
        install: what to type where it is missing.
    """

    package: str
    plugin: str
    install: str

    def models(self) -> Any:
        """Its registry of models, all of them registered.

        Raises:
            PluginError: it or one of the others is not installed, or cannot be imported.
        """
        needed = ("mmengine", "mmcv", self.package)
        absent = [name for name in needed if find_spec(name) is None]
        if absent:
            listed = ", ".join(_DISTRIBUTIONS[name] for name in absent)
            raise PluginError(
                f"{self.plugin} needs {self.package}, and {listed} is not installed",
                plugin=self.plugin,
                value=absent,
                remedy=self.install,
            )
        try:
            from mm_openmmlab.stand_in import provide

            provide()
            with quiet():
                importlib.import_module(f"{self.package}.models")
                return importlib.import_module(f"{self.package}.registry").MODELS
        except (AssertionError, ImportError) as error:  # mmdet asserts the versions of the others
            raise PluginError(
                f"{self.package} cannot be imported: {error}",
                plugin=self.plugin,
                value=self.package,
                remedy=f"{self.install} --upgrade",
            ) from error

    def names(self) -> dict[str, set[str]]:
        """What may be built: "" -> names of its own and of what all share; scope -> names."""
        registries = [self.models(), importlib.import_module(f"{self.package}.registry").TASK_UTILS]
        found: dict[str, set[str]] = {"": set()}
        for registry in registries:
            for one in (registry, registry.root):
                names = {
                    name
                    for name, part in one.module_dict.items()
                    if not f"{part.__module__}.".startswith(_APART)
                }
                found[""] |= names
                found.setdefault(one.scope, set()).update(names)
        initial = importlib.import_module("mmengine.registry").WEIGHT_INITIALIZERS
        found[""] |= set(initial.module_dict) - {"Pretrained"}
        return found

    def configs(self) -> Path:
        """The folder of the configs that come with it."""
        spec = find_spec(self.package)
        assert spec is not None
        assert spec.origin is not None
        return Path(spec.origin).parent / ".mim" / "configs"


@contextmanager
def quiet() -> Iterator[None]:
    """No log below errors of mmengine's loggers; which of them there are is as before."""
    from mmengine.logging import MMLogger

    there = dict(MMLogger._instance_dict)
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
        MMLogger._instance_dict.clear()
        MMLogger._instance_dict.update(there)
