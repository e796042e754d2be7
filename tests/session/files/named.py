"""A plugin whose labels are names of files."""

from pathlib import Path

import numpy as np
import pandas as pd
from torch.nn import functional

from mm_core.api import Decoded, LabelError, PluginInfo, State, Task, TaskSpec, hookimpl


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Labels that name files.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="named",
            summary="Above or not, as a file says.",
            target="named:Named",
            metrics=("accuracy",),
            default_metric="accuracy",
        )
    ]


class Named(Task):
    def learn(self, targets):
        self.encode(targets)

    def encode(self, targets):
        files = [self.folder / name for name in targets[self.label[0]]]
        for row, file in enumerate(files):
            if not file.is_file():
                raise LabelError(f"row {row}: no file {file}", column=self.label[0], rows=[row])
        return {"files": [str(file.absolute()) for file in files], "above": _read(files)}

    @property
    def output_dim(self):
        return 1

    def loss(self, logits, targets, weight):
        above = targets["above"].float()
        return functional.binary_cross_entropy_with_logits(logits[:, 0], above)

    def decode(self, outputs, meta, options=None):
        found = (outputs["logits"][:, 0] > 0).astype(np.int64)
        return Decoded(pd.DataFrame({self.label[0]: found}), {"labels": found})

    def truth(self, targets, needs):
        return _read(targets["files"])

    def state(self):
        return State()

    @classmethod
    def from_state(cls, config, label, state):
        return cls(config, label)


def _read(files):
    return np.array([int(Path(file).read_text()) for file in files], np.int64)
