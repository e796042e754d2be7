"""A one-file plugin: a network that keeps a number, an array and a file beside its weights."""

import numpy as np

from mm_core.api import PluginInfo, State, TaskSpec, hookimpl
from mm_core.topologies.late_fusion import LateFusion


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="A network that counts.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="counted",
            summary="One of two classes, by a network that counts its batches.",
            target="mm_core.builtin.tasks.binary:Binary",
            config="mm_core.builtin.configs:BinaryConfig",
            topology="counting:Counting",
            metrics=("core:roc_auc", "core:log_loss", "core:accuracy"),
            default_metric="core:log_loss",
            losses=("core:cross_entropy",),
            default_loss="core:cross_entropy",
        )
    ]


class Counting(LateFusion):
    """The more batches it has trained on, the surer it is; so answers depend on the count."""

    def __init__(self, parts):
        super().__init__(parts)
        self.seen, self.sums, self.note = 0, np.zeros(2, np.float32), b""

    def forward(self, batch):
        outputs = super().forward(batch)
        if self.training:
            self.seen += 1
            self.sums += 1  # in place: what was given away must be a copy
            self.note = f"{self.seen} batches".encode()
        return {**outputs, "logits": outputs["logits"] * (1 + self.seen / 8)}

    def state(self):
        if not self.seen:
            return State()
        return State({"seen": self.seen}, {"sums": self.sums}, {"note": self.note})

    def load_state(self, state):
        if state != State():
            self.seen, self.sums = state.values["seen"], state.arrays["sums"]
            self.note = state.assets["note"]
