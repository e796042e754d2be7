"""A one-file plugin: a model that is another model inside, fitted on the first half of the rows."""

from typing import Any

import numpy as np
from pydantic import Field

from mm_core.api import (
    Config,
    Engine,
    FitResult,
    Fitted,
    Fitter,
    FitterSpec,
    PluginInfo,
    RuntimeSpec,
    hookimpl,
)
from mm_core.api.tools import load_model, outputs, save_model


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A model inside a model.")


@hookimpl
def mm_fitters():
    return [
        FitterSpec(
            name="inner",
            summary="Another model.",
            target="inner:Inner",
            config="inner:InnerConfig",
            reads="rows",
            runtime="inner:whole",
            holds_out=False,
        )
    ]


@hookimpl
def mm_runtimes():
    return [RuntimeSpec(name="whole", summary="Another model.", target="inner:Whole")]


class InnerConfig(Config):
    settings: dict[str, Any] = Field(default={}, description="of its recipe")


class Inner(Fitter):
    def fit(self, job):
        job.plan(self.config.settings)
        last = np.arange(len(job.train) // 2, len(job.train))
        rows = job.train.table.take(last)
        inner = job.submodel(self.config.settings, rows, rows)
        found, _, _ = outputs(inner.model, job.train.table)
        score = job.score(found, rows=job.train)
        record = {"epoch": 1.0, "rows": float(len(rows)), job.metric: score}
        return FitResult([record], score, "one model", engine=Whole(inner))


class Whole(Engine):
    reads_rows = True

    def __init__(self, inner):
        self.inner = inner

    def run(self, batch, options, settings):
        found, _, bad = outputs(self.inner.model, batch.table, settings)
        batch.bad += bad
        return found

    def write(self, folder, context, standalone):
        save_model(self.inner.model, self.inner.result, context.registry, folder / "inner")
        return {}

    @classmethod
    def read(cls, folder, values, context):
        return cls(Fitted(*load_model(folder / "inner", context.registry)))
