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
    against = {
        one: one.load()(one.read({}, where=one.id)).check(model)
        for one in registry.all(ExporterSpec)
    }
    taking = [one for one, reasons in against.items() if not reasons]
    if len(taking) == 1:
        return taking[0]
    if taking:
        raise ConfigError(
            f"several exporters take this model: {', '.join(one.id for one in taking)}",
            remedy="name one: format=... (--format)",
        )
    said = "; ".join(f"{one.id}: {', '.join(reasons)}" for one, reasons in against.items())
    raise ConfigError(
        f"no exporter takes this model ({said or 'none is installed'})",
        remedy="mm plugins list shows what there is",
    )
