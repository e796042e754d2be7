"""The core's commands. Nothing is imported here: ``mm --help`` reads it too."""

from __future__ import annotations

from collections.abc import Mapping

COMMANDS: Mapping[str, tuple[str, str]] = {
    "fit": ("mm_core.cli.fit:fit", "Train a model on a table and save it."),
    "evaluate": ("mm_core.cli.evaluate:evaluate", "Score a model on labelled rows."),
    "predict": ("mm_core.cli.predict:predict", "Answer each row of a table."),
    "embed": ("mm_core.cli.embed:embed", "Write one vector per row."),
    "save": (
        "mm_core.cli.save:save",
        "Save a model once more: smaller, or with its adapters merged.",
    ),
    "export": (
        "mm_core.cli.export:export",
        "Write a saved model in another form, and compare the two.",
    ),
    "plan": ("mm_core.cli.plan:plan", "Show what fit would do, and why, without training."),
    "inspect": ("mm_core.cli.inspect:inspect", "Show what a saved model consists of."),
    "presets": ("mm_core.cli.presets:presets", "Show the presets and what they set."),
    "demo": ("mm_core.demo:demo", "Train on real data and write a report."),
}
"""Name -> the function, and its line in the list of commands."""

GROUP = "plugins"
"""The group of commands beside them, whose name is taken too."""
