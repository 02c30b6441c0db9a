"""What is this data, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from sightline.config import Heading
from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.evaluation.check_report import Checked


@command
def check(
    data: str,
    *,
    task: str | None = None,
    run: Path | None = None,
    accept: Sequence[str] = (),
    out: Path | None = None,
    format: Annotated[str | None, Heading("Data")] = None,
    target: str | None = None,
    pixel_range: str | None = None,
    exif: Literal["apply", "ignore"] | None = None,
    data_dir: Path | None = None,
) -> Checked:
    """Say what a folder, table or data set is, and what is wrong with it.

    With a trained run its model is asked too: truths that it speaks against are probably wrong. It sees the
    pictures of train and val, never those of the test part.

    Args:
        data: Folder, table, idx folder, or the name of a built-in or torchvision data set.
        task: What will be asked of the data; recognised if left out.
        run: Run whose model is asked which truths are doubtful.
        accept: Findings that are known and meant, by name.
        out: Write the findings there too, as JSON.
        format: How the data lie on disk; recognised if left out.
        target: Column of a table that holds the truth; tags:space says what divides several labels.
        pixel_range: LOW,HIGH: values of grey images of more than 8 bits that become black and white.
        exif: Where boxes and masks were drawn: on images as EXIF turns them (apply), or as stored (ignore).
        data_dir: Where named data sets lie or are put.
    """
    from sightline import storage
    from sightline.console import say
    from sightline.core.run import Run
    from sightline.data.open import open_data
    from sightline.evaluation.check_report import check_data
    from sightline.tasks import TASKS, wanted_truth, without_labels

    card = None if task is None else TASKS.load(task).CARD
    truth = None if card is None else wanted_truth(card)
    if run is not None:
        pixel_range = pixel_range or Run.open(run).record.arguments.get("pixel_range")
    dataset = open_data(
        data, truth=truth, format=format, target=target, pixel_range=pixel_range, exif=exif, data_dir=data_dir
    )
    if card is not None:
        dataset = without_labels(card, dataset)
    checked = check_data(dataset, run, accept, exif)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(out, checked.to_json())
        say(f"Wrote {out}.")
    return checked
