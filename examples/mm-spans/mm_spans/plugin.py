"""What mm-spans offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import MetricSpec, PluginInfo, RoleSpec, TaskSpec, hookimpl

BIO = "arxiv:cmp-lg/9505040"  # Ramshaw and Marcus: spans as tags of tokens


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Named entities for mm: spans of characters, by any text encoder.",
        samples="mm_spans.samples:SAMPLES",
    )


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """A column of lists of entities asks for it by itself."""
    return [
        TaskSpec(
            name="tagging",
            summary="Entities in a text; a label lists {entity_group, start, end} in characters.",
            references=(BIO,),
            target="mm_spans.task:Tagging",
            topology="mm_spans.topology:TokenTagger",
            roles=(RoleSpec(name="passage", summary="the text", modalities=("text",)),),
            needs=("tokens",),
            fusion=None,
            options="mm_spans.configs:TaggingOptions",
            detector="mm_spans.detect:detect",
            metrics=("overall_f1",),
            default_metric="overall_f1",
        )
    ]


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    """It reads spans, a view of the task's own."""
    return [
        MetricSpec(
            name="overall_f1",
            summary="F1 of entities found with both ends and group right, all groups together.",
            references=("https://www.clips.uantwerpen.be/conll2003/ner/",),
            target="mm_spans.metrics:OverallF1",
            needs="spans",
            higher_is_better=True,
        )
    ]
