"""A one-file plugin: a fitter of tables and its engine, without a network."""

import json

import numpy as np
import pandas as pd

from mm_core.api import (
    Batch,
    Engine,
    FitResult,
    Fitter,
    FitterSpec,
    PluginInfo,
    RuntimeSpec,
    SampleColumn,
    SampleEngine,
    Samples,
    SampleTask,
    hookimpl,
)


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Nearest means.", samples="means:SAMPLES")


@hookimpl
def mm_fitters():
    return [
        FitterSpec(
            name="means",
            summary="Means of the classes.",
            target="means:Means",
            reads="inputs",
            modalities=("tabular",),
            runtime="means:nearest",
        )
    ]


@hookimpl
def mm_runtimes():
    return [RuntimeSpec(name="nearest", summary="The nearest mean.", target="means:Nearest")]


class Means(Fitter):
    def fit(self, job):
        rows = list(job.plain(job.train))
        points = np.concatenate([batch.inputs["tabular"]["numerical"] for batch in rows])
        classes = np.concatenate([batch.targets["class"] for batch in rows])
        means = pd.DataFrame(points).groupby(classes).mean().to_numpy()
        return FitResult([], None, "one pass", engine=Nearest(means))


class Nearest(Engine):
    def __init__(self, means):
        self.means = np.asarray(means, dtype=np.float32)

    def run(self, batch, options, settings):
        points = batch.inputs["tabular"]["numerical"]
        return {"logits": -((points[:, None] - self.means) ** 2).sum(axis=-1)}

    def write(self, folder, context, standalone):
        (folder / "means.json").write_text(json.dumps(self.means.tolist()))
        return {}

    @classmethod
    def read(cls, folder, values, context):
        return cls(json.loads((folder / "means.json").read_text()))


def _batch():
    arrays = {"numerical": np.ones((3, 2), dtype=np.float32)}
    return Batch(inputs={"tabular": arrays}, present={"tabular": np.ones(3, dtype=bool)})


SAMPLES = Samples(
    tasks=(
        SampleTask(
            "core:binary",
            {"kind": ["a", "b"] * 12},
            (SampleColumn("tabular", "numerical", [i % 2 + 0.01 * i for i in range(24)]),),
        ),
    ),
    engines=(SampleEngine("nearest", lambda: Nearest([[0, 0], [1, 2]]), _batch),),
)
