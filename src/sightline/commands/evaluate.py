"""evaluate: score a run on its own data or on other data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from sightline.config import Heading, Range
from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.core.report import Results


@command
def evaluate(
    run: Path,
    data: str | None = None,
    *,
    split: Literal["train", "val", "test", "all"] | None = None,
    device: str = "auto",
    views: Annotated[int, Range(1)] = 1,
    out: Path | None = None,
    format: Annotated[str | None, Heading("Data")] = None,
    target: str | None = None,
    data_dir: Path | None = None,
    task: str | None = None,
) -> Results:
    """Score a run, or with --task predictions in files; every score has its interval.

    Args:
        run: Run folder; with --task a file or folder of predictions.
        data: Data to score on; by default the run's own.
        split: Part of the data. Left out: test, or all of other data without splits. Data that are the run's
            own, wherever they lie, are split as the run split them.
        device: auto, cpu, cuda, cuda:N or mps.
        views: Views of each item whose answers are averaged: of a clip samples of other frames; for keypoints
            2, the image and its mirror image (flip test).
        out: File for the report; by default in the run folder.
        format: Format of the other data.
        target: Label column of a table.
        data_dir: Folder of named data sets.
        task: Task of predictions that any tool has made. They are read as data of the task, and paired
            with DATA by name.
    """
    from sightline.core.predictor import BATCH_SIZE
    from sightline.core.report import Results
    from sightline.core.run import Run
    from sightline.data.inputs import input_kind, of_items
    from sightline.data.loading.tiles import batches
    from sightline.devices import Devices
    from sightline.errors import UsageError
    from sightline.evaluation import conclusions, frame_order, group_scores, scored_data, scoring, test_ledger
    from sightline.evaluation.attempt import exhibits
    from sightline.inference import threads
    from sightline.inference.model_folder import restore
    from sightline.inference.predict_batches import predict
    from sightline.inference.views import in_views, views_in_words

    if task is not None:
        if views > 1:
            raise UsageError("--views is for runs, which predict; --task scores predictions. Leave one out.")
        return _predictions(Path(run), data, task, split, out, format, target, data_dir)
    opened = Run.open(run)
    model, trained, _ = restore(opened.path)
    devices = Devices.start(device)
    model = in_views(model, trained, views).to(devices.device)
    settings = model.settings
    dataset = scored_data.open_for(opened, data, format, target, data_dir)
    scored = scored_data.images_to_score(opened, dataset, settings, split, data)
    part, name = scored.part, scored.name
    looks = test_ledger.record_test_access(opened, scored.held, "evaluate") if name in ("test", "all") else 0
    loader = batches(part, settings, batch_size=max(1, BATCH_SIZE // views))
    with threads.few_threads([model], BATCH_SIZE, devices):
        prediction = predict(model, loader, devices)
        reordered = frame_order.predict_reordered(model, loader, list(part.ids), devices)
    answers, targets = prediction.prediction, prediction.target
    scores, metrics = scoring.score(trained, answers, targets, part.groups)
    item = input_kind(trained.card.input).item
    results = Results(trained.card.name, scored.dataset.name, name, len(part), scores, item=item)
    results.conclusions = conclusions.draw_conclusions(trained, results, metrics, {}, part.groups, targets)
    results.conclusions += scoring.other_readings(trained, answers, targets, part.groups)
    results.conclusions += scored_data.caveats(opened, scored, looks) + views_in_words(model, views)
    results.figures = exhibits(trained, answers, targets, prediction.ids, settings, results.conclusions)
    results.metadata = {"run": str(opened.path), "test_access_count": looks, "views": views}
    frame_order.add_to(results, trained, prediction, reordered)
    results.figures += group_scores.group_figures(trained, answers, targets, part.groups)
    results.conclusions = [of_items(text, trained.card.input) for text in results.conclusions]
    parts = ["evaluation", results.data, results.split, *([f"{views}-views"] if views > 1 else [])]
    scored_data.write(results, part, opened.path.name, out or opened.path / f"{'-'.join(parts)}.html")
    return results


def _predictions(
    predictions: Path,
    data: str | None,
    task: str,
    split: str | None,
    out: Path | None,
    format: str | None,
    target: str | None,
    data_dir: Path | None,
) -> Results:
    from sightline.evaluation import predicted_data, scored_data

    files = [predictions]
    opened = predicted_data.open_predictions(files, data, task, split, format, target, data_dir)[0]
    results = predicted_data.score_predictions(opened, str(predictions))
    if out is not None:
        scored_data.write(results, opened.part, predictions.stem, out)
    return results
