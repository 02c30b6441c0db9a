"""Captions in COCO's JSON, or in the JSON of Karpathy's splits of COCO, Flickr8k and Flickr30k.

Sources: Chen et al., Microsoft COCO Captions, 2015; Karpathy & Fei-Fei, Deep visual-semantic alignments for
generating image descriptions, CVPR 2015 (dataset_flickr8k.json; its part "restval" is one of training).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sightline.core.card import FormatCard
from sightline.core.dataset import Dataset
from sightline.data.parsing.caption_rows import CaptionRows
from sightline.data.parsing.coco_file import FOLDERS, image_name, images_folder
from sightline.data.parsing.json import glance, read_json, sound
from sightline.data.parsing.options import ReadOptions
from sightline.data.parsing.splits import SPLIT_WORDS, annotation_files, by_split
from sightline.errors import DataError

CARD = FormatCard(
    name="coco-captions",
    summary="captions in COCO's JSON, or in that of Karpathy's splits (dataset_flickr8k.json)",
    recognized_by="captions_train2017.json with images and annotations of image_id and caption; or "
    "dataset_flickr8k.json with images of filename, split and sentences",
    target_types=("text",),
)
_PARTS = {**SPLIT_WORDS, "restval": "train"}
_FOLDERS = {*FOLDERS, *SPLIT_WORDS}
_POSITIONS = ('"bbox"', '"segmentation"', '"keypoints"')


def sniff(source: str, options: ReadOptions) -> float:
    """High for files of captions; where nothing is asked for, files of boxes beside them come first."""
    root = Path(source)
    if options.target_type not in (None, "text") or not _files(root):
        return 0.0
    others = options.target_type is None and annotation_files(root, _FOLDERS, (".json",), _with_positions)
    return 0.5 if others else 0.985


def read(source: str, options: ReadOptions) -> Dataset:
    """All images that have a caption, with all their captions; images are looked for near the file.

    Raises:
        DataError: If there is no such file, it cannot be read, or no image is there.
    """
    del options
    root = Path(source)
    files = _files(root) or ([root] if root.is_file() else [])
    if not files:
        raise DataError(f"There are no captions in JSON at '{root}'. Expected {CARD.recognized_by}.")
    chosen, notes = by_split(files, root)
    rows = CaptionRows()
    for path, split in chosen:
        content = read_json(path)
        if not isinstance(content, dict) or not isinstance(content.get("images"), list):
            raise DataError(f"{path}: has no list 'images'. Expected {CARD.recognized_by}.")
        if isinstance(content.get("annotations"), list):
            _read_annotations(path, split, content, rows)
        else:
            _read_sentences(path, content["images"], rows)
    return rows.dataset(root, CARD.name, notes)


def _files(root: Path) -> list[Path]:
    return annotation_files(root, _FOLDERS, (".json",), _like)


def _with_positions(path: Path) -> bool:
    return any(word in glance(path) for word in _POSITIONS)


def _like(path: Path) -> bool:
    text = glance(path)
    if '"images"' not in text or _with_positions(path):
        return False
    captions = '"caption"' in text and '"image_id"' in text
    return captions or ('"sentences"' in text and '"raw"' in text and '"filename"' in text)


def _read_annotations(path: Path, split: str, content: dict[str, Any], rows: CaptionRows) -> None:
    """COCO: a list of images and a list of captions."""
    images: dict[Any, str] = {}
    for n, entry in enumerate(content["images"]):
        if isinstance(entry, dict) and sound(entry.get("id")) and image_name(entry):
            images[entry["id"]] = image_name(entry)
        else:
            rows.broken.append(f"{path.name} images[{n}]")
    folder = images_folder(path, list(images.values()), split, None)
    for n, entry in enumerate(content["annotations"]):
        key, text = (entry.get("image_id"), entry.get("caption")) if isinstance(entry, dict) else (None, None)
        if not sound(key) or key not in images or not isinstance(text, str):
            rows.broken.append(f"{path.name} annotations[{n}]")
        else:
            rows.add(folder / images[key], text, split)


def _read_sentences(path: Path, entries: list[Any], rows: CaptionRows) -> None:
    """Karpathy: a list of images, each with its part and its sentences."""
    sane = [isinstance(e, dict) and isinstance(e.get("filename"), str) for e in entries]
    named = [entry for entry, good in zip(entries, sane, strict=True) if good]
    rows.broken += [f"{path.name} images[{n}]" for n, good in enumerate(sane) if not good]
    names = [str(Path(str(e.get("filepath") or "")) / e["filename"]) for e in named]
    folder = images_folder(path, names, "", None)
    for name, entry in zip(names, named, strict=True):
        for sentence in entry.get("sentences") or [{}]:
            text = sentence.get("raw") if isinstance(sentence, dict) else None
            rows.add(folder / name, str(text or ""), _PARTS.get(str(entry.get("split")), ""))
