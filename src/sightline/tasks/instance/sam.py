"""Segment Anything (SAM): the object at a point or in a box. It is not trained here.

Source: Kirillov et al., Segment Anything, ICCV 2023.
"""

from __future__ import annotations

import os
import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from sightline.core.dataset import Classes
from sightline.core.predictor import Outcome
from sightline.core.targets.bitmaps import CroppedMasks
from sightline.core.targets.outlines import InstanceMasks
from sightline.core.task import DataInfo, Task
from sightline.data.loading.preprocess import resize_to_input
from sightline.errors import SightlineError, UsageError
from sightline.models.weights.download import patient
from sightline.tasks.instance.models._transformers import library
from sightline.tasks.instance.options import InstanceOptions
from sightline.tasks.instance.task import Instance

HUB = "facebook/sam-vit-base"
_WAY_OUT = (
    f"Where there is a network, fetch them once (hf download {HUB} --local-dir sam-vit-base), and name the "
    "folder: sam:sam-vit-base."
)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NUMBERS = {"point": 2, "box": 4}
EXAMPLE = "box 10,20,110,220; point 40,50"


@dataclass(frozen=True)
class Prompt:
    """Points and boxes; each means one object.

    Attributes:
        points: (P, 2) float32 x, y in pixels of the stored image.
        boxes: (B, 4) float32 x1, y1, x2, y2, likewise.
    """

    points: Tensor
    boxes: Tensor

    @property
    def names(self) -> tuple[str, ...]:
        """Names of points, then boxes, in the order of the predictions."""
        both = [("point", row) for row in self.points.tolist()] + [
            ("box", row) for row in self.boxes.tolist()
        ]
        return tuple(f"{kind} {','.join(f'{v:g}' for v in row)}" for kind, row in both)


def parse_prompt(text: str) -> Prompt:
    """Parse a prompt such as "box 10,20,110,220; point 40,50".

    Raises:
        UsageError: If it cannot be understood.
    """
    values_by_kind: dict[str, list[list[float]]] = {kind: [] for kind in NUMBERS}
    for part in filter(None, (p.strip() for p in re.split("[;\n]", text))):
        kind, _, rest = part.partition(" ")
        if kind not in NUMBERS:
            raise UsageError(f"--prompt takes points and boxes. Received '{part}'. Write it as: {EXAMPLE}")
        try:
            values = [float(v) for v in re.split(r"\s*,\s*|\s+", rest.strip()) if v]
        except ValueError:
            values = []
        if len(values) != NUMBERS[kind] or not all(np.isfinite(values)):
            wanted = "x,y" if kind == "point" else "x1,y1,x2,y2"
            raise UsageError(f"--prompt: a {kind} is {wanted} in pixels. Received '{part}'. Write: {EXAMPLE}")
        if kind == "box" and not (values[2] > values[0] and values[3] > values[1]):
            raise UsageError(
                f"--prompt: a box goes from its left top to its right bottom. Received '{part}'."
            )
        values_by_kind[kind].append(values)
    if not any(values_by_kind.values()):
        raise UsageError(f"--prompt says nothing. Write it as: {EXAMPLE}")
    points, boxes = (
        torch.tensor(values_by_kind[k], dtype=torch.float32).reshape(-1, n) for k, n in NUMBERS.items()
    )
    return Prompt(points, boxes)


class Sam:
    """The network.

    Args:
        network: transformers' `SamModel`.
        device: Where it runs.
    """

    def __init__(self, network: Any, device: torch.device | str = "cpu") -> None:
        self.network = network.to(device).eval()
        self.device = torch.device(device)
        self.side: int = network.config.vision_config.image_size

    @classmethod
    def load(cls, weights: str, device: torch.device | str = "cpu") -> Sam:
        """The network with weights from a folder, or from a hub by name ("facebook/sam-vit-base").

        Raises:
            MissingExtra: If transformers is not installed.
            UsageError: If these are the weights of another network.
            SightlineError: If they cannot be had.
        """
        source = library(f"sam:{weights}")
        try:
            with _reachable(weights):
                config = source.AutoConfig.from_pretrained(weights)
                if config.model_type != "sam":
                    raise UsageError(f"{weights} holds a '{config.model_type}', not a 'sam'. Try {HUB}.")
                return cls(source.SamModel.from_pretrained(weights), device)
        except SightlineError:
            raise
        except Exception as error:  # whatever the hub, the network or the file may throw
            first = (str(error).strip().splitlines() or [""])[0]
            raise SightlineError(
                f"The weights '{weights}' cannot be had ({type(error).__name__}: {first}). {_WAY_OUT}"
            ) from error

    @torch.no_grad()
    def prompted(
        self, image: NDArray[np.uint8], points: Tensor | None = None, boxes: Tensor | None = None
    ) -> InstanceMasks:
        """Masks of the objects at points or in boxes.

        A point may mean a part, a part of it, or the whole: of the three masks that the network gives the
        one that it thinks best is taken. A box means one object.

        Args:
            image: (H, W, 3) or (H, W, 1) uint8.
            points: (P, 2) x, y in pixels.
            boxes: (B, 4) x1, y1, x2, y2 in pixels.

        Returns:
            P + B objects of one image, less those without a pixel. The label is the number of the prompt,
            points first; the score is the IoU that the network expects of the mask, cut to [0, 1].

        Raises:
            UsageError: If there is no prompt, or one lies outside the image.
        """
        prompt = Prompt(
            torch.zeros(0, 2) if points is None else points.float().reshape(-1, 2),
            torch.zeros(0, 4) if boxes is None else boxes.float().reshape(-1, 4),
        )
        height, width = image.shape[:2]
        _check(prompt, height, width)
        scale = self.side / max(height, width)
        inner = int(height * scale + 0.5), int(width * scale + 0.5)
        to = torch.tensor([inner[1] / width, inner[0] / height])
        embeddings = self.network.get_image_embeddings(
            self._pixels(resize_to_input(image, inner, "stretch", 3))
        )
        masks, scores = [], []
        for input_name, several in (("input_points", True), ("input_boxes", False)):
            where = prompt.points * to if several else prompt.boxes * to.repeat(2)
            if not len(where):
                continue
            where = where[None, :, None] if several else where[None]
            out = self.network(
                image_embeddings=embeddings, multimask_output=several, **{input_name: where.to(self.device)}
            )
            best = out.iou_scores[0].argmax(1)
            chosen = torch.arange(len(best), device=best.device)
            scores.append(out.iou_scores[0][chosen, best].float().clamp(0, 1).cpu())
            masks += [
                self._full(is_single, inner, (height, width)) for is_single in out.pred_masks[0][chosen, best]
            ]
        bitmaps = CroppedMasks.of(masks)
        score = torch.cat(scores)
        order = score.argsort(descending=True, stable=True)
        order = order[bitmaps.areas()[order] > 0]
        sizes = torch.tensor([[height, width]])
        return InstanceMasks.of(sizes, torch.tensor([len(order)]), bitmaps[order], order, score[order])

    def _pixels(self, image: NDArray[np.uint8]) -> Tensor:
        """(1, 3, side, side) normalized, padded with zeros at the right and bottom."""
        tensor = torch.from_numpy(image).permute(2, 0, 1).float() / 255
        tensor = (tensor - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        height, width = image.shape[:2]
        return F.pad(tensor, (0, self.side - width, 0, self.side - height))[None].to(self.device)

    def _full(self, logits: Tensor, inner: tuple[int, int], size: tuple[int, int]) -> NDArray[np.bool_]:
        """(H, W) bool: low-resolution mask, upsampled, cropped, and resized to the stored image."""
        large = F.interpolate(logits[None, None].float(), (self.side, self.side), mode="bilinear")
        large = F.interpolate(large[..., : inner[0], : inner[1]], size, mode="bilinear")
        return np.asarray((large[0, 0] > 0).cpu().numpy())


def _reachable(weights: str) -> AbstractContextManager[None]:
    """What fetching needs around it: nothing for a folder; refused where the network is forbidden."""
    if Path(weights).is_dir():
        return nullcontext()
    if os.environ.get("SIGHTLINE_OFFLINE", "0") not in ("", "0"):
        raise SightlineError(
            f"'{weights}' is no folder here, and SIGHTLINE_OFFLINE forbids the network. {_WAY_OUT}"
        )
    return patient()


def _check(prompt: Prompt, height: int, width: int) -> None:
    """Refuse prompts outside the image, for which the network would still return a mask."""
    if not prompt.names:
        raise UsageError(f"A prompt is needed: points or boxes. With --prompt: {EXAMPLE}")
    x, y = prompt.points.unbind(1)
    outside = (x < 0) | (y < 0) | (x >= width) | (y >= height)
    x1, y1, x2, y2 = prompt.boxes.unbind(1)
    beyond = (x2 <= 0) | (y2 <= 0) | (x1 >= width) | (y1 >= height)
    wrong = torch.cat([outside, beyond]).tolist()
    named = [name for name, bad in zip(prompt.names, wrong, strict=True) if bad]
    if named:
        raise UsageError(f"The image is {width} wide and {height} high: {named[0]} lies outside it.")


class SamPredictor:
    """Predictor that applies one prompt to every image.

    Attributes:
        settings: As those of a trained model; the classes are the prompts, in words.
        task: Instance segmentation with these classes.

    Args:
        sam: The network.
        prompt: What is asked for.
    """

    def __init__(self, sam: Sam, prompt: Prompt) -> None:
        self.sam, self.prompt = sam, prompt
        self.settings: dict[str, Any] = {
            "task": "instance",
            "method": "sam",
            "classes": list(prompt.names),
            "class_ids": list(range(len(prompt.names))),
            "thresholds": [0.0] * len(prompt.names),
        }
        size = (sam.side, sam.side)
        info = DataInfo(Classes(prompt.names), (), 3, size, MEAN, STD, 0)
        self.task: Task = Instance(info, InstanceOptions())

    def outcome(self, name: str, image: NDArray[np.uint8]) -> Outcome:
        """Prediction for one image (H, W, C) uint8; a prompt outside of it is an error."""
        try:
            outlines = self.sam.prompted(image, self.prompt.points, self.prompt.boxes)
        except UsageError as error:
            return Outcome(name, None, {}, str(error))
        return Outcome(name, outlines, self.task.to_records(outlines)[0])


def predictor(weights: str, prompt: str, device: torch.device | str = "cpu") -> SamPredictor:
    """The predictor for what a user wrote.

    Args:
        weights: A folder, or a name on the hub.
        prompt: See `parse_prompt`.
        device: Where it runs.
    """
    parsed = parse_prompt(prompt)
    return SamPredictor(Sam.load(weights, device), parsed)
