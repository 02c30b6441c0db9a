"""torch.export package: a program that PyTorch runs without the model's source code."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from sightline.errors import UsageError
from sightline.exporters.export_card import ExportCard
from sightline.exporters.graph import KEY, Array, Job, Runner, traced
from sightline.exporters.nms_graph import plain
from sightline.exporters.onnx_proto import quiet

CARD = ExportCard(
    name="torch",
    summary="torch.export's package (.pt2), for PyTorch in Python and C++; no TorchScript",
    ending=".pt2",
    any_sides=True,
)


def write(job: Job, file: Path) -> None:
    """Write one package with the document among its extra files.

    Raises:
        UsageError: If the model cannot be traced.
        OSError: If the disk refuses.
    """
    package = io.BytesIO()  # where a disk is full, torch would end the process
    with quiet():
        program = plain(traced(job.graph))
    torch.export.save(program, package, extra_files={KEY: json.dumps(job.document)})
    file.write_bytes(package.getbuffer())


def runner(file: Path, threads: int = 0, taps: Sequence[str] = ()) -> Runner:
    """Run a package in PyTorch. A package is code: run only files that you wrote yourself.

    Args:
        file: What `write` wrote.
        threads: Of the processor; 0 leaves PyTorch's number.
        taps: Values inside the graph that are given too.
    """
    extra = {KEY: ""}
    program = torch.export.load(file, extra_files=extra)
    if not extra[KEY]:
        raise UsageError(f"{file} was not written by Sightline: it has no document.")
    names = list(json.loads(extra[KEY])["answers"])
    module = program.module()

    def run(images: Array) -> dict[str, Array]:
        before = torch.get_num_threads()
        if threads:
            torch.set_num_threads(threads)
        try:
            with torch.no_grad():
                outputs = dict(zip(names, module(torch.from_numpy(images)), strict=True))
                if taps:
                    outputs |= _values(program, torch.from_numpy(images), taps)
        finally:
            torch.set_num_threads(before)
        return {name: value.numpy() for name, value in outputs.items()}

    return run


def _values(
    program: torch.export.ExportedProgram, images: torch.Tensor, taps: Sequence[str]
) -> dict[str, torch.Tensor]:
    from sightline.exporters.drift import values

    return {name: value for name, value in values(program, images).items() if name in taps}
