"""What the conformance tests try the components on. Light."""

from __future__ import annotations

from mm_core.api import SampleColumn, Samples, SampleTask, Trial

_THINGS = ("disc", "box", "cross", "line", "star", "ring", "arrow", "heart")
_COLOURS = ("red", "blue")
_PAIRS = [(colour, thing) for colour in _COLOURS for thing in _THINGS]
ASKED = SampleColumn(
    "text",
    "text",
    [f"where is the {one} that is {colour}?" for colour, one in _PAIRS],
    name="asked",
)
SHOWN = SampleColumn("text", "text", [f"a {colour} {one}" for colour, one in _PAIRS], name="shown")

SAMPLES = Samples(
    tasks=(
        SampleTask(
            "alignment",
            columns={"query": (ASKED,), "response": (SHOWN,)},
            settings={
                "backbones.query_text.checkpoint": "random",
                "backbones.query_text.hidden_size": 16,
                "topology.dim": 16,
                "fit": "core:finetune",
            },
        ),
    ),
    trials=(
        Trial(
            "fitter",
            "latent_mix",
            xfail=dict.fromkeys(
                ("learns_end_to_end", "trains_new_networks_first"), "the kit's rows are no pairs"
            ),
        ),
    ),
)
