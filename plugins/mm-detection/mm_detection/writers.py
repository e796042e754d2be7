"""Rows of boxes -> COCO, VOC, YOLO, LabelMe, CSV. What a form cannot hold is told."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import warnings
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from mm_image.api import runs_to_mask
from PIL import Image

from mm_core.api import ConfigError, DataError, LabelError, MMWarning, Table
from mm_detection.boxes import Box, BoxError, Class, as_cell, read_boxes
from mm_detection.dataset import IMAGE, LABEL, need_size
from mm_detection.outlines import plain_mask, read_outline, with_outlines

Form = Literal["coco", "voc", "yolo", "labelme", "csv"]


@dataclass(frozen=True)
class Rows:
    """Labelled pictures to be written.

    Attributes:
        paths: of each picture, as files that are there.
        boxes: of each.
        image_ids: of each, for COCO.
        ids: class -> its number.
    """

    paths: list[Path]
    boxes: list[list[Box]]
    image_ids: list[Any]
    ids: dict[Class, int]


def rows_of(table: Table, index: pd.Index[Any], image: str | None, label: str | None) -> Rows:
    """Pictures and boxes of a table.

    Args:
        table: with a column of paths and one of boxes.
        index: the caller's; image ids, where a COCO file gave them.
        image: name of the column of paths; None: ``image``, or the only one besides.
        label: name of that of boxes; None: ``rois``, or the only one that holds boxes.

    Raises:
        ConfigError: which columns are meant cannot be told.
        LabelError: cells that hold no boxes.
        DataError: a picture is not there.
    """
    frame = table.frame
    image, label = columns_of(frame, image, label)
    paths = [table.folder / str(cell) for cell in frame[image]]
    gone = [row for row, path in enumerate(paths) if not path.is_file()]
    if gone:
        raise DataError(
            f"{len(gone)} picture(s) are not there, such as {str(paths[gone[0]])!r}",
            column=image,
            rows=gone,
            value=str(paths[gone[0]]),
            remedy="check the folder that the paths start from",
        )
    boxes = checked_boxes(frame[label])
    coco = index.name == "image_id"
    numbers = list(index) if coco else list(range(1, len(frame) + 1))
    return Rows(paths, boxes, numbers, numbered(boxes))


def columns_of(frame: pd.DataFrame, image: str | None, label: str | None) -> tuple[str, str]:
    """Names of the columns of pictures and of boxes.

    Raises:
        ConfigError: which are meant cannot be told.
    """
    label = label or _named(frame, LABEL, "label", _holds_boxes)
    return image or _named(frame, IMAGE, "image", lambda one: one.name != label), label


def checked_boxes(column: pd.Series[Any], masks: bool = False) -> list[list[Box]]:
    """The boxes of each cell; repairs are told.

    Args:
        column: of labels.
        masks: whether each box has to have one, which is an Outline then.

    Raises:
        LabelError: cells that hold none, by row.
    """
    repaired: Counter[str] = Counter()
    rows: list[list[Box]] = []
    for row, cell in enumerate(column):
        try:
            boxes = read_boxes(cell, repaired)
            rows.append(with_outlines(boxes, str(column.name), repaired) if masks else boxes)
        except BoxError as error:
            raise LabelError(
                f"column {column.name!r}, row {row} {error}",
                column=str(column.name),
                rows=[row],
                value=cell,
                remedy="write a list of [x1, y1, x2, y2, class], [] where there is none",
            ) from error
    if repaired["swapped"] or repaired["empty"] or repaired["hollow"]:
        hollow = f", {repaired['hollow']} a mask without a pixel" if repaired["hollow"] else ""
        warnings.warn(
            f"{repaired['swapped']} box(es) had their corners swapped and were put in order, "
            f"{repaired['empty']} had no area{hollow} and were left out",
            MMWarning,
            stacklevel=3,
        )
    return rows


def numbered(rows: Sequence[Sequence[Box]]) -> dict[Class, int]:
    """Class -> number, told by the labels, or what is free from 1 on, by name."""
    found: dict[Class, int] = {}
    for box in (box for boxes in rows for box in boxes):
        number = box.name if isinstance(box.name, int) else box.id
        if number is not None:
            found.setdefault(box.name, number)
    names = {box.name for boxes in rows for box in boxes} - set(found)
    free = (n for n in range(1, len(names) + len(found) + 1) if n not in set(found.values()))
    found |= {name: next(free) for name in sorted(names, key=str)}
    return dict(sorted(found.items(), key=lambda pair: pair[1]))


def write(rows: Rows, target: Path, form: Form) -> list[str]:
    """Write them, and say which files or folders were written.

    Raises:
        DataError: something of that name is there.
    """
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise DataError(
            f"{str(target)!r} is there already", value=str(target), remedy="give a new name"
        )
    (target.parent if form in ("coco", "csv") else target).mkdir(parents=True, exist_ok=True)
    return _WRITERS[form](rows, target)


def form_of(target: Path, form: str | None) -> Form:
    """The form asked for, or that which the ending says.

    Raises:
        ConfigError: there is none of that name, or none can be told.
    """
    ending: dict[str, Form] = {".json": "coco", ".csv": "csv"}
    for known in _WRITERS:
        if form == known:
            return known
    if form is None and target.suffix in ending:
        return ending[target.suffix]
    raise ConfigError(
        f"cannot tell in which form {str(target)!r} is to be written"
        if form is None
        else f"there is no form {form!r}",
        value=form,
        remedy=f"--to {', '.join(_WRITERS)}; .json is coco, .csv is csv",
    )


# ---- each form


def coco_document(rows: Rows, folder: Path) -> dict[str, Any]:
    """COCO's document; paths are relative to ``folder``."""
    images, annotations = [], []
    for path, boxes, number in zip(rows.paths, rows.boxes, rows.image_ids, strict=True):
        width, height = need_size(path)
        name = Path(os.path.relpath(path.absolute(), folder.absolute())).as_posix()
        images.append({"id": number, "file_name": name, "width": width, "height": height})
        for box in boxes:
            annotations.append(_coco_annotation(box, number, len(annotations) + 1, rows.ids))
    categories = [{"id": number, "name": str(name)} for name, number in rows.ids.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def _coco_annotation(box: Box, image: Any, number: int, ids: Mapping[Class, int]) -> dict[str, Any]:
    x1, y1, x2, y2 = box.corners
    found: dict[str, Any] = {
        "id": number,
        "image_id": image,
        "category_id": ids[box.name],
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": _area(box),
        "iscrowd": int(bool(box.more.get("crowd"))),
    }
    if box.more.get("difficult"):
        found["ignore"] = 1
    if "mask" in box.more:
        found["segmentation"] = plain_mask(box.more["mask"])
    if box.more.get("keypoints"):
        found["keypoints"] = box.more["keypoints"]
    return found


def _area(box: Box) -> float:
    """That of the mask, as COCO has it, where there is one that can be read."""
    x1, y1, x2, y2 = box.corners
    try:
        return read_outline(box.more["mask"]).area
    except (KeyError, BoxError):  # the box says it
        return (x2 - x1) * (y2 - y1)


def _coco(rows: Rows, target: Path) -> list[str]:
    document = coco_document(rows, target.parent)
    target.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    return [str(target)]


def _csv(rows: Rows, target: Path) -> list[str]:
    folder = target.parent.absolute()
    paths = [Path(os.path.relpath(one.absolute(), folder)).as_posix() for one in rows.paths]
    cells = [json.dumps(as_cell(boxes), ensure_ascii=False) for boxes in rows.boxes]
    pd.DataFrame({IMAGE: paths, LABEL: cells}).to_csv(target, index=False)
    return [str(target)]


def _voc(rows: Rows, target: Path) -> list[str]:
    _tell_lost(rows, "VOC", ("mask", "keypoints", "crowd"))
    labels, pictures = target / "Annotations", target / "JPEGImages"
    labels.mkdir()
    for path, boxes, name in zip(rows.paths, rows.boxes, _copied(rows, pictures), strict=True):
        root = ElementTree.Element("annotation")
        width, height = need_size(path)
        _add(root, "filename", name)
        size = ElementTree.SubElement(root, "size")
        for side, value in (("width", width), ("height", height), ("depth", 3)):
            _add(size, side, value)
        for box in boxes:
            found = ElementTree.SubElement(root, "object")
            _add(found, "name", box.name)
            _add(found, "difficult", int(bool(box.more.get("difficult"))))
            frame = ElementTree.SubElement(found, "bndbox")
            x1, y1, x2, y2 = box.corners
            for corner, value in (("xmin", x1 + 1), ("ymin", y1 + 1), ("xmax", x2), ("ymax", y2)):
                _add(frame, corner, f"{value:g}" if value == int(value) else f"{value:.6f}")
        ElementTree.indent(root)
        file = labels / f"{Path(name).stem}.xml"
        file.write_bytes(ElementTree.tostring(root, encoding="utf-8"))
    return [str(labels), str(pictures)]


def _add(parent: ElementTree.Element, tag: str, value: Any) -> None:
    ElementTree.SubElement(parent, tag).text = str(value)


def _yolo(rows: Rows, target: Path) -> list[str]:
    import yaml

    _tell_lost(rows, "YOLO", ("mask", "keypoints", "crowd", "difficult"))
    labels, pictures = target / "labels" / "train", target / "images" / "train"
    labels.mkdir(parents=True)
    places = {name: place for place, name in enumerate(rows.ids)}
    for path, boxes, name in zip(rows.paths, rows.boxes, _copied(rows, pictures), strict=True):
        width, height = need_size(path)
        lines = []
        for box in boxes:
            x1, y1, x2, y2 = box.corners
            shares = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
            shares = (*shares, (x2 - x1) / width, (y2 - y1) / height)  # type: ignore[assignment]
            lines.append(f"{places[box.name]} " + " ".join(f"{one:.8f}" for one in shares))
        (labels / f"{Path(name).stem}.txt").write_text("\n".join(lines) + "\n" * bool(lines))
    config = {
        "train": "images/train",
        "names": {place: str(name) for name, place in places.items()},
        "ids": {place: rows.ids[name] for name, place in places.items()},
    }
    (target / "data.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    return [str(target / "data.yaml"), str(labels), str(pictures)]


def _labelme(rows: Rows, target: Path) -> list[str]:
    _tell_lost(rows, "LabelMe", ("keypoints", "crowd"))
    names = _copied(rows, target)
    for path, boxes, name in zip(rows.paths, rows.boxes, names, strict=True):
        width, height = need_size(path)
        shapes = [
            {
                "label": str(box.name),
                "flags": {"difficult": True} if box.more.get("difficult") else {},
                **shape,
            }
            for group, box in enumerate(boxes)
            for shape in _labelme_shapes(box, group, path)
        ]
        document = {
            "version": "5.0.0",
            "flags": {},
            "shapes": shapes,
            "imagePath": name,
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (target / f"{Path(name).stem}.json").write_text(text, encoding="utf-8")
    return [str(target)]


def _labelme_shapes(box: Box, group: int, picture: Path) -> Iterator[dict[str, Any]]:
    """Pieces of a thing are polygons of one group; runs are a small picture."""
    corners = [list(box.corners[:2]), list(box.corners[2:])]
    if "mask" not in box.more:
        yield {"points": corners, "shape_type": "rectangle", "group_id": None}
        return
    try:
        outline = read_outline(box.more["mask"])
    except BoxError as error:
        raise LabelError(
            f"a mask of {box.name!r} in {str(picture)!r} {error}",
            value=box.more["mask"],
            remedy="mend it, or leave it out",
        ) from error
    if outline.runs is not None and outline.area:
        x1, y1, x2, y2 = (int(one) for one in outline.bounds)
        part = runs_to_mask(outline.runs)[y1:y2, x1:x2]
        file = io.BytesIO()
        Image.fromarray(part * 255).save(file, "PNG")
        text = base64.b64encode(file.getvalue()).decode("ascii")
        points = [[x1, y1], [x2 - 1, y2 - 1]]  # the last pixel, as LabelMe counts
        yield {"points": points, "shape_type": "mask", "mask": text, "group_id": None}
    for one in outline.polygons:
        pairs = [list(pair) for pair in zip(one[::2], one[1::2], strict=True)]
        several = group if len(outline.polygons) > 1 else None
        yield {"points": pairs, "shape_type": "polygon", "group_id": several}


_WRITERS: dict[Form, Callable[[Rows, Path], list[str]]] = {
    "coco": _coco,
    "voc": _voc,
    "yolo": _yolo,
    "labelme": _labelme,
    "csv": _csv,
}


def _copied(rows: Rows, folder: Path) -> list[str]:
    """Copy the pictures to a folder, under names whose stems are all different."""
    folder.mkdir(parents=True, exist_ok=True)
    stems = Counter(path.stem for path in rows.paths)
    names = []
    for place, path in enumerate(rows.paths):
        name = path.name if stems[path.stem] == 1 else f"{place:06d}_{path.name}"
        shutil.copy2(path, folder / name)
        names.append(name)
    return names


def _tell_lost(rows: Rows, form: str, kinds: Sequence[str]) -> None:
    lost = Counter(kind for boxes in rows.boxes for box in boxes for kind in box.more)
    told = [f"{lost[kind]} {kind}" for kind in kinds if lost[kind]]
    if told:
        warnings.warn(
            f"{form} has no place for {', '.join(told)}: they were left out; COCO has",
            MMWarning,
            stacklevel=4,
        )


def _named(
    frame: pd.DataFrame, usual: str, option: str, fits: Callable[[pd.Series[Any]], bool]
) -> str:
    if usual in frame.columns:
        return usual
    found = [name for name in frame.columns if fits(frame[name])]
    if len(found) == 1:
        return str(found[0])
    raise ConfigError(
        f"which column is meant cannot be told: there is no {usual!r}",
        value=list(frame.columns),
        remedy=f"name it: --{option} COLUMN; columns are: {', '.join(map(str, frame.columns))}",
    )


def _holds_boxes(column: pd.Series[Any]) -> bool:
    from mm_detection.boxes import looks_like_boxes

    return bool(column.head(20).map(looks_like_boxes).all())
