"""Can the rows of a recipe be blended, where it asks for mixup?"""

from __future__ import annotations

from mm_core.api.errors import RecipeError
from mm_core.api.specs import ProcessorSpec
from mm_core.plugins.registry import Registry
from mm_core.recipe.recipe import Recipe


def check_mixing(recipe: Recipe, registry: Registry) -> None:
    """Refuse mixup and CutMix of inputs that cannot be blended.

    Raises:
        RecipeError: names the inputs.
    """
    training = recipe.training
    asked = [name for name in ("mixup", "cutmix") if getattr(training, name) > 0]
    stiff = [
        name
        for name, part in recipe.inputs.items()
        if not registry.get(ProcessorSpec, part.processor.id).spec.mixable
    ]
    if asked and stiff:
        raise RecipeError(
            f"training.{asked[0]} blends all inputs of a row, and of these rows {', '.join(stiff)} "
            "cannot be blended",
            value=stiff,
            remedy=f"leave training.{asked[0]} out, or leave those columns out: "
            "column_types={column: 'ignore'}",
        )
