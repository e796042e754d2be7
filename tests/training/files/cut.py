"""A task whose answers depend on an option, and which calibrates itself."""

from pydantic import Field as Setting

from mm_core.api import Config, PluginInfo, TaskSpec, hookimpl
from mm_core.builtin.configs import BinaryConfig
from mm_core.builtin.tasks.binary import Binary


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Classes above a cut.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="cut",
            target="cut:Cut",
            config="cut:CutConfig",
            options="cut:Options",
            summary="One of two classes.",
            metrics=("core:roc_auc",),
            default_metric="core:roc_auc",
            losses=("core:cross_entropy",),
            default_loss="core:cross_entropy",
        )
    ]


class CutConfig(BinaryConfig):
    """As of a binary task."""


class Options(Config):
    """Of a prediction."""

    shift: float = Setting(default=0.0, description="added to all logits")


class Cut(Binary):
    def calibrate(self, outputs, meta, targets, score):
        """Nothing is learned; that it has this method makes it one that is scored afterwards."""

    def decode(self, outputs, meta, options=None):
        return super().decode({"logits": outputs["logits"] + options.shift}, meta)
