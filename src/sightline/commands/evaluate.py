"""evaluate: score a run on its own data or on other data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from sightline.config import Heading
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
    out: Path | None = None,
    format: Annotated[str | None, Heading("Data")] = None,
    target: str | None = None,
    data_dir: Path | None = None,
) -> Results:
    """Score a run on its own data or on other data; every score has its interval.

    Args:
        run: Run folder.
        data: Data to score on; by default the run's own.
        split: Part of the data. Left out: test, or all of other data without splits. Data that are the run's
            own, wherever they lie, are split as the run split them.
        device: auto, cpu, cuda, cuda:N or mps.
        out: File for the report; by default in the run folder.
        format: Format of the other data.
        target: Label column of a table.
        data_dir: Folder of named data sets.
    """
    from sightline.core.predictor import BATCH_SIZE
    from sightline.core.report import Results
    from sightline.core.run import Run
    from sightline.data.loading.tiles import batches
    from sightline.devices import Devices
    from sightline.evaluation import conclusions, scored_data, scoring, test_ledger
    from sightline.evaluation.attempt import exhibits
    from sightline.inference import threads
    from sightline.inference.model_folder import restore
    from sightline.inference.predict_batches import predict

    opened = Run.open(run)
    model, task, _ = restore(opened.path)
    settings = model.settings
    dataset = scored_data.open_for(opened, data, format, target, data_dir)
    scored = scored_data.images_to_score(opened, dataset, settings, split, data)
    part, name = scored.part, scored.name
    looks = test_ledger.record_test_access(opened, scored.held, "evaluate") if name in ("test", "all") else 0
    devices = Devices.start(device)
    loader = batches(part, settings, batch_size=BATCH_SIZE)
    model = model.to(devices.device)
    with threads.few_threads([model], BATCH_SIZE, devices):
        prediction = predict(model, loader, devices)
    scores, metrics = scoring.score(task, prediction.prediction, prediction.target, part.groups)
    results = Results(task.card.name, scored.dataset.name, name, len(part), scores)
    results.conclusions = conclusions.draw_conclusions(
        task, results, metrics, {}, part.groups, prediction.target
    )
    results.conclusions += scored_data.caveats(opened, scored, looks)
    results.figures = exhibits(
        task, prediction.prediction, prediction.target, prediction.ids, settings, results.conclusions
    )
    results.metadata = {"run": str(opened.path), "test_access_count": looks}
    scored_data.write(results, part, opened, out)
    return results
