"""What mm-pairs offers. Light: strings and records only."""

from __future__ import annotations

from typing import Any

from mm_core.api import (
    BackboneSpec,
    Defaults,
    MethodSpec,
    MetricSpec,
    PluginInfo,
    RoleSpec,
    TaskSpec,
    hookimpl,
)

INFO_NCE = "arxiv:1807.03748"
SENTENCE_BERT = "arxiv:1908.10084"
CLIP = "arxiv:2103.00020"


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Matching for mm: two sides of a pair in one space, search, and a CLIP.",
        samples="mm_pairs.samples:SAMPLES",
    )


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """One bi-encoder under two names: of any sides, and of texts and pictures through a CLIP."""
    common: dict[str, Any] = {
        "target": "mm_pairs.task:Similarity",
        "topology": "mm_pairs.topology:BiEncoder",
        "topology_config": "mm_pairs.configs:BiEncoderConfig",
        "methods": (
            MethodSpec(
                name="search",
                summary="The items nearest to each query.",
                target="mm_pairs.search:search",
                command=True,
            ),
        ),
        "label": "none",
        "metrics": ("recall@1", "mrr"),
        "default_metric": "mrr",
        "fusion": None,
    }
    clip = Defaults(backbone="pairs:clip")
    return [
        TaskSpec(
            name="similarity",
            summary="How alike the two sides of a pair are; learned from pairs without a label.",
            references=(INFO_NCE, SENTENCE_BERT),
            roles=(
                RoleSpec(name="query", summary="what is looked for", several=True),
                RoleSpec(name="response", summary="what is found", several=True, like="query"),
            ),
            requires_fit=False,
            **common,
        ),
        TaskSpec(
            name="captions",
            summary="How well a text goes with a picture, by one network that reads both.",
            references=(INFO_NCE, CLIP),
            roles=(
                RoleSpec(name="query", summary="a text", modalities=("text",)),
                RoleSpec(name="response", summary="a picture", modalities=("image",)),
            ),
            defaults={"text": clip, "image": clip},
            **common,
        ),
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """One network for two modalities, each through a processor of its own."""
    return [
        BackboneSpec(
            name="clip",
            summary="A small CLIP with new weights: a text and a picture in one space.",
            references=(CLIP,),
            target="mm_pairs.clip:Clip",
            config="mm_pairs.configs:ClipConfig",
            modalities=("text", "image"),
            processor={"text": "text:hf_tokenizer", "image": "image:timm_transform"},
            alone={"epochs": 60},
        )
    ]


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    """Both rank all responses for each query: they read vectors, and wait for the last row."""
    return [
        MetricSpec(
            name="recall@1",
            summary="Share of queries whose own response is the nearest of all.",
            target="mm_pairs.metrics:RecallAt1",
            needs="sides",
            higher_is_better=True,
        ),
        MetricSpec(
            name="mrr",
            summary="Mean of one over the place of a query's own response among all.",
            target="mm_pairs.metrics:ReciprocalRank",
            needs="sides",
            higher_is_better=True,
        ),
    ]
