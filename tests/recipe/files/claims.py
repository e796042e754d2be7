"""Tasks that claim labels, each by its own rule; the settings of a test stand in the label."""

from __future__ import annotations

from mm_core.api import Detection, LabelError, PluginInfo, TaskSpec, hookimpl
from mm_core.builtin.tasks.binary import Binary


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Claims, for tests.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name=name,
            summary="A task.",
            target=f"claims:{target}",
            config="mm_core.builtin.configs:BinaryConfig",
            detector=f"claims:{name}",
            metrics=("accuracy",),
            default_metric="accuracy",
            losses=("core:cross_entropy",),
            default_loss="core:cross_entropy",
        )
        for name, target in [("eager", "Refuses"), ("equal", "Learns"), ("loud", "Learns")]
    ]


def _asked(sample, name):
    return name in sample.columns[0].name


def eager(sample):
    return Detection("eager", 1.0, "it says eager") if _asked(sample, "eager") else None


def equal(sample):
    return Detection("equal", 1.0, "it says equal") if _asked(sample, "equal") else None


def loud(sample):
    return Detection("loud", 1.01, "it says loud") if _asked(sample, "loud") else None


class Learns(Binary):
    pass


class Refuses(Binary):
    def learn(self, targets):
        raise LabelError("these are no boxes", column=self.label[0], remedy="give boxes")
