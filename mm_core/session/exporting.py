"""A predictor's model in another form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mm_core.api.errors import ConfigError
from mm_core.api.fitting import ExportJob, ExportReport
from mm_core.api.specs import ExporterSpec
from mm_core.data.rows import read_rows
from mm_core.plugins.registry import Component, Registry
from mm_core.session.session import Session

if TYPE_CHECKING:
    from mm_core.model import Model


def export(
    session: Session, path: Path, format: str | None, sample: Any, settings: Mapping[str, Any]
) -> ExportReport:
    """See :meth:`mm_core.MultiModalPredictor.export`.

    Raises:
        ConfigError: the exporter cannot write this model; or none is named, and not just one can.
    """
    held = session.need_held()
    model = held.model
    component = _exporter(session.registry, format, model)
    exporter = component.load()(component.read(settings, where=component.id))
    reasons = exporter.check(model)
    if reasons:
        raise ConfigError(
            f"{component.id} cannot export this model: {'; '.join(reasons)}",
            plugin=component.id,
            value=reasons,
        )
    rows = None if sample is None else read_rows(sample, session.registry).table
    table = None if rows is None else session.aligned(rows, model.recipe)
    job = ExportJob(model, path, table, held.result, session.registry)
    report: ExportReport = exporter.export(job)
    return report


def _exporter(registry: Registry, format: str | None, model: Model) -> Component[ExporterSpec]:
    """The one of that name; without a name the only one that takes the model."""
    if format is not None:
        return registry.get(ExporterSpec, format)
    installed = registry.all(ExporterSpec)
    taking = [one for one in installed if not one.load()(one.read({}, where=one.id)).check(model)]
    if len(taking) == 1:
        return taking[0]
    names = ", ".join(one.id for one in taking or installed)
    raise ConfigError(
        f"{'several exporters take' if taking else 'no exporter takes'} this model"
        + (f": {names}" if taking else f" (installed: {names or 'none'})"),
        remedy="name one: format=... (--format)"
        if names
        else "mm plugins list shows what there is",
    )
