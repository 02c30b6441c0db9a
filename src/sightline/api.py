"""Public API: the signature and docstring of each command; the command line is made from it.

The bodies are in `commands/`, one file each, and are imported when a command is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from sightline.commands import command
from sightline.config import Range
from sightline.data.io.walk import home
from sightline.training.recipe import Recipe

Seed = Annotated[int, Range(0, 2**32 - 1)]

if TYPE_CHECKING:
    from sightline.commands.benchmark import Benchmarked
    from sightline.commands.check import Checked
    from sightline.commands.compare import Comparison
    from sightline.commands.export import Exported
    from sightline.commands.tune import Searched
    from sightline.core.predictor import Predictor
    from sightline.core.report import Results, Table
    from sightline.core.run import Run
    from sightline.inference.summary import Predicted


@command
def check(
    data: str,
    *,
    task: str | None = None,
    format: str | None = None,
    target: str | None = None,
    pixel_range: str | None = None,
    exif: Literal["apply", "ignore"] | None = None,
    data_dir: Path | None = None,
    run: Path | None = None,
    accept: Sequence[str] = (),
    out: Path | None = None,
) -> Checked:
    """Say what a folder, table or data set is, and what is wrong with it.

    With a trained run its model is asked too: truths that it speaks against are probably wrong. It sees the
    pictures of train and val, never those of the test part.

    Args:
        data: Folder, table, idx folder, or the name of a built-in or torchvision data set.
        task: What will be asked of the data; recognised if left out.
        format: How the data lie on disk; recognised if left out.
        target: Column of a table that holds the truth; tags:space says what divides several labels.
        pixel_range: LOW,HIGH: values of grey images of more than 8 bits that become black and white.
        exif: Where boxes and masks were drawn: on images as EXIF turns them (apply), or as stored (ignore).
        data_dir: Where named data sets lie or are put.
        run: Run whose model is asked which truths are doubtful.
        accept: Findings that are known and meant, by name.
        out: Write the findings there too, as JSON.
    """
    raise AssertionError


@command
def train(
    data: str,
    *,
    task: str | None = None,
    model: str | None = None,
    format: str | None = None,
    target: str | None = None,
    pixel_range: str | None = None,
    exif: Literal["apply", "ignore"] | None = None,
    data_dir: Path | None = None,
    splits: Path | None = None,
    folds: int | None = None,
    weights: str | None = None,
    pretrained: Literal["no", "auto", "yes"] = "auto",
    teacher: Path | None = None,
    prune: float | None = None,
    seed: Seed = 0,
    device: str = "auto",
    accept: Sequence[str] = (),
    out: Path | None = None,
    overwrite: bool = False,
    resume: Path | None = None,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    **options: Any,
) -> Run:
    """Check the data, train a model, compare it with simple ones, and open the test set once.

    Args:
        data: Folder, table, idx folder, or the name of a built-in or torchvision data set.
        task: What is asked of the data; recognised if left out. See `sightline tasks`.
        model: Name of a model; the task's own choice if left out. See `sightline models`.
        format: How the data lie on disk; recognised if left out.
        target: Column of a table that holds the truth; tags:space says what divides several labels.
        pixel_range: LOW,HIGH: values of grey images of more than 8 bits that become black and white.
        exif: Where boxes and masks were drawn: on images as EXIF turns them (apply), or as stored (ignore).
        data_dir: Where named data sets lie or are put.
        splits: Use the split of this run, or of this JSON file; images added since go to train.
        folds: Cross-validate with this many folds instead of one split.
        weights: Start from these weights: a .safetensors file, or a run folder.
        pretrained: Start from published weights: auto (where they suit the images and can be had), no or yes.
        teacher: Run whose model is imitated, so that a smaller one learns from it; see --distill.
        prune: Take this share of the channels of the run that --weights names away, then train on.
        seed: Seed of the split, the initial weights, and every draw in training.
        device: auto, cpu, cuda, cuda:N or mps.
        accept: Findings of the check that are known and meant, by name.
        out: Run folder to make; runs/NAME-N if left out.
        overwrite: Replace the run folder if it exists.
        resume: Go on with this run, with its own settings.
        recipe: How training is run.
        options: Further settings of the task or the model; `sightline tasks NAME` lists them.
    """
    raise AssertionError


@command
def evaluate(
    run: Path,
    data: str | None = None,
    *,
    split: Literal["train", "val", "test", "all"] | None = None,
    format: str | None = None,
    target: str | None = None,
    data_dir: Path | None = None,
    device: str = "auto",
    out: Path | None = None,
) -> Results:
    """Score a run, on its own data or on other data; every number with its interval.

    Args:
        run: Run folder.
        data: Other data to score on; the run's own if left out.
        split: Part of the data: train, val, test or all. Left out: test, or all of other data without splits.
            Data that are the run's own, wherever they lie, are split as the run split them.
        format: How the other data lie on disk.
        target: Column of a table that holds the truth.
        data_dir: Where named data sets lie.
        device: auto, cpu, cuda, cuda:N or mps.
        out: Write the report there; in the run folder if left out.
    """
    raise AssertionError


@command
def predict(
    run: Path,
    source: Sequence[str],
    *,
    out: Path | None = None,
    as_: str | None = None,
    batch_size: Annotated[int, Range(1)] = 64,
    device: str = "auto",
    top: Annotated[int | None, Range(1)] = None,
    min_score: Annotated[float | None, Range(0, 1)] = None,
    classes: Sequence[str] = (),
    crops: Path | None = None,
    stream: bool = False,
    prompt: str | None = None,
    ray: str | None = None,
) -> Predicted:
    """Predict for pictures, folders, globs, videos or a webcam; bad files are reported, the rest goes on.

    Args:
        run: Run folder or model folder; or sam:FOLDER (or its name on the hub), with `prompt`.
        source: Pictures, videos, folders or globs (photos/ "film-*.mp4"); a webcam by its number (0); an
            rtsp:// or tcp:// address. Videos need the extra 'video'.
        out: Result: a file (p.csv, p.jsonl, or p.json for COCO), or a folder for annotated pictures and
            an annotated .mp4 of each video.
        as_: Form of the result where the name of `out` does not say it ("--out labels --as yolo"): pictures,
            csv, jsonl, coco, yolo, masks; or a format of `sightline datasets` that is written, which copies
            the pictures too (cvat, label-studio, voc, ...).
        batch_size: Images at a time (16); one of a webcam or stream.
        device: auto, cpu, cuda, cuda:N or mps.
        top: How many of the likeliest classes to write (3).
        min_score: Leave out objects with a lower score (0.5); 0 keeps all. Left out: the thresholds chosen
            for each class on the validation images; none in COCO, which is to measure with.
        classes: Only objects of this class ("car"); several by giving it again.
        crops: Write each object as a picture of its own into this folder, by class.
        stream: Open http addresses too, as video streams. Pictures are never fetched from the network.
        prompt: What to cut out, where `run` is sam:FOLDER ("box 10,20,110,220; point 40,50").
        ray: Predict on a cluster of Ray: local, auto, or HOST:PORT of its head. `out` is then a folder for
            Parquet parts, each input is predicted once whatever ends the command, and `source` may also be a
            Parquet table or an object store (s3://, gs://). Needs the extra 'ray'.
    """
    raise AssertionError


@command
def export(
    run: Path,
    *,
    to: str = "onnx",
    int8: bool = False,
    dynamic: bool = False,
    fp16: bool = False,
    inside: Literal["all", "none", "final", "picture"] = "all",
    data: str | None = None,
    tolerance: float | None = None,
    licence: str = "",
    accept: Sequence[str] = (),
    out: Path | None = None,
) -> Exported:
    """Write a file that other programs run. It answers the validation images, and is refused if it is worse.

    Args:
        run: Run folder.
        to: onnx, openvino, litert or torch.
        int8: Whole numbers of 8 bits inside, with ranges measured on training images.
        dynamic: With int8: ranges are found anew for each answer, and no training images are read.
        fp16: Numbers of 16 bits inside.
        inside: all: normalising and reading the outputs lie in the file; none: the bare network;
            final: dropping overlapping boxes too; picture: scaling a picture of any size to the model's too,
            and its answers back.
        data: Where the run's data lie now ("photos/"); if left out, where they were, or beside the run.
        tolerance: Points that the score may fall by (0.5). Left out: 0.1, and 1 with int8.
        licence: Of the weights, written into the file ("CC-BY-4.0").
        accept: "unchecked": where the run's data cannot be had, write a file all the same, which says in its
            card that it was not checked.
        out: The file; RUN/export/NAME if left out.
    """
    raise AssertionError


@command
def benchmark(
    run: Path, *, data: str | None = None, batch_size: int = 1, threads: int = 1, seconds: float = 3.0
) -> Benchmarked:
    """Accuracy and speed of a run and of every file exported from it, measured on the same files.

    Args:
        run: Run folder.
        data: Where the run's data lie now ("photos/"); if left out, where they were, or beside the run.
        batch_size: Images an answer (8).
        threads: Threads of the processor (2).
        seconds: How long each file is timed (10).
    """
    raise AssertionError


@command
def serve(
    model: Sequence[str],
    *,
    host: str = "127.0.0.1",
    port: Annotated[int, Range(0, 65535)] = 8080,
    token_file: Path | None = None,
    allow_origin: Sequence[str] = (),
    max_body: str = "20MB",
    max_images: int = 16,
    timeout: str = "30s",
    queue: int = 64,
    batch: int = 8,
    wait: str = "5ms",
    workers: int = 1,
    threads: int = 0,
    ray: str | None = None,
) -> None:
    """Serve exported models over HTTP until stopped; only this machine may ask unless a token is set.

    Args:
        model: Run folder with an exported model, or an exported file; several, also as NAME=FILE.
        host: Address to listen at. Any but this machine's own needs a token, in SIGHTLINE_TOKEN or a file.
        port: Port to listen at; 0 takes a free one.
        token_file: File with the token that requests must say ("Authorization: Bearer TOKEN").
        allow_origin: Origin whose pages may ask from a browser ("https://shop.example"); several likewise.
        max_body: Largest request ("20MB").
        max_images: Most pictures in a request.
        timeout: Time to receive a request; again as long to wait, and again to be predicted ("30s").
        queue: Pictures that may wait for each model; more are refused at once.
        batch: Pictures predicted at a time.
        wait: How long a picture waits for others to fill its batch ("5ms").
        workers: Processes of each model.
        threads: Threads of each process; 0 divides the cores among all.
        ray: Serve through Ray Serve: local, auto, or HOST:PORT of a cluster's head; `workers` are then its
            replicas. Needs the extra 'ray'.
    """
    raise AssertionError


@command
def compare(*runs: Path) -> Comparison:
    """Compare runs on the same test images, pair by pair, with exact or jackknife tests.

    Args:
        runs: Two or more run folders.
    """
    raise AssertionError


@command
def tune(
    data: str, *, trials: Annotated[int, Range(1)] = 20, task: str | None = None, model: str | None = None,
    format: str | None = None, target: str | None = None, pixel_range: str | None = None,
    exif: Literal["apply", "ignore"] | None = None, data_dir: Path | None = None, splits: Path | None = None,
    weights: str | None = None, pretrained: Literal["no", "auto", "yes"] = "auto", seed: Seed = 0,
    device: str = "auto", accept: Sequence[str] = (), out: Path | None = None, resume: Path | None = None,
    recipe: Recipe = Recipe(),  # noqa: B008 - frozen
    **options: Any,
) -> Searched:  # fmt: skip
    """Search for better settings on the validation split; the test set stays closed.

    Args:
        data: As for train.
        trials: How many settings to try.
        task: As for train.
        model: As for train.
        format: As for train.
        target: As for train.
        pixel_range: As for train.
        exif: As for train.
        data_dir: As for train.
        splits: As for train.
        weights: As for train.
        pretrained: As for train.
        seed: Seed of the search and of each training.
        device: As for train.
        accept: As for train.
        out: Folder for the trials; runs/NAME-tune-N if left out.
        resume: Go on with the search in this folder, with its own settings.
        recipe: Settings that are fixed; all others that matter are searched.
        options: Further settings of the task or the model.
    """
    raise AssertionError


@command
def inspect(
    model: str,
    *,
    size: int | None = None,
    classes: int = 1000,
    channels: int = 3,
) -> Table:
    """Show a network layer by layer: output shape, parameters, FLOPs, receptive field.

    Args:
        model: Name of a model, or a run folder.
        size: Input side in pixels; what the model is made for if left out.
        classes: Number of outputs.
        channels: Channels of the input: 3 or 1.
    """
    raise AssertionError


@command
def list_models(pattern: str = "*", *, all: bool = False) -> Table:
    """List models by name.

    Args:
        pattern: Only names like this ("resnet*").
        all: Also the more than a thousand of timm.
    """
    raise AssertionError


@command
def list_weights(pattern: str = "*", *, all: bool = False) -> Table:
    """List published weights: what is installed, what lies in a cache, what can be fetched. Fetches nothing.

    Args:
        pattern: Only models like this ("resnet*").
        all: Also everything else that timm knows.
    """
    raise AssertionError


@command
def list_tasks(name: str | None = None) -> Table:
    """List tasks, or the settings of one.

    Args:
        name: A task whose own settings to list.
    """
    raise AssertionError


@command
def list_datasets() -> list[Table]:
    """List the formats that are read and the data sets that can be named."""
    raise AssertionError


@command
def demo(*, out: Path | None = None, seed: Seed = 0) -> Run:
    """Train on the embedded digits and write a report: the whole way in a minute.

    Args:
        out: Run folder to make; runs/digits-N if left out.
        seed: Seed of the run.
    """
    raise AssertionError


def load(path: Path | str, *, device: str = "auto") -> Predictor:
    """A predictor from a run folder or a model folder. Loading runs no code from the file.

    Args:
        path: Run folder or model folder.
        device: auto, cpu, cuda, cuda:N or mps.
    """
    from sightline.commands.load import run

    return run(Path(home(str(path))), device=device)


COMMANDS = (
    check, train, evaluate, predict, export, benchmark, serve, compare, tune, inspect, list_models,
    list_weights, list_tasks, list_datasets, demo,
)  # fmt: skip
