"""predict --track --appearance: objects that meet are told apart by their looks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sightline.commands.predict import predict
from sightline.core.targets.instances import Instances
from sightline.errors import UsageError
from sightline.inference import tracking
from sightline.inference.appearance import Appearance
from sightline.inference.predictor import ModelPredictor
from sightline.runtime.track import TRACKERS, tracker_type
from sightline.runtime.track.base import TrackSettings
from sightline.tasks import task_type
from tests.fixtures.planted import fresh_network

SIDE = 40


def appearance() -> Appearance:
    """Features of a classifier with random weights, which differ between colors."""
    model = fresh_network()
    found = Appearance.of(model, task_type("classify")(None, None), model.settings, "cpu")
    assert isinstance(found, Appearance)
    return found


def meeting(t: int) -> tuple[np.ndarray, np.ndarray]:
    """Frame t of two speckled squares, a red and a blue one, that run into each other and turn around; and
    their boxes. The blue one hides what is behind it."""
    rng, way = np.random.default_rng(0), 5 * (t if t <= 10 else 20 - t)
    image = np.full((120, 260, 3), 90, np.uint8)
    boxes = np.array([[20.0 + way, 40, 60 + way, 80], [125.0 - way, 44, 165 - way, 84]])
    for (x, y, _, _), color in zip(boxes.astype(int).tolist(), ((230, 60, 40), (40, 60, 230)), strict=True):
        speckles = rng.integers(-40, 25, (SIDE, SIDE, 1))
        image[y : y + SIDE, x : x + SIDE] = (np.array(color) + speckles).clip(0, 255)
    return image, boxes


@pytest.mark.parametrize("name", TRACKERS.names())
def test_objects_that_meet_and_turn_around_keep_their_identity_by_their_looks(name: str) -> None:
    """By motion alone each is taken for the other, for they seem to go on straight ahead."""
    kind, looks = tracker_type(name), appearance()
    ends = {}
    for looked in (False, True):
        tracker = kind(TrackSettings(min_iou=kind.defaults.min_iou))
        for t in range(21):
            image, boxes = meeting(t)
            ids = tracker.update(
                boxes, looks=(lambda rows, i=image, b=boxes: looks.features(i, b[rows])) if looked else None
            )
            assert t > 0 or ids.tolist() == [1, 2]
        ends[looked] = ids.tolist()
    assert ends == {False: [2, 1], True: [1, 2]}


def test_features_are_those_of_the_pixels_in_the_box() -> None:
    looks, (image, boxes) = appearance(), meeting(0)
    found = looks.features(image, np.array([*boxes, [-5, -5, 0.5, 0.5], [259.5, 30, 400, 90]]))
    assert found.shape[0] == 4
    assert np.linalg.norm(found, axis=1) == pytest.approx(1)
    alone = looks.features(np.ascontiguousarray(image[40:80, 20:60]), np.array([[0.0, 0, 40, 40]]))
    assert alone[0] @ found[0] == pytest.approx(1, abs=1e-5)
    assert found[0] @ found[1] < 0.95 < alone[0] @ looks.features(*meeting(3))[0]


def test_a_run_without_features_and_an_idle_option_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = ModelPredictor.of(fresh_network(), task_type("classify")(None, None), {}, "cpu")
    monkeypatch.setattr(tracking.Appearance, "__init__", lambda self, path, device: None)
    options = tracking.TrackOptions(False, appearance=tmp_path)
    kind = type("Kind", (), {"objects": True, "target": Instances})
    with pytest.raises(UsageError, match="--appearance is for tracked objects: give --track too"):
        options.tracking(kind, predictor.task, 0.5, 0.0, None)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="--ray cannot be given with --track"):
        predict(tmp_path, ["a.mp4"], appearance=tmp_path, ray="local")
