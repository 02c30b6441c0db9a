"""Annotations that were damaged at random are read or refused; nothing else may come of them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.dataset import Classes
from sightline.data.formats import FORMATS
from sightline.data.parsing.options import ReadOptions
from sightline.errors import SightlineError
from tests.unit.data.box_samples import made

FILES = {
    "boxes": "boxes.csv",
    "coco": "annotations/instances_default.json",
    "createml": "_annotations.createml.json",
    "cvat": "annotations.xml",
    "label-studio": "tasks.json",
    "labelme": "p00.json",
    "voc": "Annotations/p00.xml",
    "yolo": "data.yaml",
}
_bits = ("", "null", "-1", "1e999", "NaN", "[]", "{}", '"', "<", ">", ",", ":", "\n", "\0", "é", "9" * 30,
         "a" * 300, "../../", "&x;", "*a", "- ", "true")  # fmt: skip
_cuts = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 40), st.sampled_from(_bits)), min_size=1, max_size=3
)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One small data set in each format."""
    row = [(0, 1.0, 2.0, 9.5, 8.25), (1, 0.0, 0.0, 16.0, 12.0)]
    data = made([row, row[:1], []], Classes(("cat", "dog"), (1, 5)), size=(12, 16))
    root = tmp_path_factory.mktemp("fuzz")
    return {name: FORMATS.load(name).write(data, root / name) for name in FILES}


@pytest.mark.parametrize("format", FILES)
@settings(max_examples=60, deadline=None)
@given(cuts=_cuts)
def test_damaged_annotations(
    format: str, cuts: list[tuple[float, int, str]], written: dict[str, Path]
) -> None:
    place, module = written[format], FORMATS.load(format)
    file = (place if place.is_dir() else place.parent) / FILES[format]
    sound = file.read_bytes()
    damaged = sound
    for share, length, bit in cuts:
        at = int(share * len(damaged))
        damaged = damaged[:at] + bit.encode() + damaged[at + length :]
    try:
        file.write_bytes(damaged)
        assert module.sniff(str(place), ReadOptions()) in (0, pytest.approx(0.97), pytest.approx(0.98))
        data = module.read(str(place), ReadOptions())
    except SightlineError:
        return
    finally:
        file.write_bytes(sound)
    assert data.classes is not None
    labels, boxes = data.targets.labels, data.targets.boxes
    assert bool(((labels >= 0) & (labels < len(data.classes))).all())
    assert bool((boxes.isfinite().all(1) & (boxes[:, 2:] > boxes[:, :2]).all(1)).all())
