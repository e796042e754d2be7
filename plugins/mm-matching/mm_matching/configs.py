"""Settings; pydantic only. Each is what users type after --set."""

from __future__ import annotations

from typing import Literal

from mm_text.api import HFTextConfig, HFTokenizerConfig
from pydantic import Field

from mm_core.api import Config
from mm_matching.catalogue import DUAL, SENTENCE

Supervision = Literal["auto", "pairs", "match", "grades"]
LossName = Literal[
    "auto", "info_nce", "contrastive", "online_contrastive", "cosent", "cosine", "triplet"
]

Pooling = Literal["auto", "cls", "mean", "max", "lasttoken", "mean_sqrt_len_tokens", "weightedmean"]


class SimilarityConfig(Config):
    """Settings of the tasks of pairs: ``task.*``."""

    match_label: bool | int | float | str | None = Field(
        default=None, description="the label of pairs that match; None: 1 of 0 and 1, True"
    )
    supervision: Supervision = Field(
        default="auto",
        description="what the label says: 'pairs', no label, each row is a pair that belongs "
        "together; 'match' or not; 'grades', numbers, the more the more alike; auto: as it looks",
    )
    threshold: float | Literal["auto"] = Field(
        default="auto",
        description="cosine from which on a pair matches; auto: learned from the held-out rows",
    )


class SimilarityOptions(Config):
    """What may be given with a prediction of pairs."""

    threshold: float | None = Field(
        default=None, description="cosine from which on a pair matches; None: the model's"
    )


class BiEncoderConfig(Config):
    """Settings of the bi-encoder: ``topology.*``."""

    loss: LossName = Field(
        default="auto",
        description="auto: info_nce of pairs without a label, online_contrastive of pairs that "
        "match or not, cosent of grades",
    )
    temperature: float = Field(
        default=0.05, gt=0, description="cosines are divided by it in info_nce and cosent"
    )
    margin: float = Field(
        default=0.5,
        gt=0,
        description="of contrastive losses and triplets: pairs further apart than this, in 1 - "
        "cosine, are far enough",
    )
    symmetric: bool = Field(
        default=True, description="info_nce also asks which query belongs to a response"
    )
    dim: int | Literal["auto"] | None = Field(
        default=None,
        description="width of the common space, which each backbone is projected into; None: no "
        "projection, the backbones agree; auto: that of the narrowest where they do not",
    )
    dims: tuple[int, ...] = Field(
        default=(),
        description="shorter widths that the first numbers of a vector are trained to serve by "
        "themselves, such as [64, 128] (Matryoshka)",
    )
    mini_batch: int | None = Field(
        default=None,
        ge=1,
        description="rows whose activations are in memory at once: batches far larger than memory "
        "for info_nce (gradient caching); None: all",
    )


class MatchingConfig(BiEncoderConfig):
    """Of sides of any modality, whose towers differ."""

    dim: int | Literal["auto"] | None = Field(default="auto", description="as above")


class SentenceTokenizerConfig(HFTokenizerConfig):
    """Settings of the processor ``sentence_tokenizer``."""

    query_prompt: str | None = Field(
        default=None,
        description="text before each text of the query side, such as 'query: ' of E5; None: that "
        "of the checkpoint, if it names one",
    )
    response_prompt: str | None = Field(
        default=None, description="before each of the response side: 'passage: '; likewise"
    )


class SentenceConfig(HFTextConfig):
    """Settings of the backbone ``sentence``."""

    checkpoint: str | tuple[str, ...] = Field(
        default=SENTENCE["high_quality"],
        description="a sentence encoder: folder of sentence-transformers or transformers, hub "
        "name, weight package, or 'random' for none; of several the first that can be had",
    )
    pooling: Pooling = Field(  # type: ignore[assignment]
        default="auto", description="vector of a row; auto: that of the checkpoint, else mean"
    )


class DualConfig(Config):
    """Settings of the backbone ``dual``."""

    checkpoint: str | tuple[str, ...] = Field(
        default=DUAL["high_quality"],
        description="folder or hub name of a CLIP, SigLIP or MetaCLIP of transformers, or 'random' "
        "for a small new CLIP",
    )
    dim: int = Field(default=64, ge=1, description="of a new one: width of the common space")
    width: int = Field(
        default=64, ge=16, multiple_of=16, description="of a new one: of both towers"
    )
    layers: int = Field(default=2, ge=1, description="of a new one: layers of each tower")
    patch: int = Field(default=16, ge=1, description="of a new one: side of a patch, in pixels")


class ClassesConfig(Config):
    """Settings of ``zero_shot_classification``."""

    classes: tuple[str, ...] | dict[str, str | tuple[str, ...]] = Field(
        default=(), description="names of the classes, or name -> description, or several"
    )
    templates: tuple[str, ...] = Field(
        default=(),
        description="sentences that '{}' stands in for a class, whose vectors are averaged; empty: "
        "'a photo of a {}' for pictures, '{}' for texts",
    )


class ZeroShotConfig(Config):
    """Settings of its topology."""

    scale: float | None = Field(
        default=None,
        gt=0,
        description="cosines are multiplied by it to become logits; None: that of the checkpoint, "
        "else 20",
    )


class FewShotConfig(Config):
    """Settings of the fitter ``few_shot``: ``fit.*``."""

    strengths: tuple[float, ...] = Field(
        default=(0.1, 1.0, 10.0, 100.0, 1000.0),
        min_length=1,
        description="inverse regularisation (scikit-learn's C) to choose from by cross-validation",
    )
    folds: int = Field(default=5, ge=2, description="at most; no more than rows of a class")
    alone: float = Field(
        default=10.0, gt=0, description="strength where a class has one row: none can be chosen"
    )
    contrastive: int = Field(
        default=0,
        ge=0,
        description="epochs that the networks are trained for before, so that rows of a class are "
        "near each other; 0: they stay as they are",
    )
    contrastive_rate: float = Field(default=1e-4, gt=0, description="learning rate of those epochs")
    temperature: float = Field(
        default=0.1, gt=0, description="of those epochs: cosines are divided by it"
    )


class FeaturesConfig(Config):
    """Settings of the topology of ``feature_extraction`` and ``few_shot_classification``."""

    normalize: bool = Field(
        default=True, description="each backbone's vector has length 1 before they are joined"
    )


class VectorOptions(Config):
    """What may be given with a prediction of ``feature_extraction``."""

    of: str | None = Field(
        default=None, description="a backbone, whose vectors alone are wanted; None: all, joined"
    )
    dtype: Literal["float32", "float16"] = Field(default="float32", description="of the numbers")


class ExportConfig(Config):
    """Settings of the exporter ``sentence-transformers``."""

    side: Literal["query", "response"] = Field(
        default="query", description="whose encoder, where the sides have their own"
    )
