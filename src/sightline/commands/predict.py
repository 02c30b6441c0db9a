"""predict: predict on images, folders, globs, videos and cameras; write tables, labels or drawn images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from sightline.config import Heading, Range
from sightline.core.predictor import BATCH_SIZE
from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.inference.sources import Sources
    from sightline.inference.summary import Predicted
    from sightline.inference.windows import WindowOptions

_IDLE = ("--allow-http", "--prompt", "--crops", "--boxes", "--track", "--window", "--stride", "--views")
"""Options that neither a cluster nor a list of pairs takes."""
_USED = ("out", "to", "batch_size", "device", "top", "min_score", "classes")


@command
def predict(
    run: Path,
    source: Sequence[str] = (),
    *,
    out: Path | None = None,
    to: str | None = None,
    device: str = "auto",
    batch_size: Annotated[int, Range(1)] = BATCH_SIZE,
    top: Annotated[int | None, Range(1), Heading("What is written")] = None,
    min_score: Annotated[float | None, Range(0, 1)] = None,
    classes: Sequence[str] = (),
    crops: Path | None = None,
    track: Annotated[bool, Heading("Objects of a film")] = False,
    tracker: str = "bytetrack",
    line: Sequence[str] = (),
    zone: Sequence[str] = (),
    fill: Annotated[int, Range(0)] = 0,
    camera_motion: bool = False,
    appearance: Path | None = None,
    window: Annotated[str | None, Heading("Long films")] = None,
    stride: str | None = None,
    views: Annotated[int, Range(1)] = 1,
    allow_http: Annotated[bool, Heading("Special sources and machines")] = False,
    prompt: str | None = None,
    boxes: Path | None = None,
    pairs: Annotated[Path | None, Heading("Verification")] = None,
    far: Annotated[float | None, Range(0, 1, above=True, below=True)] = None,
    ray: Annotated[str | None, Heading("Special sources and machines")] = None,
) -> Predicted:
    """Predict on images, folders, globs, videos or a webcam; bad files are reported, the others are
    predicted.

    Args:
        run: Run folder or model folder; sam:FOLDER (or its name on the hub) or track:mosse, with `prompt`; or
            a tracker of given boxes (track:bytetrack).
        source: Images, videos, folders or globs (photos/ "film-*.mp4"); a webcam by its number (such as 0);
            an rtsp:// or tcp:// address. Videos need the extra 'video'.
        out: Result: a file (p.csv, p.jsonl, p.json for COCO, p.txt for tracks, p.mp4 for one video), or a
            folder for annotated images and an annotated .mp4 of each video.
        to: Form of the result where the name of `out` does not say it ("--out labels --to yolo"): images,
            film, csv, jsonl, coco, yolo, masks, motchallenge; or a format of `sightline datasets` that is
            written, which copies the images too (cvat, label-studio, voc, ...).
        device: auto, cpu, cuda, cuda:N or mps.
        batch_size: Batch size; 1 for a webcam or stream.
        top: Number of most probable classes to write; by default all.
        min_score: Leave out objects with a lower score; 0 keeps all. Left out: the thresholds chosen
            for each class on the validation images; none in COCO, which is to measure with.
        classes: Only objects of this class (such as car); repeat for several.
        crops: Folder for crops: each object as an image of its own, by class.
        track: Give each object an identity that stays over the frames of a film, or of a folder of frames.
        tracker: Tracker: bytetrack, ocsort or sort.
        line: Count the tracked objects that cross the line x1,y1,x2,y2 in pixels; repeat for several.
        zone: Count the tracked objects in the polygon x1,y1,x2,y2,x3,y3,... in pixels; repeat for several.
        fill: Fill gaps of tracks up to so many frames along straight lines, in a .txt of tracks.
        camera_motion: Estimate how the camera moves, and expect tracked objects where it shows them.
        appearance: Run of a classifier, whose network tells tracked objects apart by their looks.
        window: Length of the clips that a film is cut into, such as 2s, for models of clips: the result says
            what happens when. By default a film is one clip.
        stride: Time from the start of a window to that of the next, such as 1s; by default the length.
        views: Views of each item whose answers are averaged: of a clip samples of other frames; for keypoints
            2, the image and its mirror image (flip test).
        allow_http: Allow http addresses, as video streams. Images are never downloaded.
        prompt: Prompt for segmentation if `run` is sam:FOLDER (such as "box 10,20,110,220; point 40,50"); the
            box of the object in the first frame for track:mosse.
        boxes: Boxes for keypoints trained on crops of objects: run folder of the detector that finds them, or
            a file or folder of boxes in any format (COCO annotations or results, YOLO, CSV, ...).
        pairs: List of pairs of images, for a run of embed: LFW's pairs.txt, or lines of fold, first, second
            and same. Each pair is accepted or rejected. `source` is then the folder that its names are of, by
            default that of the list.
        far: False accept rate that the threshold is fitted for, on the validation pairs of the run; left out:
            that of the training.
        ray: Predict on a cluster of Ray: local, auto, or HOST:PORT of its head. `out` is then a folder for
            Parquet parts, each input is predicted once whatever ends the command, and `source` may also be a
            Parquet table or an object store (s3://, gs://). Needs the extra 'ray'.
    """
    from sightline.inference import crops as cutting
    from sightline.inference import filters, output_paths, presenters, promptable, tracking, writers
    from sightline.inference.sources import Sources
    from sightline.inference.summary import Predicted

    options = tracking.TrackOptions(track, tracker, line, zone, fill, camera_motion, appearance, device)
    if ray is not None or pairs is not None or far is not None or not source:
        return _special(run, source, ray, pairs, far, (allow_http, prompt, crops, boxes, options.asked,
            window, stride, views > 1), (out, to, batch_size, device, top, min_score, classes))  # fmt: skip
    predictor = promptable.predictor(run, prompt, device, boxes, views)
    settings, names = predictor.settings, predictor.settings.get("classes", [])
    kind = presenters.kind_of(predictor.task.card.prediction_type)
    form, least = writers.form_of(out, to, kind), filters.least_of(settings, min_score)
    chosen = filters.filter_from_options(kind, names, classes, min_score)
    tracked = options.tracking(kind, predictor.task, least, min_score or 0.0, chosen)
    sources = Sources.for_model(source, settings, allow_http, _windows(window, stride))
    summary = Predicted.of(sources, out, 0 if kind.objects else None, views)
    wish = filters.OutputFilter(kind, names, top, 0.0 if tracked else least, chosen, sources.films)
    measured = replace(wish, least=0.0) if writers.unfiltered(form) and min_score is None else None
    context = writers.WriterContext(out or Path(), kind, settings, sources, str(run), options, tracked)
    answers, summary.counts = tracking.followed(tracked, sources, predictor.answers(sources, batch_size))
    writer = writers.open_writer(form, context, summary.time_line)
    cutter = cutting.cut_out(crops, kind, sources, names)
    with output_paths.add_file_name(out or crops), cutter as cut, writer as write, _stopped(summary, sources):
        for answer in answers:
            mine = filters.apply_filter(predictor.task, answer, wish)
            summary.add(mine.outcome, sources.live)
            cut(mine)
            write(mine if measured is None else filters.apply_filter(predictor.task, answer, measured))
    return summary


@contextmanager
def _stopped(summary: Predicted, sources: Sources) -> Iterator[None]:
    """What was predicted of a camera is kept when Ctrl-C ends it."""
    from sightline.console import say

    try:
        yield
    except KeyboardInterrupt:
        if not sources.live:
            raise
        say(f"Stopped after {summary.total} frames.")


def _windows(window: str | None, stride: str | None) -> WindowOptions | None:
    from sightline.inference.windows import WindowOptions
    from sightline.training.recipe import seconds

    return WindowOptions.of(seconds(window), seconds(stride))


def _special(
    run: Path,
    source: Sequence[str],
    ray: str | None,
    pairs: Path | None,
    far: float | None,
    others: tuple[Any, ...],
    used: tuple[Any, ...],
) -> Predicted:
    """Predict on a cluster, or verify a list of pairs.

    Args:
        run: The run.
        source: What is predicted, or the folder of the pairs.
        ray: The cluster.
        pairs: The list.
        far: False accept rate.
        others: Values of the options `_IDLE`, which neither takes.
        used: Values of the options `_USED`.
    """
    from sightline.errors import UsageError

    idle, options = dict(zip(_IDLE, others, strict=True)), dict(zip(_USED, used, strict=True))
    if ray is not None:
        return _on_ray(run, source, ray, idle | {"--pairs": pairs, "--far": far}, **options)
    if pairs is None:
        missing = "--far is for --pairs" if far is not None else "Name images to predict"
        raise UsageError(f"{missing}: predict RUN IMAGES, or predict RUN --pairs pairs.txt.")
    idle |= {f"--{name.replace('_', '-')}": options[name] for name in ("to", "top", "classes", "min_score")}
    if clash := [option for option, given in idle.items() if given]:
        raise UsageError(f"--pairs cannot be given with {clash[0]}: leave one out.")
    from sightline.inference.verification import verify

    return verify(run, source, pairs, far, options["out"], options["device"], options["batch_size"])


def _on_ray(run: Path, source: Sequence[str], ray: str, idle: Mapping[str, Any], **options: Any) -> Predicted:
    """Predict on a cluster, which does not take the options of `idle`."""
    from sightline.cluster.start import import_ray
    from sightline.errors import UsageError

    if clash := [option for option, given in idle.items() if given]:
        raise UsageError(f"--ray cannot be given with {clash[0]}: leave one out.")
    import_ray(ray)  # else what follows could not be imported
    from sightline.cluster.predict import predict as predict_on_cluster

    return predict_on_cluster(run, source, ray, **options)
