"""Export of a run to a file for other programs, with validation."""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from sightline import storage
from sightline._version import __version__
from sightline.console import say
from sightline.core.dataset import Dataset
from sightline.core.model import Model
from sightline.core.report import Figure, Table
from sightline.core.run import Run
from sightline.core.task import Task
from sightline.data.inputs import input_kind, of_items, view_item
from sightline.data.loading.preprocess import PAD_GRAY
from sightline.data.loading.tiles import CROP_SCALE, tile_dataset
from sightline.errors import DataError, SightlineError, UnknownName, UsageError
from sightline.evaluation.run_data import load_run_dataset
from sightline.exporters import crash_check
from sightline.exporters.formats import EXPORTERS
from sightline.exporters.graph import FORMAT, Array, Graph, Include, Job, Runner, traced, with_fixed_sides
from sightline.exporters.validation import BATCH, FLOAT, INTEGER, Gate, gate
from sightline.inference.model_folder import restore
from sightline.runtime.onnx_file import UNCHECKED
from sightline.tasks import TASKS

CALIBRATION = 200
"""Training images that ranges of 8-bit numbers are measured on."""
ACCEPTED = "unchecked"
"""What --accept takes: a file that the gate cannot look at, where the data of the run cannot be had."""
CROPS = (
    f"It takes crops of one object each: its box, {CROP_SCALE:g} times as large, out to whole pixels, "
    f"gray ({PAD_GRAY}) beyond the image. Each image is taken for such a crop; points are in its pixels."
)
"""What is said of a file whose card has the entry 'takes', and what this entry says."""


@dataclass(frozen=True)
class Exported:
    """Result of an export.

    Attributes:
        file: Where it is; it ends in .rejected where it did not pass.
        bytes: Its size, weights and all.
        precision: fp32, fp16, int8 or int8-dynamic.
        include: none, postprocess, nms or preprocess.
        resize: How images are brought to the size of its input.
        gate: What the gate found; None where the file was not checked, as accepted.
        unchecked: Why it was not, or "".
    """

    file: Path
    bytes: int
    precision: str
    include: str
    resize: str | None
    gate: Gate | None
    unchecked: str = ""

    @property
    def exit_code(self) -> int:
        """1 if the file was rejected."""
        return int(self.gate is not None and not self.gate.passed)

    def to_json(self) -> dict[str, Any]:
        """Everything, for `benchmark` and people."""
        return {
            "file": str(self.file),
            "bytes": self.bytes,
            "precision": self.precision,
            "include": self.include,
            "resize": self.resize,
            "passed": None if self.gate is None else self.gate.passed,
            **({"unchecked": self.unchecked} if self.gate is None else asdict(self.gate)),
        }

    def figures(self) -> list[Figure]:
        """The comparison, and the conclusion."""
        g, size = self.gate, f"{self.bytes / 2**20:.1f} MiB"
        if g is None:
            cells = [["NOT CHECKED", self.unchecked], ["known of it", UNCHECKED], ["size", size]]
            return [Table("Exported, not checked", ["", ""], cells, f"{self.file}")]
        rows = [
            [f"{g.metric} of the network", g.before.text()],
            [f"{g.metric} of the file", g.after.text()],
            ["fell by", f"{g.fell:.3f} points; {g.tolerance:g} are tolerated"],
            *([f"'{k}' apart", f"{100 * off:.2g} % of its greatest value"] for k, off in g.apart.items()),
            ["answers changed", f"{g.changed} of {g.n} validation images"],
            ["size", size],
        ]
        note = f"{self.file}"
        if not g.passed:
            rows.append(["REJECTED", g.why])
            if g.worst:
                rows.append(["most on", ", ".join(g.worst)])
            if g.node:
                rows.append(["first at", g.node])
        return [Table("Exported" if g.passed else "Rejected", ["", ""], rows, note)]


@dataclass(frozen=True)
class ExportOptions:
    """Export options.

    Attributes:
        exporter: Module of the format.
        precision: fp32, fp16, int8 or int8-dynamic.
        include: What lies in the file.
        tolerance: Points that the score may fall by, or None for the usual.
        license: Of the weights.
    """

    exporter: ModuleType
    precision: str
    include: Include
    tolerance: float | None
    license: str

    @property
    def limit(self) -> float:
        """Allowed drop of the score, in points."""
        usual = INTEGER if self.precision.startswith("int8") else FLOAT
        return usual if self.tolerance is None else self.tolerance

    def require_possible(self) -> None:
        """Refuse options that the format does not support.

        Raises:
            UsageError: If it has no such include.
        """
        if self.include not in self.exporter.CARD.includes:
            can = [n for n in EXPORTERS.names() if self.include in EXPORTERS.load(n).CARD.includes]
            name = self.exporter.CARD.name
            raise UsageError(f"--to {name} has no --include {self.include}. These have it: {', '.join(can)}.")


def export_run(
    run: Run, wish: ExportOptions, data: str | None, accept: Sequence[str], out: Path | None
) -> Exported:
    """Write the file, compare its predictions with those of the network, and reject it if they are worse.

    Args:
        run: The run.
        wish: What to write.
        data: Where the run's data lie now, or None: where they were, or beside the run.
        accept: "unchecked", where a file may be written that nothing was compared with.
        out: The file, or None for a name in the run folder.

    Raises:
        UsageError: If the format cannot hold what is wanted.
        DataError: If the data of the run cannot be had, and this was not accepted.
        SightlineError: If the disk refuses the file.
    """
    wish.require_possible()
    model, task, _ = restore(run.path)
    model.eval()
    dataset, lacking = _images(run, model.settings, data, accept)
    graph = _graph(model, wish)
    document = _document(run, graph.settings, graph, wish.license)
    if dataset is None:
        document["unchecked"] = UNCHECKED
    images = _calibration(dataset, graph) if wish.precision == "int8" else None
    place = _place(run.path, out, wish, dataset is not None)
    if model.settings.get("tile_size"):
        say("The file sees one tile at a time; sightline-run and serve join them, as predict does.")
    if "takes" in document:
        say(f"{place.name}: {document['takes']}")
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=".") as folder:
        file = Path(folder) / place.name
        with _room(place):
            wish.exporter.write(Job(graph, document, wish.precision, images), file)
        part = None if dataset is None else dataset.subset(dataset.indices_of("val"))
        network = None if graph.settings["resize"] == model.settings["resize"] else model
        passed = _compared(wish, graph, task, part, file, place, network)
        file = _move_into_place(Path(folder), place, passed is None or passed.passed)
    size = sum(f.stat().st_size for f in files_of(file))
    resize = graph.settings["resize"]
    result = Exported(file, size, wish.precision, wish.include, resize, passed, lacking)
    storage.write_json(Path(f"{file}.json"), result.to_json())
    say(f"{file}: {of_items(_verdict(passed), graph.spec.kind)}")
    return result


def _graph(model: Model, wish: ExportOptions) -> Graph:
    """The graph to export; with one size of input where a file cannot have those of `--resize rect`."""
    if model.settings["resize"] != "rect":
        return Graph(model, wish.include)
    whole = not wish.precision.startswith("int8") and wish.include != "preprocess"
    why = f"--to {wish.exporter.CARD.name}" + ("" if whole else f", {wish.precision}, {wish.include}")
    if wish.exporter.CARD.any_sides and whole:
        try:
            traced(graph := Graph(model, wish.include))
            return graph
        except UsageError as error:
            why = str(error)
    height, width = model.settings["size"]
    say(
        f"The file takes inputs of one size, {height}x{width} ({why}): each image is letterboxed into it, "
        "not into its own rectangle (--resize rect) as for the network. The scores show what that changes."
    )
    return Graph(with_fixed_sides(model), wish.include)


def _compared(
    wish: ExportOptions,
    graph: Graph,
    task: Task,
    part: Dataset | None,
    file: Path,
    place: Path,
    network: Model | None,
) -> Gate | None:
    """Result of the validation; None without validation images (then only noise is predicted)."""
    if wish.precision.startswith("int8"):  # for it runtimes have code of their own for each processor,
        n = BATCH if part is None else len(part)  # the least proved of all
        examples = [graph.example(k).numpy() for k in sorted({1, min(BATCH, n), n % BATCH or 1})]
        shapes, kind = [example.shape for example in examples], str(examples[0].dtype)
        crash_check.check(wish.exporter.CARD.name, file, kind, shapes)

    def open_with(taps: Sequence[str]) -> Runner:
        opened: Runner = wish.exporter.runner(file, taps=taps)
        return opened

    if part is None:
        _answers(graph, open_with([]), place)
        return None
    return gate(graph, open_with, part, task, wish.limit, wish.precision == "fp32", network)


def _verdict(passed: Gate | None) -> str:
    if passed is None:
        return f"NOT CHECKED. {UNCHECKED}"
    return f"{'checked on' if passed.passed else 'REJECTED on'} {passed.n} validation images"


def _images(
    run: Run, settings: dict[str, Any], data: str | None, accept: Sequence[str]
) -> tuple[Dataset | None, str]:
    """Data of a run; None and the reason if they are gone and this was accepted.

    Raises:
        DataError: If they cannot be had, and this was not accepted, or they were named.
        UnknownName: If something else was accepted.
    """
    accepted = (accept,) if isinstance(accept, str) else tuple(accept)
    for name in accepted:
        if name != ACCEPTED:
            raise UnknownName("finding that export accepts", name, [ACCEPTED])
    try:
        dataset = load_run_dataset(run, data)
    except DataError as error:
        if accepted and data is None:
            return None, str(error)
        if accepted:
            raise
        raise DataError(
            f"{error} To write a file all the same, which says that it is not checked: --accept {ACCEPTED}."
        ) from error
    if accepted:
        say(f"The data of {run.path} are there: the file is checked, whatever --accept says.")
    return dataset, ""


@torch.no_grad()
def _answers(graph: Graph, run: Runner, place: Path) -> None:
    """Check that an unvalidated file returns finite outputs with the network's shapes.

    Raises:
        SightlineError: If it does not.
    """
    images = graph.example(1)
    target, outputs = graph.outputs_of(images), run(images.numpy())
    for name, value in target.items():
        got = outputs.get(name)
        if got is None or got.shape != tuple(value.shape) or not np.isfinite(got).all():
            raise SightlineError(
                f"{place} is not kept: on noise its '{name}' is not what the network gives "
                f"({None if got is None else got.shape} for {tuple(value.shape)}, or no finite numbers)."
            )


@contextmanager
def _room(place: Path) -> Iterator[None]:
    """Explain an error of the disk. The incomplete file is deleted with its folder."""
    try:
        yield
    except OSError as error:
        raise SightlineError(
            f"{place} could not be written: {error.strerror or error}. An earlier file of the name is as it "
            "was. Make room, or choose another place with --out."
        ) from error


def _place(run: Path, out: Path | None, wish: ExportOptions, checked: bool) -> Path:
    """Path of the file; options that change the content change the name."""
    precision, include, ending = wish.precision, wish.include, wish.exporter.CARD.ending
    if out is not None:
        return Path(out) if out.name.endswith(ending) else out.with_name(f"{out.name}{ending}")
    kind = ("" if precision == "fp32" else f"-{precision}") + {"postprocess": "", "none": "-bare"}.get(
        include, f"-{include}"
    )
    kind += "" if checked else f"-{ACCEPTED}"
    return run / "export" / f"{run.resolve().name}{kind}{ending}"


def precision_of(exporter: ModuleType, quantize: str | None) -> str:
    """Precision of the numbers in the file.

    Raises:
        UsageError: If the format cannot hold it.
    """
    precision = quantize or "fp32"
    if precision not in exporter.CARD.precisions:
        can = [n for n in EXPORTERS.names() if precision in EXPORTERS.load(n).CARD.precisions]
        raise UsageError(
            f"--to {exporter.CARD.name} has no --quantize {precision}. These have it: {', '.join(can)}."
        )
    return precision


def _document(run: Run, settings: dict[str, Any], graph: Graph, license: str) -> dict[str, Any]:
    """Metadata in the file: everything that is needed to use it, and its origin."""
    data, card = run.record.data, graph.model.card
    scores = (run.results.scores if (run.path / "results.json").is_file() else {}) or {}
    metric = next(({"name": k, **asdict(s)} for k, s in scores.items()), None)
    return {
        "format": FORMAT,
        "version": __version__,
        "task": settings["task"],
        "model": card.name,
        "prediction": _prediction(settings["task"]),
        "include": graph.include,
        "answers": list(graph.names),
        "model_config": settings,
        "outputs": list(data.outputs),
        "metric": metric,
        "license": license,
        "data": data.fingerprint,
        "run": run.path.name,
        "made": datetime.datetime.now(datetime.UTC).date().isoformat(),
        **({"takes": CROPS} if settings.get("items") == "objects" else {}),
    }


def _prediction(task: str) -> str:
    prediction: str = TASKS.load(task).CARD.prediction_type
    return prediction


def _calibration(dataset: Dataset | None, graph: Graph) -> Array:
    """Calibration images: random training images in the graph's input format, with a fixed seed.

    Raises:
        UsageError: If there are none.
    """
    if dataset is None:
        raise UsageError(
            "--quantize int8 measures ranges on training images, and these cannot be had: name them with "
            "--data, or leave it at --quantize int8-dynamic or --quantize fp16."
        )
    settings, dataset = graph.model.settings, dataset.subset(dataset.indices_of("train"))
    if settings.get("tile_size"):  # which is what the network sees
        dataset, _ = tile_dataset(dataset, settings["tile_size"])
    chosen = np.random.default_rng(0).permutation(len(dataset))[:CALIBRATION]
    images = [view_item(dataset.pixels, int(i), graph.spec, settings["resize"]) for i in sorted(chosen)]
    batch = next(iter(input_kind(graph.spec.kind).tensors(np.stack(images)).values())).contiguous()
    pixels: Array = graph.prepared(batch).numpy()
    return pixels


def _move_into_place(folder: Path, place: Path, passed: bool) -> Path:
    """Move the written file to its place; a rejected file gets a name that nothing opens."""
    rejected = Path(f"{place}.rejected")
    for old in (*files_of(rejected), Path(f"{rejected}.json")):
        old.unlink(missing_ok=True)
    mark = "" if passed else ".rejected"
    for file in folder.iterdir():
        file.replace(place.parent / f"{file.name}{mark}")
    return place if passed else rejected


def files_of(file: Path) -> list[Path]:
    """A file, and the weights beside it."""
    weights = file.with_name(file.name.replace(".xml", ".bin"))
    return [f for f in dict.fromkeys((file, weights)) if f.is_file()]
