"""The hooks of mm-peft: specs only, nothing heavy is imported here."""

from __future__ import annotations

from mm_core.api import AdapterSpec, NoteSpec, PluginInfo, Search, hookimpl


@hookimpl
def mm_plugin_info() -> PluginInfo:
    """Who we are."""
    return PluginInfo(
        api=(2, 0),
        summary="Train little of a backbone: LoRA and its relatives",
        samples="mm_peft.samples:SAMPLES",
    )


@hookimpl
def mm_notes() -> list[NoteSpec]:
    """Where weights are frozen that have learned nothing."""
    return [
        NoteSpec(
            name="random_weights",
            summary="Says where an adapter freezes weights that are not pretrained.",
            says="mm_peft.advice:of_random_weights",
        )
    ]


@hookimpl
def mm_adapters() -> list[AdapterSpec]:
    """New weights beside the backbone's, a few of its own, or none of them."""
    return [*_NEW_WEIGHTS, *_SOME_OF_ITS_OWN, *_FROZEN]


_RANK = {"r": Search(choices=(4, 8, 16, 32))}
_NEW_WEIGHTS = (
    AdapterSpec(
        name="lora",
        summary="Low-rank updates beside frozen layers",
        target="mm_peft.lora:LoRA",
        config="mm_peft.configs:LoRAConfig",
        search_space=_RANK,
        references=("arxiv:2106.09685",),
    ),
    AdapterSpec(
        name="dora",
        summary="LoRA that learns the length of each weight vector apart from its direction",
        target="mm_peft.lora:DoRA",
        config="mm_peft.configs:LoRAConfig",
        search_space=_RANK,
        references=("arxiv:2402.09353",),
    ),
    AdapterSpec(
        name="ia3",
        summary="A learned scale for each output of frozen layers",
        target="mm_peft.ia3:IA3",
        config="mm_peft.configs:IA3Config",
        references=("arxiv:2205.05638",),
    ),
)
_SOME_OF_ITS_OWN = (
    AdapterSpec(
        name="bitfit",
        summary="Only the biases are trained",
        target="mm_peft.selection:BitFit",
        references=("arxiv:2106.10199",),
    ),
    AdapterSpec(
        name="norm_tuning",
        summary="Only the normalisation layers are trained",
        target="mm_peft.selection:NormTuning",
        references=("arxiv:2003.00152", "arxiv:2312.11420"),
    ),
    AdapterSpec(
        name="partial",
        summary="The first stages are frozen, the last are trained",
        target="mm_peft.freezing:Partial",
        config="mm_peft.configs:PartialConfig",
        references=("arxiv:1411.1792",),
    ),
)
_FROZEN = (
    AdapterSpec(
        name="frozen",
        summary="Nothing of the backbone is trained, only what comes after it",
        target="mm_peft.freezing:Frozen",
        frozen=True,
    ),
    AdapterSpec(
        name="linear_probe",
        summary="Another name of 'frozen': with one backbone, a linear head on fixed features",
        target="mm_peft.freezing:Frozen",
        references=("arxiv:1610.01644",),
        frozen=True,
    ),
)
