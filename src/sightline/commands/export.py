"""export: write a run to a file for other programs, and refuse the file if its score is worse."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.exporters.export_run import Exported


@command
def export(
    run: Path,
    *,
    to: str = "onnx",
    out: Path | None = None,
    quantize: Literal["int8", "int8-dynamic", "fp16"] | None = None,
    include: Literal["none", "postprocess", "nms", "preprocess"] = "postprocess",
    data: str | None = None,
    max_score_drop: float | None = None,
    accept: Sequence[str] = (),
    license: str = "",
) -> Exported:
    """Write a file for other programs. It is validated on the validation images, and refused if its score is
    worse.

    Args:
        run: Run folder.
        to: onnx, openvino, litert or torch.
        out: Output file; by default RUN/export/NAME.
        quantize: int8: weights and activations in 8 bits, with ranges measured on training images;
            int8-dynamic: ranges are computed for each input, without training images; fp16: weights in
            float16.
        include: What the file contains beside the network. none: nothing; postprocess: normalization and the
            decoding of outputs; nms: also non-maximum suppression; preprocess: also resizing, for images of
            any size, and the way back of the predictions.
        data: Current location of the run's data (such as photos/); by default as stored, or beside the run.
        max_score_drop: Allowed drop of the score in points; by default 0.1, and 1 with int8.
        accept: unchecked: where the run's data cannot be had, write a file all the same, which says in its
            card that it was not checked.
        license: License of the weights, written into the file (such as CC-BY-4.0).
    """
    from sightline.core.run import Run
    from sightline.exporters.export_run import ExportOptions, export_run, precision_of
    from sightline.exporters.formats import EXPORTERS

    exporter = EXPORTERS.load(to)
    precision = precision_of(exporter, quantize)
    wish = ExportOptions(exporter, precision, include, max_score_drop, license)
    return export_run(Run.open(run), wish, data, accept, out)
