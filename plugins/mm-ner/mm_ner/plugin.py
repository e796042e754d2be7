"""What mm-ner offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import (
    API_VERSION,
    CommandSpec,
    Defaults,
    MethodSpec,
    MetricSpec,
    PluginInfo,
    ProcessorSpec,
    ReaderSpec,
    RoleSpec,
    TaskSpec,
    hookimpl,
)

BIO = "arxiv:cmp-lg/9505040"  # Ramshaw and Marcus: spans as tags of tokens
CONLL = "https://www.clips.uantwerpen.be/conll2003/ner/"
TEXT = "text:text"


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for this version of the API."""
    return PluginInfo(
        api=API_VERSION,
        summary="Named entities in texts: where they stand, and what they are",
        samples="mm_ner.samples:SAMPLES",
    )


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """Long texts are read in windows, where mm-text's own cuts them off."""
    return [
        ProcessorSpec(
            name="windows",
            summary="the checkpoint's own tokenizer; a long text is read in windows that overlap",
            target="mm_ner.windows:Windows",
            config="mm_ner.configs:WindowsConfig",
            modalities=(TEXT,),
        )
    ]


@hookimpl
def mm_readers() -> list[ReaderSpec]:
    """Labels as other tools have them: columns text, entities."""
    listed = {
        "conll": "a file of tokens and tags (BIO, IOB1, BILOU, IOBES), a row a sentence",
        "tokens": "lines of JSON with tokens and ner_tags, as data sets of the hub have them",
        "spans": "lines of JSON with text and spans, as doccano, spaCy and prodigy write them",
    }
    return [
        ReaderSpec(
            name=name,
            summary=summary,
            claims=f"mm_ner.claims:{name}",
            target=f"mm_ner.readers:read_{name}",
            order=50,
        )
        for name, summary in listed.items()
    ]


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """A column of lists of entities asks for it by itself."""
    return [
        TaskSpec(
            name="ner",
            summary="Entities in a text; a label lists {entity_group, start, end} in characters.",
            references=(BIO,),
            target="mm_ner.task:NER",
            topology="mm_ner.topology:TokenTagger",
            roles=(RoleSpec(name="passage", summary="the text", modalities=(TEXT,)),),
            defaults={TEXT: Defaults(processor="ner:windows")},
            needs=("tokens",),
            fusion=None,
            options="mm_ner.configs:NEROptions",
            detector="mm_ner.detect:detect",
            metrics=("overall_f1", "overall_precision", "overall_recall"),
            default_metric="overall_f1",
            methods=(
                MethodSpec(
                    name="visualize",
                    summary="a page of texts with what is there and what was found",
                    target="mm_ner.methods:visualize",
                ),
            ),
        )
    ]


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """One name for all of them."""
    return [
        CommandSpec(
            name="ner",
            summary="Entities in texts: draw, convert, check.",
            target="mm_ner.commands:app",
        )
    ]


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    """They read entities, a view of the task's own."""
    listed = {
        "overall_f1": ("OverallF1", "F1 of entities with both ends and the group right"),
        "overall_precision": ("OverallPrecision", "share of the entities said that are right"),
        "overall_recall": ("OverallRecall", "share of the entities there that are found"),
    }
    return [
        MetricSpec(
            name=name,
            summary=f"{summary}; all groups together, and each",
            references=(CONLL,),
            target=f"mm_ner.metrics:{target}",
            needs="entities",
            higher_is_better=True,
        )
        for name, (target, summary) in listed.items()
    ]
