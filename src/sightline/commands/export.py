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
    int8: bool = False,
    dynamic: bool = False,
    fp16: bool = False,
    inside: Literal["all", "none", "final", "picture"] = "all",
    data: str | None = None,
    tolerance: float | None = None,
    accept: Sequence[str] = (),
    license: str = "",
) -> Exported:
    """Write a file for other programs. It is validated on the validation images, and refused if its score is
    worse.

    Args:
        run: Run folder.
        to: onnx, openvino, litert or torch.
        out: Output file; by default RUN/export/NAME.
        int8: Quantize weights and activations to int8, with ranges measured on training images.
        dynamic: With int8: dynamic quantization; ranges are computed for each input, without training images.
        fp16: Store weights in float16.
        inside: all: normalising and reading the outputs lie in the file; none: the bare network;
            final: dropping overlapping boxes too; picture: scaling a picture of any size to the model's too,
            and its answers back.
        data: Current location of the run's data (such as photos/); by default as stored, or beside the run.
        tolerance: Allowed drop of the score in points; by default 0.1, and 1 with int8.
        accept: unchecked: where the run's data cannot be had, write a file all the same, which says in its
            card that it was not checked.
        license: License of the weights, written into the file (such as CC-BY-4.0).
    """
    from sightline.core.run import Run
    from sightline.exporters.export_run import OutputFilter, export_run, precision_of
    from sightline.exporters.formats import EXPORTERS

    exporter = EXPORTERS.load(to)
    precision = precision_of(exporter, int8, dynamic, fp16)
    wish = OutputFilter(exporter, precision, inside, tolerance, license)
    return export_run(Run.open(run), wish, data, accept, out)
