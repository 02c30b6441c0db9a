"""Annotations that no format has read are called by their name."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sightline.data.io.encode import encode_png
from sightline.data.parsing.unread import describe_unread, unread

VIA = {"1.png9": {"filename": "1.png", "regions": [{"shape_attributes": {"name": "rect"}}]}}
CREATEML = [{"image": "1.png", "annotations": [{"label": "cat", "coordinates": {"x": 2, "y": 2}}]}]
SUPERVISELY = {"objects": [{"classTitle": "cat", "points": {}}], "size": {"height": 4, "width": 4}}


@pytest.mark.parametrize(
    ("name", "text", "looks"),
    [
        ("gt.txt", "1,1,399,182,121,229,1,-1,-1,-1\n1,2,282.5,201,92,184,1,-1,-1,-1\n", "MOTChallenge"),
        ("det.txt", "1,-1,155,199,66,162,51.818\n", "MOTChallenge"),
        ("1.json", '{"shapes": [], "imagePath": "1.png"}', "labelme"),
        ("via_region_data.json", json.dumps(VIA), "VIA"),
        ("_annotations.createml.json", json.dumps(CREATEML), "CreateML"),
        ("1.png.json", json.dumps(SUPERVISELY), "Supervisely"),
        ("1.xml", "<annotation><filename>1.png</filename></annotation>", "Pascal VOC"),
        ("1.xml", "<Annotation><filename>1.png</filename></Annotation>", "Pascal VOC"),
        ("1.txt", "0 0.5 0.5 0.2 0.2\n1 0.4 0.4 0.1 0.1\n", "label files of YOLO"),
        ("1.txt", "1 2 9 2 9 8 1 8 plane 0\n", "DOTA"),
        ("metadata.csv", "file_name,text\n1.png,a cat\n", "metadata table"),
        ("labels.csv", "id,what\n1.png,cat\n2.png,dog\n", "a table of images"),
        ("train.txt", "a/1.png\na/2.png\n", "a list of the images of a split"),
        ("test_list.txt", "cat/1\n", "a list of the images of a split"),
        ("val_annotations.txt", "1.png\tn01443537\t0\t32\t44\t62\n", "images and labels without a header"),
        ("images_variant_train.txt", "1 707-320\n", "images and labels without a header"),
        ("trainLabels.csv", "id,label\n1,cat\n", "a table of images"),
        ("list_attr.txt", "1\nBald Young\n1.png -1 1\n", "a table of images"),
        ("sample_submission.csv", "id,label\n7,cat\n", "a form for answers"),
        ("1.txt", "Car 0.00 0 -1.57 8.0 6.0 30.0 24.0 1.5 1.6 3.9 1.0 1.5 8.4 -1.5\n", "KITTI"),
        ("1.txt", "8,6,22,18,1,4,0,0\n2,2,5,5,0,0,0,0\n", "VisDrone"),
        ("1.txt", "Cutting board 8.0 6.0 30.0 24.0\n", "Open Images"),
        ("1.txt", "imagesource:x\ngsd:0.1\n8 6 30 6 30 24 8 24 plane 0\n", "DOTA"),
        ("wider_face_train_bbx_gt.txt", "0--Parade/1.png\n1\n8 6 22 18 0 0 0 0 0 0\n", "WIDER FACE"),
        ("labels.json", '[{"name": "1.png", "labels": [{"category": "car", "box2d": {}}]}]', "BDD100K"),
        ("panoptic.json", '{"annotations": [{"image_id": 1, "segments_info": []}]}', "panoptic"),
    ],
)
def test_each_kind_by_its_name(tmp_path: Path, name: str, text: str, looks: str) -> None:
    (tmp_path / "1.png").write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))
    (tmp_path / name).write_text(text)
    (kind,) = unread(tmp_path)
    assert looks in kind.what
    assert kind.files == [tmp_path / name]


def test_a_format_is_named_where_it_reads_them(tmp_path: Path) -> None:
    (tmp_path / "1.png").write_bytes(encode_png(np.zeros((4, 4, 3), np.uint8)))
    (tmp_path / "1.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    assert "--format yolo" in describe_unread(unread(tmp_path), tmp_path)


@pytest.mark.parametrize("name", ["README.md", "LICENSE.txt", "results.csv", "package.json", "pairs.txt"])
def test_clutter_is_no_annotation(tmp_path: Path, name: str) -> None:
    text = {
        "pairs.txt": "a/1.png b/1.png 0\n",
        "results.csv": "epoch,loss\n1,0.5\n",
        "package.json": '{"name": "x"}',
    }
    (tmp_path / name).write_text(text.get(name, "Photographs by A. B., 2020.\n"))
    assert unread(tmp_path) == []
