"""What mm-fusion offers. Light: strings and records only."""

from __future__ import annotations

from mm_core.api import CommandSpec, FitterSpec, FusionHeadSpec, NoteSpec, PluginInfo, hookimpl
from mm_fusion.spaces import CACHED, SPACES

_HEADS = (
    ("gmu", "gated", "GMU", "Gates per unit weigh the inputs.", "arxiv:1702.01992"),
    (
        "gated_residual",
        "gated",
        "GatedResidual",
        "Each input, and through a gate what the others add; starts as a concatenation.",
        "arxiv:2204.14198",
    ),
    ("film", "gated", "FiLM", "Inputs are scaled and shifted by another.", "arxiv:1709.07871"),
    ("moe", "gated", "MoE", "A few of several experts answer for a row.", "arxiv:1701.06538"),
    ("tfn", "products", "TFN", "The outer product of all inputs.", "arxiv:1707.07250"),
    ("lmf", "products", "LMF", "The same product, factorised.", "arxiv:1806.00064"),
    ("block", "products", "Block", "The same product, in blocks.", "arxiv:1902.00038"),
    (
        "shaspec",
        "shared",
        "ShaSpec",
        "What inputs share, which stands in for missing ones, and what is specific to each.",
        "arxiv:2307.14126",
    ),
    (
        "tmc",
        "evidence",
        "TMC",
        "Evidence for classes from each input, and how uncertain the whole is.",
        "arxiv:2102.02051",
    ),
    ("deepset", "products", "DeepSet", "Mean, sum or maximum of the inputs.", "arxiv:1703.06114"),
    (
        "cls_transformer",
        "attention",
        "ClsTransformer",
        "A transformer over one vector of each input: AutoMM's fusion transformer.",
        "arxiv:2404.16233",
    ),
)
_TOKEN_HEADS = (
    (
        "cross_attention",
        "attention",
        "CrossAttention",
        "Tokens of each input read those of the others.",
        "arxiv:1906.00295",
    ),
    (
        "mbt",
        "attention",
        "Bottleneck",
        "Tokens of the inputs speak through a few shared ones.",
        "arxiv:2107.00135",
    ),
    ("perceiver", "attention", "Perceiver", "Learned queries read all tokens.", "arxiv:2107.14795"),
)
_WRAPPERS = (
    (
        "modality_dropout",
        "wrappers",
        "ModalityDropout",
        "Any head, trained to do without some of its inputs.",
        "arxiv:1501.00102",
    ),
    (
        "missing_embedding",
        "wrappers",
        "MissingEmbedding",
        "Any head, with a learned vector for each input that a row lacks.",
        "arxiv:2303.03369",
    ),
    (
        "align",
        "wrappers",
        "Align",
        "Any head, and a loss that draws inputs together.",
        "arxiv:2103.00020",
    ),
    (
        "fusemix",
        "blended",
        "FuseMix",
        "Any head, on latents blended with those of other rows, as are their losses.",
        "arxiv:2312.10144",
    ),
    (
        "ogm_ge",
        "blended",
        "GradientModulation",
        "Any head, and an input that is ahead in learning waits for the others.",
        "arxiv:2203.15332",
    ),
)


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Written for plugin API 2.0."""
    return PluginInfo(
        api=(2, 0),
        summary="Fusion heads by their papers, wrappers around any head, heads on cached latents.",
        samples="mm_fusion.samples:SAMPLES",
    )


@hookimpl
def mm_fusion_heads() -> list[FusionHeadSpec]:
    """Heads of one vector an input, heads of tokens, wrappers."""
    return [
        FusionHeadSpec(
            name=name,
            summary=summary,
            references=(reference,),
            target=f"mm_fusion.{module}:{title}",
            config=f"mm_fusion.configs:{title}Config",
            needs=(needs,),
            fills_missing=name == "missing_embedding",
            search_space=SPACES.get(name, {}),
        )
        for heads, needs in ((_HEADS, "pooled"), (_TOKEN_HEADS, "tokens"), (_WRAPPERS, "pooled"))
        for name, module, title, summary, reference in heads
    ]


@hookimpl
def mm_fitters() -> list[FitterSpec]:
    """Fusion and heads alone, on what frozen backbones gave once."""
    return [
        FitterSpec(
            name="cached",
            summary="Pretrained backbones stay, and run once a row; all above them is trained.",
            target="mm_fusion.cached:CachedHeads",
            config="mm_fusion.configs:CachedConfig",
            search_space=CACHED,
        )
    ]


@hookimpl
def mm_notes() -> list[NoteSpec]:
    """Where the backbones are frozen, and run all the same."""
    return [
        NoteSpec(
            name="frozen_backbones",
            summary="Says where frozen backbones would run in each epoch, and once is enough.",
            says="mm_fusion.advice:of_frozen_backbones",
        )
    ]


@hookimpl
def mm_commands() -> list[CommandSpec]:
    """``mm cache``."""
    return [
        CommandSpec(
            name="cache",
            summary="Show, or remove, what fit=fusion:cached keeps of frozen backbones.",
            target="mm_fusion.command:cache",
        )
    ]
