"""COCO, VOC, YOLO, LabelMe and plain pictures -> rows: columns ``image`` and ``rois``."""

from __future__ import annotations

import base64
import io
import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mm_image.api import mask_to_runs, runs_to_mask
from PIL import Image

from mm_core.api import DataError, Table
from mm_detection import claims
from mm_detection.boxes import Box
from mm_detection.dataset import Dataset, Picture, need_size, settled, unique_ids


def read_coco(data: Any) -> Table:
    """The index is that of the file: its image ids."""
    return settled(coco_dataset(Path(data))).table(f"COCO file {str(data)!r}")


def read_voc(data: Any) -> Table:
    """All labelled pictures, by name; or those of a list, in its order."""
    return settled(voc_dataset(Path(data))).table(f"VOC folder {str(data)!r}")


def read_yolo(data: Any) -> Table:
    """All pictures, by name; of a ``data.yaml`` those to train on."""
    return settled(yolo_dataset(Path(data))).table(f"YOLO folder {str(data)!r}")


def read_labelme(data: Any) -> Table:
    """All labelled pictures, by name."""
    return settled(labelme_dataset(Path(data))).table(f"LabelMe's {str(data)!r}")


def read_pictures(data: Any) -> Table:
    """Column ``image`` only. The index is the same paths: an answer says of which picture it is."""
    if isinstance(data, list | tuple):
        return _named([str(one) for one in data], Path())
    path = Path(data)
    files = [path] if path.is_file() else _sorted_pictures(path)
    folder = path.parent if path.is_file() else path
    return _named([one.name for one in files], folder)


def _named(paths: list[str], folder: Path) -> Table:
    import pandas as pd

    table = Dataset([Picture(one) for one in paths], folder, labelled=False).table("")
    table.frame.index = pd.Index(paths, name="picture")
    return table


# ---- COCO


def coco_dataset(path: Path) -> Dataset:
    """Of a .json file."""
    with _as_it_should_be(path, "images have id and file_name, annotations image_id, bbox and "):
        document = json.loads(path.read_text(encoding="utf-8"))
        names = {int(one["id"]): str(one["name"]) for one in document.get("categories") or []}
        pictures = {one["id"]: _coco_picture(one) for one in document["images"]}
        unique_ids([Picture("", id=one["id"]) for one in document["images"]], path)
        for annotation in document.get("annotations") or []:
            image = annotation["image_id"]
            if image not in pictures:
                raise _strange(path, annotation, f"image_id {image!r} is no image's")
            pictures[image].boxes.append(_coco_box(annotation, names, path))
    found = list(pictures.values())
    folder = _root([one.path for one in found], path)
    return Dataset(found, folder, labelled="annotations" in document)


def _coco_picture(image: Mapping[str, Any]) -> Picture:
    size = (image.get("width"), image.get("height"))
    known = all(isinstance(one, int) and one > 0 for one in size)
    return Picture(
        str(image["file_name"]), size=(size[0], size[1]) if known else None, id=image["id"]
    )


def _coco_box(annotation: Mapping[str, Any], names: Mapping[int, str], path: Path) -> Box:
    number = int(annotation["category_id"])
    if names and number not in names:
        raise _strange(path, annotation, f"category_id {number} is no category's")
    x, y, width, height = (float(one) for one in annotation["bbox"])
    more = {
        "crowd": bool(annotation.get("iscrowd")),
        "difficult": bool(annotation.get("ignore")),
        "mask": annotation.get("segmentation") or None,
        "keypoints": annotation.get("keypoints") or None,
    }
    return Box(
        (x, y, x + width, y + height),
        names.get(number, number),
        number if names else None,
        {name: value for name, value in more.items() if value},
    )


def _strange(path: Path, annotation: Mapping[str, Any], what: str) -> DataError:
    number = annotation.get("id", "?")
    return DataError(
        f"{str(path)!r}, annotation {number}: {what}",
        value=number,
        remedy="check the file: an annotation names an image and a category by their ids",
    )


def _root(names: list[str], path: Path) -> Path:
    """Where the pictures of a COCO file lie: beside it, or where such files have them."""
    folder, stem = path.parent, path.stem.rpartition("_")[2]
    places = [
        folder, folder / "images", folder / stem, folder.parent, folder.parent / "images",
        folder.parent / stem, folder.parent / "images" / stem,
    ]  # fmt: skip
    return next((one for one in places if names and (one / names[0]).is_file()), folder)


# ---- VOC


def voc_dataset(path: Path) -> Dataset:
    """Of a folder, or of a list of its ``ImageSets``."""
    root, labels = path, sorted(claims.voc_labels(path).glob("*.xml"))
    if path.is_file():
        found = claims.voc_root(path)
        assert found is not None
        names = [line.split()[0] for line in path.read_text("utf-8").splitlines() if line.split()]
        root, labels = found, [found / "Annotations" / f"{name}.xml" for name in names]
    pictures = []
    for file in labels:
        with _as_it_should_be(file, "an object has a name and a bndbox of xmin, ymin, xmax, "):
            pictures.append(_voc_picture(ElementTree.parse(file).getroot(), root, file))
    return Dataset(pictures, root)


def _voc_picture(document: ElementTree.Element, root: Path, file: Path) -> Picture:
    name = document.findtext("filename") or f"{file.stem}.jpg"
    places = (f"JPEGImages/{name}", f"images/{name}", name)
    path = next((one for one in places if (root / one).is_file()), places[0])
    sides = [document.findtext(f"size/{side}") for side in ("width", "height")]
    size = tuple(int(float(one)) for one in sides if one)
    boxes = [_voc_box(one) for one in document.iter("object")]
    return Picture(path, boxes, (size[0], size[1]) if len(size) == 2 and all(size) else None)


def _voc_box(found: ElementTree.Element) -> Box:
    corners = [float(_text(found, f"bndbox/{one}")) for one in ("xmin", "ymin", "xmax", "ymax")]
    x1, y1, x2, y2 = corners
    difficult = (found.findtext("difficult") or "0").strip() == "1"
    # VOC counts pixels from 1, the last one included.
    return Box(
        (x1 - 1, y1 - 1, x2, y2),
        _text(found, "name"),
        more={"difficult": True} if difficult else {},
    )


def _text(found: ElementTree.Element, path: str) -> str:
    text = found.findtext(path)
    if text is None or not text.strip():
        raise KeyError(path)
    return text.strip()


# ---- YOLO


def yolo_dataset(path: Path) -> Dataset:
    """Of a folder, of a part of its ``images``, or of its ``data.yaml``."""
    config: dict[str, Any] = {}
    folders: list[Path] = [path]
    if path.suffix in (".yaml", ".yml"):
        with _as_it_should_be(path, "names of the classes and the folder to train on, "):
            config = _yaml(path)
            base = path.parent / str(config.get("path") or "")
            given = config["train"]
            folders = [base / one for one in ([given] if isinstance(given, str) else given)]
    root = path if path.is_dir() else path.parent
    names = _yolo_names(config, folders[0], root)
    pictures = []
    for folder in folders:
        found = claims.yolo_labels(folder)
        if found is None:
            raise DataError(
                f"{str(folder)!r} has no folder of labels beside its images",
                value=str(folder),
                remedy="lay labels/... beside images/..., a .txt for each picture",
            )
        images, labels = found
        for file in _sorted_pictures(images):
            label = (labels / file.relative_to(images)).with_suffix(".txt")
            boxes = _yolo_boxes(label, file, names) if label.is_file() else []
            pictures.append(Picture(str(_below(file, root)), boxes))
    return Dataset(pictures, root)


def _yaml(path: Path) -> dict[str, Any]:
    import yaml

    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from error
    if not isinstance(found, dict):
        raise TypeError("it is no mapping")
    return found


def _yolo_names(config: Mapping[str, Any], folder: Path, root: Path) -> dict[int, tuple[str, int]]:
    """Place in the labels -> name and id, of a data.yaml, of classes.txt, or of nothing."""
    for place in (folder, *list(folder.absolute().parents)[:3]):
        if not config and (place / "data.yaml").is_file():
            with _as_it_should_be(place / "data.yaml", "names of the classes, "):
                config = _yaml(place / "data.yaml")
        if not config and (place / "classes.txt").is_file():
            lines = (place / "classes.txt").read_text(encoding="utf-8").splitlines()
            config = {"names": [line.strip() for line in lines if line.strip()]}
    names = config.get("names") or {}
    pairs = names.items() if isinstance(names, Mapping) else enumerate(names)
    ids = config.get("ids") or {}
    numbers = ids if isinstance(ids, Mapping) else dict(enumerate(ids))
    return {int(place): (str(name), int(numbers.get(place, place))) for place, name in pairs}


def _yolo_boxes(label: Path, picture: Path, names: Mapping[int, tuple[str, int]]) -> list[Box]:
    width, height = need_size(picture)
    boxes = []
    with _as_it_should_be(label, "a line is a class and four shares, or a class and a polygon, "):
        for line in label.read_text(encoding="utf-8").splitlines():
            if not line.split():
                continue
            place, *shares = line.split()
            corners, more = _yolo_corners([float(one) for one in shares], width, height)
            name, number = names.get(int(place), (int(place), None))
            if names and number is None:
                raise ValueError(f"class {place} has no name")
            boxes.append(Box(corners, name, number, more))
    return boxes


def _yolo_corners(
    values: list[float], width: int, height: int
) -> tuple[tuple[float, float, float, float], dict[str, Any]]:
    """Corners in pixels, and the mask where a line is a polygon."""
    if len(values) == 4:
        x, y, w, h = values
        left, top = (x - w / 2) * width, (y - h / 2) * height
        return (left, top, left + w * width, top + h * height), {}
    if len(values) < 6 or len(values) % 2:
        raise ValueError(f"{len(values)} numbers stand behind a class")
    xs, ys = [x * width for x in values[::2]], [y * height for y in values[1::2]]
    mask = [[one for pair in zip(xs, ys, strict=True) for one in pair]]
    return (min(xs), min(ys), max(xs), max(ys)), {"mask": mask}


# ---- LabelMe


def labelme_dataset(path: Path) -> Dataset:
    """Of a .json, or of all in a folder."""
    root = path.parent if path.is_file() else path
    files = [path] if path.is_file() else sorted(path.glob("*.json"))
    dataset = Dataset([], root)
    for file in files:
        with _as_it_should_be(file, "shapes have a label and points, "):
            document = json.loads(file.read_text(encoding="utf-8"))
            if "shapes" not in document:
                continue
            sides = document.get("imageWidth"), document.get("imageHeight")
            size = (int(sides[0]), int(sides[1])) if all(sides) else None
            boxes = [_labelme_box(one, size) for one in _joined(document["shapes"])]
            dataset.repaired["shape"] += boxes.count(None)
            found = [box for box in boxes if box is not None]
            dataset.hollow += [
                f"{box.name!r} at {[round(one, 1) for one in box.corners]} of {file.name}"
                for box in found
                if _is_hollow(box)
            ]
            picture = str(document["imagePath"]).replace("\\", "/")
            kept = [box for box in found if not _is_hollow(box)]
            dataset.pictures.append(Picture(picture, kept, size))
    return dataset


def _joined(shapes: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Polygons of one label and group are ``pieces`` of one thing: one shape for all of them."""
    groups: dict[tuple[Any, Any], dict[str, Any]] = {}
    for shape in shapes:
        key = (shape.get("label"), shape.get("group_id"))
        if key[1] is None or shape.get("shape_type", "polygon") != "polygon":
            yield shape
        else:
            first = groups.setdefault(key, {**shape, "points": [], "pieces": []})
            first["points"] += shape["points"]
            first["pieces"].append(shape["points"])
    yield from groups.values()


def _labelme_box(shape: Mapping[str, Any], size: tuple[int, int] | None) -> Box | None:
    points = [(float(x), float(y)) for x, y in shape["points"]]
    kind = shape.get("shape_type", "polygon")
    if kind == "circle":
        (x, y), (edge_x, edge_y) = points
        radius = ((x - edge_x) ** 2 + (y - edge_y) ** 2) ** 0.5
        points = [(x - radius, y - radius), (x + radius, y + radius)]
    elif kind not in ("rectangle", "polygon", "mask"):
        return None
    xs, ys = zip(*points, strict=True)
    more: dict[str, Any] = {}
    if kind == "polygon":
        pieces = shape.get("pieces") or [points]
        more["mask"] = [[float(one) for point in piece for one in point] for piece in pieces]
    if kind == "mask":
        more["mask"] = _labelme_mask(shape, (int(min(xs)), int(min(ys))), size)
        xs, ys = (*xs, max(xs) + 1), (*ys, max(ys) + 1)  # the last pixel is in it
    if (shape.get("flags") or {}).get("difficult"):
        more["difficult"] = True
    return Box((min(xs), min(ys), max(xs), max(ys)), str(shape["label"]), more=more)


def _is_hollow(box: Box) -> bool:
    """Whether it has no area, or a small picture for a mask in which nothing is drawn."""
    x1, y1, x2, y2 = box.corners
    mask = box.more.get("mask")
    drawn = not isinstance(mask, Mapping) or bool(runs_to_mask(mask).any())
    return x1 == x2 or y1 == y2 or not drawn


def _labelme_mask(
    shape: Mapping[str, Any], at: tuple[int, int], size: tuple[int, int] | None
) -> dict[str, Any]:
    """Runs of a small picture that lies at a place of the large one."""
    if size is None:
        raise KeyError("imageWidth or imageHeight, which a mask needs")
    with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as image:
        part = np.asarray(image.convert("L")) > 0
    whole = np.zeros(size[::-1], dtype=bool)
    there = whole[at[1] : at[1] + part.shape[0], at[0] : at[0] + part.shape[1]]
    if min(at) < 0 or there.shape != part.shape:
        raise ValueError(
            f"a mask of {part.shape[1]} x {part.shape[0]} pixels at {list(at)} lies "
            f"beyond its picture of {size[0]} x {size[1]}"
        )
    there[:] = part
    return mask_to_runs(whole)


# ---- what they share


def _sorted_pictures(folder: Path) -> list[Path]:
    return sorted(
        one for one in folder.rglob("*") if one.suffix.lower() in claims.PICTURES and one.is_file()
    )


def _below(file: Path, root: Path) -> Path:
    return file.relative_to(root) if file.is_relative_to(root) else file.absolute()


@contextmanager
def _as_it_should_be(path: Path, what: str) -> Iterator[None]:
    """A damaged file is an error of ours that says what is looked for."""
    try:
        yield
    except DataError:
        raise
    except (OSError, ElementTree.ParseError, ValueError, KeyError, TypeError, LookupError) as error:
        said = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{str(path)!r} is not as it should be: {said}",
            value=str(path),
            remedy=f"{what.rstrip(', ').removesuffix(' and')} are looked for in it",
        ) from error
