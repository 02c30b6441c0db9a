"""explain: which part of an image a prediction rests on, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.explanation.result import Explained


@command
def explain(
    run: Path,
    source: Sequence[str],
    *,
    method: str | None = None,
    about: str = "predicted",
    tests: Literal["quick", "full", "no"] = "quick",
    out: Path | None = None,
    device: str = "auto",
) -> Explained:
    """Show which part of an image a prediction rests on: maps, a page, and tests of the maps on your model.

    Args:
        run: Run folder, model folder, or an exported file (RUN/export/model.onnx).
        source: Images, folders or globs (photos/ "*.jpg").
        method: Method: gradient, smoothgrad, integrated-gradients, grad-cam, grad-cam-plus-plus, layercam,
            hires-cam, eigen-cam, occlusion or rise. Left out: of layercam and hires-cam the one that does
            better on mosaics of the run's validation images; for exported files occlusion.
        about: What is explained: predicted, target (of the run's own images), runner-up, the name of a class,
            or box:N for the N-th object, the best first. With "predicted", an image that is known to be of
            another class gets a second map, for its target.
        tests: How many of the run's validation images the method is tested on: quick, full or no.
        out: Folder for explain.html, explain.json and the maps; by default "explain" in the run, or beside
            the exported file.
        device: auto, cpu, cuda, cuda:N or mps.
    """
    from sightline.explanation.images import explain_images

    return explain_images(Path(run), source, method, about, tests, out, device)
