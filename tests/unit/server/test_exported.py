"""The verb, with exported files: the same answers as the runtime gives, drawn images, tensors."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sightline.runtime.onnx_file import UNCHECKED
from sightline.runtime.rows import full
from sightline.runtime.session import Session
from tests.unit.runtime import exported
from tests.unit.server.running import LONG, ROOT, Running, encoded, serving_files

KINDS = ("label", "number", "masks", "instances", "outlines")
TILED = ("masks", "outlines")
MODELS = (*KINDS, *(f"tiled-{kind}" for kind in TILED))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    result = tmp_path_factory.mktemp("exported")
    for kind in KINDS:
        exported.write(result / f"{kind}.onnx", kind)
    for kind in TILED:
        exported.write(result / f"tiled-{kind}.onnx", kind, tile_size=40)
    notes = {"unchecked": UNCHECKED, "takes": "It takes crops."}
    exported.write(result / "unchecked.onnx", "label", {**exported.card("label"), **notes})
    return result


@pytest.fixture(scope="module")
def real(folder: Path) -> Iterator[Running]:
    with serving_files(*(folder / f"{name}.onnx" for name in (*MODELS, "unchecked"))) as running:
        yield running


def encoded_images() -> dict[str, bytes]:
    noise = np.random.default_rng(3).integers(0, 255, (90, 70, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "a.png": encoded(noise, "PNG"),
        "turned.jpg": encoded(noise, "JPEG", exif=exif.tobytes()),
        "cmyk.jpg": encoded(noise, "JPEG", "CMYK"),
        "deep.png": encoded(np.arange(90 * 70, dtype=np.uint16).reshape(90, 70) * 10, "PNG"),
    }


@pytest.mark.parametrize("kind", MODELS)
def test_the_same_answers_as_the_runtime(real: Running, folder: Path, kind: str) -> None:
    sent = encoded_images()
    reply = real.send(*sent.items(), path=f"/v1/predict?model={kind}")
    assert reply.status == 200, reply.body
    session = Session(folder / f"{kind}.onnx", threads=1)
    wanted = []
    for name, content in sent.items():
        (outputs,) = session.predict([content])
        wanted.append(full(name, outputs.row, outputs.prediction, session.names))
    assert reply.json["predictions"] == json.loads(json.dumps(wanted))


@pytest.mark.parametrize("kind", ["instances", "tiled-outlines"])
def test_the_lowest_score_is_told_and_can_be_asked_for(real: Running, kind: str) -> None:
    sent = encoded(np.full((48, 64, 3), 255, np.uint8), "PNG")
    assert real.get(f"/v1/model?model={kind}").json["thresholds"] == {"car": 0.25, "bus": 0.25, "dog": 0.25}
    counts = []
    for requested in ("", "&min_score=0", "&min_score=0.7", "&min_score=1"):
        (row,) = real.predict(sent, path=f"/v1/predict?model={kind}{requested}").json["predictions"]
        assert row["objects"] == len(row["boxes"])
        counts.append(row["objects"])
    assert counts[1] >= counts[0] > counts[2] > counts[3] == 0
    assert kind != "instances" or counts[1] > counts[0]


@pytest.mark.parametrize("asked", [
    "min_score=2", "min_score=nan", "min_score=", "min_score=0.1&min_score=0.2", "conf=0.5",
    "model=label&min_score=0.5",
])  # fmt: skip
def test_what_cannot_be_asked_is_refused(real: Running, asked: str) -> None:
    named = asked if "model=" in asked else f"model=instances&{asked}"
    reply = real.predict(encoded(np.zeros((8, 8, 3), np.uint8), "PNG"), path=f"/v1/predict?{named}")
    assert (reply.status, reply.reason) == (400, "query")


def test_a_bad_image_of_a_model_with_tiles_is_told(real: Running) -> None:
    reply = real.predict(b"no image", path="/v1/predict?model=tiled-masks")
    assert reply.status == 415


@pytest.mark.parametrize("kind", MODELS)
def test_every_kind_is_drawn(real: Running, kind: str) -> None:
    sent = encoded(np.full((120, 200, 3), 250, np.uint8), "PNG")
    reply = real.predict(sent, path=f"/v1/predict?model={kind}", Accept="image/png")
    assert reply.status == 200, reply.body
    drawn = np.asarray(Image.open(io.BytesIO(reply.body)))
    assert (drawn != 250).any()


def test_tensors(real: Running) -> None:
    message = real.get("/v2/models/outlines").json
    assert message["inputs"][0]["shape"] == [-1, 3, *exported.SIZE]
    assert {first["name"]: first["datatype"] for first in message["outputs"]}["labels"] == "INT64"
    shape = [2, 3, *exported.SIZE]
    data = np.full(shape, 255, np.uint8)
    tensor = {"name": "images", "datatype": "UINT8", "shape": shape, "data": data.ravel().tolist()}
    body = json.dumps({"inputs": [tensor], "outputs": [{"name": "scores"}]}).encode()
    reply = real.predict(body, "application/json", "/v2/models/instances/infer")
    np.testing.assert_allclose(reply.json["outputs"][0]["data"], exported.SCORES * 2, rtol=1e-6)


def test_a_model_that_nobody_checked_is_told(real: Running) -> None:
    assert real.get("/v1/model?model=unchecked").json["unchecked"] == UNCHECKED
    assert "unchecked" not in real.get("/v1/model?model=label").json
    outputs = [json.loads(line) for line in real.log.read_text().splitlines() if '"model-unchecked"' in line]
    assert [(line["model"], line["level"]) for line in outputs] == [("unchecked", "warning")]


def test_what_a_model_takes_is_told(real: Running) -> None:
    assert real.get("/v1/model?model=unchecked").json["takes"] == "It takes crops."
    assert "takes" not in real.get("/v1/model?model=label").json
    (line,) = [json.loads(line) for line in real.log.read_text().splitlines() if '"model-takes"' in line]
    assert (line["model"], line["message"]) == ("unchecked", "It takes crops.")


def test_a_damaged_file_is_an_error_that_names_it(folder: Path) -> None:
    cut = folder / "cut.onnx"
    cut.write_bytes((folder / "label.onnx").read_bytes()[:-50])
    code = (
        "import sys\nfrom sightline.errors import DataError\nfrom sightline.commands.serve import serve\n"
        "try:\n    serve([sys.argv[1]], port=0)\nexcept DataError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(cut)], capture_output=True, text=True, cwd=ROOT,
                          timeout=LONG, check=True)  # fmt: skip
    assert "cut.onnx" in done.stdout
