"""Every route, over a real socket."""

from __future__ import annotations

import base64
import io
import json
import re
import struct

import numpy as np
import pytest
from PIL import Image

from tests.unit.server.fake import SIDE
from tests.unit.server.running import Running, encoded, png


def test_raw_bytes_are_predicted(server: Running) -> None:
    reply = server.predict(png(200, 12, 10))
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == "application/json"
    (first,) = reply.json["predictions"]
    assert reply.json["model"] == "street"
    assert (first["path"], first["label"], first["width"], first["height"]) == ("0", "bright", 12, 10)


@pytest.mark.parametrize("kind", ["application/octet-stream", "image/whatever", "IMAGE/JPEG; a=b"])
def test_the_content_says_what_it_is_not_its_type(server: Running, kind: str) -> None:
    assert server.predict(png(20), kind).json["predictions"][0]["label"] == "dark"


def test_files_of_a_form_are_predicted_in_order(server: Running) -> None:
    reply = server.send(("a.png", png(250)), ("mädchen.png", png(3)), ("c.png", png(251)))
    message = reply.json["predictions"]
    assert [first["path"] for first in message] == ["a.png", "mädchen.png", "c.png"]
    assert [first["label"] for first in message] == ["bright", "dark", "bright"]


def test_images_may_come_as_base64_in_json(server: Running) -> None:
    texts = [base64.b64encode(png(value)).decode() for value in (250, 3)]
    for message in ({"images": texts}, {"images": [f"data:image/png;base64,{text}" for text in texts]}):
        reply = server.predict(json.dumps(message).encode(), "application/json")
        assert [first["label"] for first in reply.json["predictions"]] == ["bright", "dark"], reply.body
    reply = server.predict(json.dumps({"image": texts[1]}).encode(), "application/json; charset=utf-8")
    assert [first["path"] for first in reply.json["predictions"]] == ["0"]


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "json"),
        (b"[" * 100_000, 422, "json"),  # refused before it is parsed
        (b"[]", 422, "json"),
        (b'{"image": 3}', 422, "json"),
        (b'{"image": "YQ==", "url": "x"}', 422, "json"),
        (b'{"image": "an image!"}', 422, "base64"),
        (b'{"image": "/tmp/a.png"}', 422, "base64"),
        (b'{"images": []}', 422, "no-image"),
        (b'{"image": ""}', 422, "empty"),
        (b'{"images": ["YQ==", "YQ==", "YQ==", "YQ==", "YQ=="]}', 413, "too-many"),
        (b'{"image": "YQ=="}', 415, "not-an-image"),
    ],
)
def test_json_that_holds_no_image_is_told(server: Running, body: bytes, status: int, reason: str) -> None:
    reply = server.predict(body, "application/json")
    assert (reply.status, reply.reason) == (status, reason)


def test_a_bad_image_among_good_ones_costs_only_itself(server: Running) -> None:
    reply = server.send(("a.png", png(250)), ("b.txt", b"no image at all"), ("c.png", png(3)))
    assert reply.status == 200
    first, second, third = reply.json["predictions"]
    assert (first["label"], third["label"]) == ("bright", "dark")
    assert (second["path"], second["error"]["status"], second["error"]["reason"]) == (
        "b.txt",
        415,
        "not-an-image",
    )


@pytest.mark.parametrize(("accept", "kind"), [("image/jpeg", "JPEG"), ("image/png", "PNG"),
                                              ("text/html, image/*;q=0.8, */*;q=0.1", "JPEG")])  # fmt: skip
def test_a_drawn_image_on_request(server: Running, accept: str, kind: str) -> None:
    reply = server.predict(png(200, 200, 100), Accept=accept)
    assert reply.status == 200, reply.body
    assert reply.headers["content-type"] == f"image/{kind.lower()}"
    drawn = Image.open(io.BytesIO(reply.body))
    assert drawn.format == kind
    assert drawn.size[0] == 200
    assert drawn.size[1] > 100  # the caption


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/*;q=0.5, text/html", ""])
def test_json_where_the_client_does_not_mind(server: Running, accept: str) -> None:
    assert server.predict(png(), Accept=accept).headers["content-type"] == "application/json"


def test_what_cannot_be_given_is_not_given_otherwise(server: Running) -> None:
    assert server.predict(png(), Accept="text/html").status == 406
    assert server.send(("a", png()), ("b", png()), Accept="image/png").status == 406


def test_models_by_name(server: Running) -> None:
    assert server.predict(png(), path="/v1/predict?model=night").json["model"] == "night"
    card = server.get("/v1/model?model=night").json
    assert card["name"] == "night"
    assert card["models"] == ["street", "night"]
    assert card["classes"] == ["dark", "bright"]
    assert card["metric"]["value"] == 0.5
    assert card["input"] == {"channels": 3, "height": SIDE, "width": SIDE}
    assert server.get("/v1/model").json["name"] == "street"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/v2/health/live", "/v2/health/ready"])
def test_probes(server: Running, path: str) -> None:
    assert server.get(path).status == 200


def test_metrics_are_prometheus_text(server: Running) -> None:
    server.predict(png())
    server.predict(b"?")
    reply = server.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    text = reply.body.decode()
    for line in text.splitlines():
        assert re.fullmatch(r'# (HELP|TYPE) \w+ .+|\w+(\{(\w+="[^"]*",?)+\})? [-+.\deE]+', line), line
    assert 'sightline_requests_total{path="/v1/predict",method="POST",status="200"}' in text
    assert 'sightline_images_total{model="street",status="415"}' in text
    assert 'sightline_workers_ready{model="street"} 1' in text
    buckets = re.findall(r'sightline_batch_size_bucket\{model="street",le="[^"]+"\} (\d+)', text)
    count = re.search(r'sightline_batch_size_count\{model="street"\} (\d+)', text)
    assert count is not None
    assert [int(b) for b in buckets] == sorted(int(b) for b in buckets)
    assert buckets[-1] == count[1]


def test_the_description_names_every_route_and_the_page_loads_nothing(server: Running) -> None:
    message = server.get("/openapi.json").json
    assert message["openapi"].startswith("3.1")
    assert {"/v1/predict", "/v1/model", "/healthz", "/readyz", "/metrics", "/v2",
            "/v2/models/{name}/infer"} <= set(message["paths"])  # fmt: skip
    page = server.get("/docs")
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    text = page.body.decode()
    assert "/v1/predict" in text
    assert not re.findall(r"<script|<link|<img|src=|@import|url\(", text)


def test_kserve_tells_of_server_and_model(server: Running) -> None:
    assert server.get("/v2").json["extensions"] == ["binary_tensor_data"]
    assert server.get("/v2/models/night/ready").json == {"name": "night", "ready": True}
    message = server.get("/v2/models/night").json
    assert message["inputs"] == [{"name": "images", "datatype": "UINT8", "shape": [-1, 3, SIDE, SIDE]}]
    assert {"name": "scores", "datatype": "FP32", "shape": [-1, 2]} in message["outputs"]


@pytest.mark.parametrize("nested", [True, False])
def test_kserve_infers_json(server: Running, nested: bool) -> None:
    pixels = np.stack([np.full((3, SIDE, SIDE), v, np.uint8) for v in (0, 255)])
    data = pixels.tolist() if nested else pixels.ravel().tolist()
    tensor = {"name": "images", "shape": [2, 3, SIDE, SIDE], "datatype": "UINT8", "data": data}
    requested = {"id": "42", "inputs": [tensor], "outputs": [{"name": "scores"}]}
    reply = server.predict(json.dumps(requested).encode(), "application/json", "/v2/models/street/infer")
    assert reply.status == 200, reply.body
    assert (reply.json["id"], reply.json["model_name"]) == ("42", "street")
    assert reply.json["outputs"] == [
        {"name": "scores", "datatype": "FP32", "shape": [2, 2], "data": [1, 0, 0, 1]}
    ]


def test_kserve_infers_bytes(server: Running) -> None:
    pixels = np.full((1, 3, SIDE, SIDE), 255, np.uint8).tobytes()
    head = json.dumps({
        "parameters": {"binary_data_output": True},
        "inputs": [{"name": "images", "shape": [1, 3, SIDE, SIDE], "datatype": "UINT8",
                    "parameters": {"binary_data_size": len(pixels)}}],
        "outputs": [{"name": "scores"}],
    }).encode()  # fmt: skip
    extra = {"Inference-Header-Content-Length": str(len(head))}
    reply = server.predict(head + pixels, "application/octet-stream", "/v2/models/street/infer", **extra)
    assert reply.status == 200, reply.body
    cut = int(reply.headers["inference-header-content-length"])
    assert json.loads(reply.body[:cut])["outputs"][0]["parameters"] == {"binary_data_size": 8}
    assert struct.unpack("<2f", reply.body[cut:]) == (0, 1)


def test_images_of_all_kinds(server: Running) -> None:
    gray = np.full((6, 9), 60000, np.uint16)
    upright = np.zeros((20, 10, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    kinds = {
        "cmyk": encoded(np.full((6, 9, 3), 250, np.uint8), "JPEG", "CMYK"),
        "16 bits": encoded(gray, "PNG"),
        "turned": encoded(upright, "JPEG", exif=exif.tobytes()),
    }
    message = {name: server.predict(content).json["predictions"][0] for name, content in kinds.items()}
    assert message["cmyk"]["label"] == message["16 bits"]["label"] == "bright"
    assert (message["turned"]["height"], message["turned"]["width"]) == (10, 20)
