"""Whether two sides agree: a task of two roles that are like each other."""

from mm_core.api import PluginInfo, RoleSpec, TaskSpec, hookimpl


@hookimpl
def mm_plugin_info():
    return PluginInfo(api=(2, 0), summary="Pairs, for tests.")


@hookimpl
def mm_tasks():
    return [
        TaskSpec(
            name="pair",
            summary="Whether two sides agree.",
            roles=(
                RoleSpec(name="query", summary="one side", several=True),
                RoleSpec(name="response", summary="the other", several=True, like="query"),
            ),
            target="mm_core.builtin.tasks.binary:Binary",
            config="mm_core.builtin.configs:BinaryConfig",
            metrics=("accuracy",),
            default_metric="accuracy",
            losses=("core:cross_entropy",),
            default_loss="core:cross_entropy",
        )
    ]
