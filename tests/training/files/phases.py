"""A one-file plugin: heads are trained, then something random is done, then all is trained."""

import torch

from mm_core.api import FitResult, Fitter, FitterSpec, PluginInfo, hookimpl


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Two phases.")


@hookimpl
def mm_fitters():
    return [FitterSpec(name="two", summary="Heads, then all.", target="phases:Two")]


class Two(Fitter):
    def fit(self, job):
        topology = job.model.topology
        for backbone in topology.backbones.values():
            backbone.requires_grad_(False)
        first = job.train_network(topology, job.batches())
        topology.requires_grad_(True)
        with torch.no_grad():  # on the weights of the first, by the random numbers after it
            for value in topology.parameters():
                value.add_(0.01 * torch.randn_like(value))
        second = job.train_network(
            topology, job.batches(), training={"head_learning_rate": 0.02, "epochs": 4}
        )
        return FitResult(first.history + second.history, second.best_score, second.stopped)
