"""Captions in files: tables, Flickr's tokens, COCO, text beside images; and captions that are odd."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.core.targets.text import Captions
from sightline.core.word_pieces import END, UNKNOWN, WordPieces, words_of
from sightline.data.checks import CHECKS
from sightline.data.open import open_data
from sightline.data.scan import scan
from sightline.errors import DataError

TEXTS = {
    "a.jpg": ('A dog, wet and "happy" .', "A dog runs ."),
    "b.jpg": ("Two cats \U0001f63a on a wall", "\u05e9\u05e0\u05d9 \u05d7\u05ea\u05d5\u05dc\u05d9\u05dd"),
    "c.jpg": ("A red boat\tat sea", "a boat", "boats"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    for k, name in enumerate(TEXTS):
        image = np.random.default_rng(k).integers(0, 255, (20, 24, 3), dtype=np.uint8)
        Image.fromarray(image).save(tmp_path / "images" / name)
    return tmp_path


def quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def as_csv(folder: Path) -> Path:
    """A byte order mark, ends of lines of Windows, and rows of an image that do not follow each other."""
    rows = sorted((k, name, text) for name, texts in TEXTS.items() for k, text in enumerate(texts))
    lines = ["image,caption", *(f"{name},{quoted(text)}" for _, name, text in rows)]
    (folder / "captions.txt").write_bytes(("\ufeff" + "\r\n".join(lines)).encode())
    return folder / "captions.txt"


def as_tokens(folder: Path) -> Path:
    lines = [f"{name}#{k}\t{text}" for name, texts in TEXTS.items() for k, text in enumerate(texts)]
    (folder / "Flickr8k.token.txt").write_text("\n".join(lines), encoding="utf-8")
    for part, names in (("train", "a.jpg\nb.jpg\n"), ("test", "c.jpg\n")):
        (folder / f"Flickr_8k.{part}Images.txt").write_text(names)
    return folder / "Flickr8k.token.txt"


def as_lines(folder: Path) -> Path:
    lines = [json.dumps({"file_name": name, "text": texts}) for name, texts in TEXTS.items()]
    (folder / "images/metadata.jsonl").write_text("\n".join(lines))
    return folder / "images"


def as_files(folder: Path) -> Path:
    for name, texts in TEXTS.items():
        (folder / "images" / name).with_suffix(".txt").write_text("\n".join(texts), encoding="utf-8")
    return folder / "images"


def as_coco(folder: Path) -> Path:
    images = [{"id": k, "file_name": name} for k, name in enumerate(TEXTS)]
    notes = [
        {"image_id": k, "id": 9, "caption": text} for k, texts in enumerate(TEXTS.values()) for text in texts
    ]
    (folder / "annotations").mkdir()
    file = folder / "annotations/captions_train2017.json"
    file.write_text(json.dumps({"images": images, "annotations": notes}))
    return folder


def as_karpathy(folder: Path) -> Path:
    parts = dict(zip(TEXTS, ("train", "restval", "test"), strict=True))
    images = [
        {"filename": name, "split": parts[name], "sentences": [{"raw": text} for text in texts]}
        for name, texts in TEXTS.items()
    ]
    (folder / "dataset_flickr8k.json").write_text(json.dumps({"images": images, "dataset": "flickr8k"}))
    return folder / "dataset_flickr8k.json"


@pytest.mark.parametrize("lay", [as_csv, as_tokens, as_lines, as_files, as_coco, as_karpathy])
def test_captions_are_recognized_and_gathered_by_image(lay: object, folder: Path) -> None:
    dataset = open_data(lay(folder))  # type: ignore[operator]
    assert [Path(item).name for item in dataset.ids] == [*TEXTS]
    texts = dataset.targets_as(Captions).texts
    assert [[words_of(t) for t in row] for row in texts] == [
        [words_of(t) for t in row] for row in TEXTS.values()
    ]
    assert not dataset.read_findings
    assert "7 captions of 3 images, 2 to 3 an image." in dataset.messages
    if lay in (as_tokens, as_karpathy):
        assert dataset.splits.tolist() == ["train", "train", "test"]


def test_numbers_beside_images_are_boxes_and_a_table_with_labels_is_one_of_labels(folder: Path) -> None:
    for name in TEXTS:
        (folder / "images" / name).with_suffix(".txt").write_text("0 0.5 0.5 0.2 0.2\n1 0.2 0.2 0.1 0.1\n")
    assert open_data(folder / "images").target_type == "instances"
    rows = "".join(f"images/{name},dog{k % 2},a dog number {k}\n" for k, name in enumerate(TEXTS))
    (folder / "labels.csv").write_text("path,label,caption\n" + rows)
    assert open_data(folder / "labels.csv").target_type == "label"
    assert open_data(folder / "labels.csv", target_type="text").targets.texts[1] == ("a dog number 1",)  # type: ignore[attr-defined]
    (folder / "words.csv").write_text(
        "path,text\n"
        + "".join(f"images/{name},{word}\n" for name, word in zip(TEXTS, ("stop", "go", "stop"), strict=True))
    )
    assert open_data(folder / "words.csv").target_type == "label"


def test_a_named_column_of_labels_makes_no_captions_of_a_table(folder: Path) -> None:
    table = folder / "labels.csv"
    table.write_text("path,label,site\nimages/a.jpg,dog,x\nimages/b.jpg,cat,x\nimages/c.jpg,dog,y\n")
    for target in (None, "label", "site"):
        assert open_data(table, target=target).target_type == "label"
    assert open_data(table, target="label", target_type="text").target_type == "text"


def test_rows_that_cannot_be_used_are_reported_and_images_are_of_one_split(folder: Path) -> None:
    (folder / "images/d.jpg").write_bytes((folder / "images/a.jpg").read_bytes())
    rows = ["path,caption,split,group", "a.jpg,a dog,train,x", "a.jpg,,train,x", "b.jpg,...,train,y",
            "gone.jpg,a ghost,train,y", "c.jpg,a boat, at sea,train,z", "c.jpg,a boat,test,z"]  # fmt: skip
    (folder / "captions.csv").write_text("\n".join(rows))
    dataset = open_data(folder / "captions.csv")
    assert dataset.ids == ["images/a.jpg", "images/c.jpg"]
    assert dataset.splits.tolist() == ["train", "test"]
    assert dataset.groups is not None
    assert dataset.groups.tolist() == ["x", "z"]
    assert [(f.name, f.severity, f.count) for f in dataset.read_findings] == [
        ("files-missing", "error", 1), ("target-missing", "error", 1), ("captions-empty", "warning", 2),
        ("rows-broken", "error", 1),
    ]  # fmt: skip
    (folder / "captions.csv").write_text("path,caption,split\na.jpg,a dog,train\na.jpg,a cat,test\n")
    with pytest.raises(DataError, match="All captions of an image are of one split"):
        open_data(folder / "captions.csv")


def test_odd_captions_are_found(folder: Path) -> None:
    def found(*texts: tuple[str, ...]) -> dict[str, tuple[str, int]]:
        rows = [f"{name},{quoted(text)}" for name, row in zip(TEXTS, texts, strict=True) for text in row]
        (folder / "captions.csv").write_text("\n".join(["path,caption", *rows]), encoding="utf-8")
        dataset = open_data(folder / "captions.csv")
        return {f.name: (f.severity, f.count) for f in CHECKS.load("captions").run(dataset, scan(dataset))}

    assert found(("a dog",), ("a dog",), ("A dog.",)) == {"captions-all-alike": ("error", 3)}
    assert found(("<b>dog</b>", "a &amp; b"), ("word " * 500, "a"), ("IMG_1.jpg", "c")) == {
        "captions-with-markup": ("warning", 2),
        "captions-long": ("warning", 1),
        "captions-name-files": ("warning", 1),
    }
    assert found(("a dog",), ("un chien",) * 12, ("\u72d7\u5728\u8349\u5730\u4e0a",)) == {
        "captions-in-several-scripts": ("info", 1),
        "captions-differ-in-number": ("info", 12),
    }


def test_word_pieces_give_texts_back_and_say_what_they_do_not_know() -> None:
    texts = [
        "a man's t-shirt",
        "the lowest of the low",
        "\u05e9\u05dc\u05d5\u05dd \u0939\u093f\u0928\u094d\u0926\u0940",
    ]
    counts: dict[str, int] = {}
    for word in words_of(" ".join(texts * 3)):
        counts[word] = counts.get(word, 0) + 1
    for most in (0, 40, 500):
        pieces = WordPieces.learn(counts, most)
        assert all(pieces.decode([*pieces.encode(text), END]) == (text, True) for text in texts)
        assert WordPieces(pieces.pieces).encode(texts[1]) == pieces.encode(texts[1])
    assert len(pieces.encode("the low")) == 2, "words that occur often are one piece"
    assert UNKNOWN in pieces.encode("zebra")
    assert pieces.decode(pieces.encode("the low")) == ("the low", False)
