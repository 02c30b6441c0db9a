"""audit: where a trained model fails, checked before it is used."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from sightline.declaration import command

if TYPE_CHECKING:
    from sightline.audits._result import Audit


@command
def audit(
    run: Path,
    *,
    time: str = "10m",
    only: str | None = None,
    skip: str | None = None,
    split: Literal["val", "test"] = "val",
    group: str | None = None,
    ood: Path | None = None,
    require: Sequence[str] = (),
    out: Path | None = None,
    device: str = "auto",
    seed: int = 0,
) -> Audit:
    """Audit a run: groups, confidence, corruptions and more, each with a verdict, an interval and what to do.

    The checks look at validation images. Each check is tested on models with a planted fault.

    Args:
        run: Run folder, or a file that was exported from it: RUN/export/NAME.onnx.
        time: For all checks together, such as 90s, 10m or 1h; images are drawn to fit.
        only: Names of the checks that are run, with commas between them.
        skip: Names of checks that are left out, with commas between them.
        split: val; or test, which is counted in the ledger.
        group: Columns of the data whose groups are compared, with commas between them.
        ood: Folder of images that are of no class of the model; built-in ones by default.
        require: A score that must be shown, such as 'groups.worst>=0.8'; may be repeated. The low end of the
            interval must reach it, for <= the high end; 'value(NAME)>=X' takes the value alone. Else the exit
            code is 1.
        out: Folder for the results; by default audit in the run folder.
        device: auto, cpu, cuda, cuda:N or mps.
        seed: Seed of every draw.
    """
    from sightline.audits._session import Wishes, audit_run
    from sightline.training.recipe import seconds

    wishes = Wishes(
        seconds(time) or 0.0, _names(only), _names(skip), split, _names(group), ood, tuple(require), out,
        device, seed,
    )  # fmt: skip
    return audit_run(run, wishes)


def _names(text: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (text or "").split(",") if name.strip())
