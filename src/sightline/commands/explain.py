"""explain: what a prediction rests on, what a network has learned, and how far that can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sightline.declaration import command
from sightline.errors import UsageError

if TYPE_CHECKING:
    from sightline.explanation.result import Explained
    from sightline.explanation.view_network import NetworkViews


@command
def explain(
    run: Path,
    source: Sequence[str] = (),
    *,
    method: str | None = None,
    about: str | None = None,
    tests: Literal["quick", "full", "no"] | None = None,
    require: Literal["trust"] | None = None,
    out: Path | None = None,
    device: str = "auto",
) -> Explained | NetworkViews:
    """Show which part of an image a prediction rests on, with tests on your model; without images, what the
    network has learned.

    Args:
        run: Run folder, model folder, or an exported file (RUN/export/model.onnx).
        source: Images, folders or globs (photos/ "*.jpg"). Left out: the network itself is shown, by its
            filters, activations, what each class looks for, typical and odd images, and dead units.
        method: Method: gradient, smoothgrad, integrated-gradients, grad-cam, grad-cam-plus-plus, layercam,
            hires-cam, eigen-cam, occlusion, rise; of vision transformers also rollout and gradient-rollout.
            Left out: of layercam, hires-cam and gradient-rollout the one that does best on mosaics of the
            run's validation images; for exported files occlusion.
        about: What is explained: predicted (the default), target (of the run's own images), runner-up, the
            name of a class, or box:N for the N-th object, the best first. With "predicted", an image that is
            known to be of another class gets a second map, for its target.
        tests: How many of the run's validation images the method is tested on: quick (the default), full or
            no.
        require: trust: the exit code is 1 unless at least one test of the maps was passed, and none failed.
        out: Folder for the page, the record and the maps; by default "explain" in the run, or beside the
            exported file.
        device: auto, cpu, cuda, cuda:N or mps.
    """
    if not source:
        from sightline.explanation.view_network import view_network

        given = {"method": method, "about": about, "tests": tests, "require": require}
        idle = [f"--{name}" for name, value in given.items() if value is not None]
        if idle:
            raise UsageError(
                f"{', '.join(idle)} need images to explain. Name some: sightline explain {run} IMAGES."
            )
        return view_network(Path(run), out, device)
    from sightline.explanation.images import explain_images

    return explain_images(
        Path(run), source, method, about or "predicted", tests or "quick", out, device, require == "trust"
    )
