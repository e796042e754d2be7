"""Pictures -> labels, by a model that is told in words what to find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mm_image.api import UnreadableImageError, decode, find_image

from mm_core.api import ConfigError, DataError, tools
from mm_detection.configs import MAX_PIXELS
from mm_detection.dataset import IMAGE
from mm_detection.grounding import Grounding
from mm_detection.writers import Rows


def labelled(
    data: Any, classes: Sequence[str], checkpoint: str, threshold: float, image: str | None
) -> Rows:
    """What is found in each picture, as rows to be written.

    Args:
        data: pictures: a folder, a list, a table with a column of paths.
        classes: names or phrases.
        checkpoint: a folder, or a name in the cache or on the hub.
        threshold: boxes of a lower score are left out.
        image: the column of paths; None: ``image``, or the only one.

    Raises:
        CheckpointError: it cannot be had, or is no such model.
        DataError: a picture cannot be read.
    """
    registry = tools.installed()
    found = tools.checkpoints(registry).fetch("detection:hf", checkpoint)
    if found is None:
        raise ConfigError(
            "random weights find nothing",
            value=checkpoint,
            remedy="name a checkpoint: --checkpoint IDEA-Research/grounding-dino-tiny",
        )
    model = Grounding(found.location, classes)
    table = tools.read_rows(data, registry).table
    column = image or (IMAGE if IMAGE in table.frame else str(table.frame.columns[0]))
    paths = [table.folder / str(cell) for cell in table.frame[column]]
    boxes = []
    for row, path in enumerate(paths):
        try:
            picture = decode(find_image(str(path.absolute()), table.folder, column), MAX_PIXELS)
        except UnreadableImageError as error:
            raise DataError(
                f"row {row}: {str(path)!r} {error}",
                column=column,
                rows=[row],
                value=str(path),
                remedy="leave it out, or mend the file",
            ) from error
        boxes.append(model.find(picture, threshold))
    ids = {name: place + 1 for place, name in enumerate(model.classes)}
    return Rows(paths, boxes, list(range(1, len(paths) + 1)), dict(ids))
