"""A task that needs tokens, and a backbone with a new layer on a pretrained one."""

from torch import nn

from mm_core.api import BackboneSpec, PluginInfo, TaskSpec, hookimpl
from mm_core.api.nn import Backbone, Features


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Words, for tests.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="words",
            summary="A class, from tokens.",
            target="mm_core.builtin.tasks.binary:Binary",
            config="mm_core.builtin.configs:BinaryConfig",
            needs=("pooled", "tokens"),
            fusion=None,
            metrics=("accuracy",),
            default_metric="accuracy",
            losses=("core:cross_entropy",),
            default_loss="core:cross_entropy",
        )
    ]


@hookimpl
def mm_backbones():
    return [
        BackboneSpec(name="necked", summary="A neck.", target="words:Necked", modalities=("text",))
    ]


class Necked(Backbone):
    pretrained = True

    def __init__(self, config, context):
        super().__init__(config, context)
        (info,) = context.inputs.values()
        self.base = nn.Embedding(info["vocab_size"], 4)
        nn.init.ones_(self.base.weight)
        self.neck = nn.Linear(4, 4)
        nn.init.zeros_(self.neck.weight)
        self.new = (self.neck,)

    @property
    def dims(self):
        return {"pooled": 4}

    def forward(self, inputs):
        (arrays,) = inputs.values()
        mask = arrays["attention_mask"][:, :, None]
        mean = (self.base(arrays["input_ids"]) * mask).sum(1) / mask.sum(1)
        return Features(pooled=self.neck(mean))
