"""Boxes or masks in one JSON document in the form of COCO."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from sightline.inference.presenters import codes
from sightline.inference.sources import Answer
from sightline.inference.writers.context import Write, WriterContext, source_folder, text_file
from sightline.runtime.rows import Row

NAME, ENDING, HOLDS = "coco", ".json", "objects"

UNFILTERED = True
"""To measure with: every box is in it, however weak, unless it is asked otherwise."""


@contextmanager
def open_writer(context: WriterContext) -> Iterator[Write]:
    """One JSON document in COCO's form; objects are written as they come, images at the end.

    Lin et al., Microsoft COCO, ECCV 2014; cocodataset.org/#format-data and #format-results: `bbox` is x, y,
    width, height in pixels from 0, `category_id` the id as annotated, `segmentation` a run-length code.
    """
    images: list[Row] = []
    counter = Counter[str]()

    def write(answer: Answer) -> None:
        outcome = answer.outcome
        if outcome.error:
            return
        height, width = outcome.prediction.sizes[0].tolist()
        images.append(
            {"id": len(images) + 1, "file_name": answer.input.name, "width": width, "height": height}
        )
        scores, masks = outcome.prediction.scores, codes(outcome.prediction)
        for i, (x1, y1, x2, y2) in enumerate(outcome.prediction.boxes.tolist()):
            stream.write(",\n" if counter["objects"] else "\n")
            counter["objects"] += 1
            box = [round(v, 3) for v in (x1, y1, x2 - x1, y2 - y1)]
            entry: Row = {
                "id": counter["objects"], "image_id": len(images),
                "category_id": context.ids[int(outcome.prediction.labels[i])], "bbox": box,
                "area": round((x2 - x1) * (y2 - y1), 3), "iscrowd": 0,
            }  # fmt: skip
            if masks:
                entry["segmentation"] = masks[i]
                entry["area"] = int(outcome.prediction.masks.areas()[i])
            if scores is not None:
                entry["score"] = round(float(scores[i]), 5)
            stream.write(json.dumps(entry))

    with text_file(context.out) as stream:
        stream.write('{"annotations": [')
        try:
            yield write
        finally:
            rest = {
                "images": images,
                "categories": [{"id": i, "name": n} for i, n in zip(context.ids, context.names, strict=True)],
                "info": {"description": f"Predictions of {context.model}", "folder": source_folder(context)},
            }
            stream.write("\n], " + json.dumps(rest, ensure_ascii=False)[1:] + "\n")
