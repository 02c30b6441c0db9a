"""Prompts, and the network that answers them."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sightline.errors import SightlineError, UsageError
from sightline.tasks.instance.sam import Prompt, Sam, SamPredictor, parse_prompt, predictor

NEEDS = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="the extra 'transformers' is not installed"
)


def test_a_prompt_is_read() -> None:
    result = parse_prompt("box 10,20,110,220; point 40,50 ;point 1.5 2;")
    assert result.boxes.tolist() == [[10, 20, 110, 220]]
    assert result.points.tolist() == [[40, 50], [1.5, 2]]
    assert result.names == ("point 40,50", "point 1.5,2", "box 10,20,110,220")


corner = st.integers(0, 500)


@given(st.lists(st.tuples(corner, corner), max_size=4), st.lists(st.tuples(corner, corner), max_size=4))
def test_what_a_prompt_says_is_read_as_the_same(
    points: list[tuple[int, int]], boxes: list[tuple[int, int]]
) -> None:
    sides = [(x, y, x + 5, y + 9) for x, y in boxes]
    prompt = Prompt(
        torch.tensor(points, dtype=torch.float32).reshape(-1, 2),
        torch.tensor(sides, dtype=torch.float32).reshape(-1, 4),
    )
    if prompt.names:
        again = parse_prompt("; ".join(prompt.names))
        assert torch.equal(again.points, prompt.points)
        assert torch.equal(again.boxes, prompt.boxes)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "says nothing"),
        (" ; ", "says nothing"),
        ("the cat", "Received 'the cat'"),
        ("point 40", "x,y in pixels"),
        ("point 40,fifty", "x,y in pixels"),
        ("point nan,3", "x,y in pixels"),
        ("box 1,2,3", "x1,y1,x2,y2"),
        ("box 30,20,10,40", "left top to its right bottom"),
    ],
)
def test_what_cannot_be_understood_is_refused(text: str, said: str) -> None:
    with pytest.raises(UsageError, match="--prompt") as error:
        parse_prompt(text)
    assert said in str(error.value)


@cache
def small_sam() -> Any:
    import transformers

    torch.manual_seed(0)
    vision = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "image_size": 64,
        "patch_size": 8, "mlp_dim": 32, "window_size": 4, "global_attn_indexes": [1], "output_channels": 32,
        "num_pos_feats": 16, "initializer_range": 0.2,
    }  # fmt: skip
    config = transformers.SamConfig(
        vision_config=vision,
        prompt_encoder_config={"hidden_size": 32, "image_size": 64, "patch_size": 8},
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 64, "num_attention_heads": 2, "iou_head_hidden_dim": 32,
        },
        initializer_range=0.5,
    )  # fmt: skip
    return transformers.SamModel(config)


def random_image(height: int = 48, width: int = 80) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)


@NEEDS
def test_each_prompt_is_one_object_of_its_own_class() -> None:
    sam = Sam(small_sam())
    points, boxes = torch.tensor([[10.0, 12], [70, 40]]), torch.tensor([[5.0, 5, 40, 30]])
    result = sam.prompted(random_image(), points, boxes)
    assert result.kind == "outlines"
    assert result.sizes.tolist() == [[48, 80]]
    assert len(result) == 1
    assert set(result.labels.tolist()) <= {0, 1, 2}
    assert len(result.labels) > 0
    assert result.scores.tolist() == sorted(result.scores.tolist(), reverse=True)
    assert 0 <= float(result.scores.min()) <= float(result.scores.max()) <= 1
    assert bool((result.bitmaps.boxes()[:, 2:] <= torch.tensor([80, 48])).all())
    alone = sam.prompted(random_image(), None, boxes)
    for i, label in enumerate(result.labels.tolist()):
        if label == 2:
            assert torch.equal(result.bitmaps.dense(48, 80)[i], alone.bitmaps.dense(48, 80)[0])


@NEEDS
def test_it_is_the_same_as_the_librarys_own_processor() -> None:
    import transformers

    images = transformers.SamImageProcessor(
        size={"longest_edge": 64},
        pad_size={"height": 64, "width": 64},
        mask_pad_size={"height": 16, "width": 16},
    )
    processor = transformers.SamProcessor(images)
    processor.target_size = 64
    # Twice as large as the network's image, of one colour in each half: no interpolation to differ in.
    image = np.zeros((128, 128, 3), dtype=np.uint8)
    image[:, 64:] = (200, 90, 30)
    inputs = processor(image, input_points=[[[96, 40]]], return_tensors="pt")
    with torch.no_grad():
        out = small_sam()(pixel_values=inputs["pixel_values"], input_points=inputs["input_points"].float())
    masks = processor.image_processor.post_process_masks(
        out.pred_masks, inputs["original_sizes"], inputs["reshaped_input_sizes"]
    )[0][0]
    best = int(out.iou_scores[0, 0].argmax())
    result = Sam(small_sam()).prompted(image, torch.tensor([[96.0, 40]]))
    expected = masks[best]
    ours = (
        result.bitmaps.dense(128, 128)[0] if len(result.labels) else torch.zeros(128, 128, dtype=torch.bool)
    )
    assert float((ours == expected).float().mean()) > 0.98


@NEEDS
@pytest.mark.parametrize("prompt", ["point 80,10", "point 10,48", "box 90,10,99,20"])
def test_a_prompt_outside_the_image_is_refused(prompt: str) -> None:
    requested = parse_prompt(prompt)
    with pytest.raises(UsageError, match="80 wide and 48 high"):
        Sam(small_sam()).prompted(random_image(), requested.points, requested.boxes)
    outputs = SamPredictor(Sam(small_sam()), requested).outcome("a.jpg", random_image())
    assert outputs.prediction is None
    assert "lies outside" in outputs.error


@NEEDS
def test_no_prompt_is_refused() -> None:
    with pytest.raises(UsageError, match="prompt is needed"):
        Sam(small_sam()).prompted(random_image())


@NEEDS
def test_from_a_folder_with_a_prompt_to_rows(tmp_path: Path) -> None:
    small_sam().save_pretrained(tmp_path / "tiny")
    result = predictor(str(tmp_path / "tiny"), "point 10,12; point 10,12; box 5,5,40,30")
    outputs = result.outcome("a.jpg", random_image())
    assert outputs.error == ""
    assert outputs.row["objects"] == len(outputs.prediction.labels)
    assert result.settings["classes"] == ["point 10,12", "point 10,12", "box 5,5,40,30"]
    assert result.task.card.prediction_type == "outlines"


@NEEDS
def test_weights_that_cannot_be_had_are_said_with_the_way_out(tmp_path: Path) -> None:
    """The network is forbidden in tests."""
    with pytest.raises(SightlineError, match="SIGHTLINE_OFFLINE") as error:
        Sam.load("facebook/sam-vit-base")
    assert "--local-dir" in str(error.value)
    with pytest.raises(SightlineError, match="cannot be had"):
        Sam.load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(UsageError, match="'bert'"):
        Sam.load(str(tmp_path))
