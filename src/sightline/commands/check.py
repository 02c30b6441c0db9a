"""check: what the data are, and what is wrong with them."""

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
    to: str | None = None,
    format: Annotated[str | None, Heading("Data")] = None,
    target: str | None = None,
    pixel_range: str | None = None,
    exif: Literal["apply", "ignore"] | None = None,
    pairs: str | None = None,
    data_dir: Path | None = None,
) -> Checked:
    """Describe a folder, table or data set, and report what is wrong with it.

    With a trained run, its model also looks for label issues. It is applied to the images of train and val,
    never to those of the test part.

    Args:
        data: Folder, table, idx folder, or the name of a built-in or torchvision data set.
        task: Task; recognized from the data by default.
        run: Run whose model looks for label issues.
        accept: Findings to accept, by name.
        out: File for the findings, as JSON; with --to the folder for the data set.
        to: Write the data set in this format, with its images (such as coco, yolo or voc), unless the check
            finds an error that is not accepted. See `sightline datasets`.
        format: Data format; recognized by default.
        target: Label column of a table; tags:space names the separator of several labels.
        pixel_range: LOW,HIGH: values that become black and white, for gray images of more than 8 bits.
        exif: Frame of boxes and masks: images rotated by EXIF (apply), or as stored (ignore).
        pairs: Left and right keypoints: left_ear-right_ear,left_hip-right_hip; or by number, 2-3; or none.
        data_dir: Folder of named data sets, for reading and downloading.
    """
    from sightline import storage
    from sightline.console import say
    from sightline.core.run import Run
    from sightline.data.convert import convert
    from sightline.data.open import open_data
    from sightline.errors import UsageError
    from sightline.evaluation.check_report import check_data
    from sightline.tasks import TASKS

    if to is not None and out is None:
        raise UsageError(f"--to {to} writes a data set: name its folder with --out.")
    card = None if task is None else TASKS.load(task).CARD
    target_type = None if card is None else card.target_type
    if run is not None:
        pixel_range = pixel_range or Run.open(run).record.arguments.get("pixel_range")
    dataset = open_data(
        data,
        target_type=target_type,
        input=None if card is None else card.input,
        format=format,
        target=target,
        pixel_range=pixel_range,
        exif=exif,
        pairs=pairs,
        data_dir=data_dir,
    )
    checked = check_data(dataset, run, accept, exif, card is not None and card.open_set)
    if to is not None and out is not None:
        convert(dataset, checked.findings, accept, to, out)
    elif out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        storage.write_json(out, checked.to_json())
        say(f"Wrote {out}.")
    return checked
