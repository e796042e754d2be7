"""A predictor's model in another form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mm_core.api.errors import ConfigError
from mm_core.api.fitting import ExportJob, ExportReport
from mm_core.api.specs import ExporterSpec
from mm_core.data.rows import read_rows
from mm_core.session.session import Session


def export(
    session: Session, path: Path, format: str, sample: Any, settings: Mapping[str, Any]
) -> ExportReport:
    """See :meth:`mm_core.MultiModalPredictor.export`.

    Raises:
        ConfigError: the exporter cannot write this model.
    """
    held = session.need_held()
    model = held.model
    component = session.registry.get(ExporterSpec, format)
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
