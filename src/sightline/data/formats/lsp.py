"""Leeds Sports Pose: joints.mat beside a folder of images, 14 joints of one person an image.

Source: S. Johnson and M. Everingham, "Clustered pose and nonlinear appearance models for human pose
estimation", BMVC 2010 (LSP, 3 x 14 x N); "Learning effective human pose estimation from inaccurate
annotation", CVPR 2011 (extended, 14 x 3 x N). MATLAB counts pixels from 1: 1 is subtracted from x and y.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sightline.core.card import FormatCard
from sightline.core.dataset import SPLITS, Classes, Dataset
from sightline.core.skeleton import Skeleton
from sightline.core.targets.keypoints import HIDDEN, UNLABELED, VISIBLE
from sightline.data.io.clip_frames import natural
from sightline.data.io.file_types import ALL_EXTENSIONS
from sightline.data.io.walk import files_in
from sightline.data.parsing.keypoints import KeypointBuilder
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError

CARD = FormatCard(
    name="lsp",
    summary="Leeds Sports Pose: joints.mat with 14 joints of one person in each image",
    recognized_by="joints.mat beside images/im0001.jpg, perhaps files.txt, train.txt and test.txt",
    target_types=("keypoints",),
)
JOINTS = (
    "right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle", "right_wrist",
    "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist", "neck", "head_top",
)  # fmt: skip
LIMBS = (
    (0, 1),
    (1, 2),
    (2, 3),
    (3, 4),
    (4, 5),
    (6, 7),
    (7, 8),
    (8, 12),
    (12, 9),
    (9, 10),
    (10, 11),
    (12, 13),
)
_LISTS = ("files.txt", "images.txt", "filelist.txt")
_VARIABLE = "joints"
_HDF5 = b"MATLAB 7.3"
_PERSON = "person"


def sniff(source: str, options: ReadOptions) -> float:
    """High for joints.mat, and for a folder with it, unless another kind of target is requested."""
    if options.target_type not in (None, "keypoints"):
        return 0.0
    return 0.98 if _file(Path(source)) is not None else 0.0


def read(source: str, options: ReadOptions) -> Dataset:
    """Read all images with the joints of their person.

    The third row of 14 x 3 x N says which joints are visible; the coordinates of the others mean nothing, so
    that they count as not labeled. In 3 x 14 x N all joints are labeled, and the third row says whether one
    is visible, or hidden if most are 0.

    Raises:
        DataError: If there is no such file, it is of MATLAB 7.3, or its images cannot be told.
    """
    root = Path(source)
    path = _file(root)
    if path is None:
        raise DataError(f"There is no joints.mat at '{root}'. Expected {CARD.recognized_by}.")
    points, note = _joints(path)
    n = points.shape[1]
    names = JOINTS if n == len(JOINTS) else tuple(f"joint {j + 1}" for j in range(n))
    skeleton = Skeleton.from_names(names, limbs=LIMBS if names is JOINTS else ())
    into = KeypointBuilder(path.parent, stored=options.exif == "ignore", skeleton=skeleton)
    files, listing = _images(path, len(points))
    splits = _splits(path.parent)
    for file, joints in zip(files, points, strict=True):
        image = into.add_image(file, splits.get(file.name, ""))
        into.pose(image, _PERSON, joints, file.name)
    notes = [f"{path.name}: {note} 1 was subtracted from x and y, as MATLAB counts pixels from 1.", listing]
    dataset = into.dataset(root, CARD.name, Classes((_PERSON,)), (_PERSON,), notes)
    return replace(dataset, name=root.resolve().name if root.is_dir() else root.resolve().parent.name)


def _file(root: Path) -> Path | None:
    """The joints.mat that is named, or that of a folder."""
    path = root / "joints.mat" if root.is_dir() else root
    return path if path.name.lower() == "joints.mat" and path.is_file() else None


def _joints(path: Path) -> tuple[NDArray[np.float64], str]:
    """(N, J, 3) x, y and visibility, and what the file holds in words.

    Raises:
        DataError: If it cannot be read, or holds something else.
    """
    values = np.asarray(_variable(path), dtype=np.float64)
    if values.ndim != 3 or 3 not in values.shape[:2]:
        raise DataError(
            f"{path}: '{_VARIABLE}' is of shape {' x '.join(map(str, values.shape))}. Expected 3 x 14 x N "
            "(LSP) or 14 x 3 x N (LSP extended)."
        )
    extended = values.shape[0] != 3
    points = values.transpose(2, 0, 1) if extended else values.transpose(2, 1, 0)
    xy, flag = points[:, :, :2] - 1, points[:, :, 2]
    shape = " x ".join(map(str, values.shape))
    if extended:
        visibility = np.where(flag > 0, VISIBLE, UNLABELED)
        note = f"{shape}, whose third row is 1 for visible joints; the others count as not labeled."
    elif (flag > 0).mean() < 0.5:
        visibility = np.where(flag > 0, HIDDEN, VISIBLE)
        note = f"{shape}, whose third row is mostly 0 and is taken as 1 for hidden joints."
    else:
        visibility = np.where(flag > 0, VISIBLE, HIDDEN)
        note = f"{shape}, whose third row is 1 for visible joints; the others are hidden."
    visibility = np.where(np.isfinite(xy).all(2), visibility, UNLABELED)
    return np.concatenate([xy, visibility[:, :, None]], 2), note


def _variable(path: Path) -> Any:
    """The variable `joints`.

    Raises:
        DataError: If it cannot be read, or is not there.
    """
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    with path.open("rb") as file:
        if file.read(len(_HDF5)) == _HDF5:
            raise DataError(
                f"{path}: is of MATLAB 7.3 (HDF5), which is not read. Save it again in MATLAB: "
                "save('joints.mat', 'joints', '-v7')."
            )
    try:
        content = loadmat(path)
    except (MatReadError, NotImplementedError, ValueError, TypeError, OSError) as error:
        raise DataError(f"{path}: cannot be read as a MATLAB file ({error}). Fetch it again.") from error
    if _VARIABLE not in content:
        names = ", ".join(name for name in content if not name.startswith("__"))
        raise DataError(f"{path}: has no variable '{_VARIABLE}'. Found {names or 'none'}.")
    return content[_VARIABLE]


def _images(path: Path, n: int) -> tuple[list[Path], str]:
    """File of each of n columns, and where that is from: a list beside the file, or their natural order.

    Raises:
        DataError: If there are more or fewer images than columns.
    """
    folder = path.parent / "images" if (path.parent / "images").is_dir() else path.parent
    for name in _LISTS:
        if (path.parent / name).is_file():
            files = [folder / line for line in _lines(path.parent / name)]
            origin = f"Columns are the images of {name}, in its order."
            break
    else:
        files = sorted(files_in(folder, *ALL_EXTENSIONS), key=natural)
        origin = f"Columns are the images of {folder.name}/ in the order of their numbers."
    if len(files) != n:
        raise DataError(
            f"{path}: has {n:,} columns, and there are {len(files):,} images ({origin}) Write the name of "
            f"the image of each column into {path.parent / _LISTS[0]}, one a line."
        )
    return files, origin


def _splits(folder: Path) -> dict[str, str]:
    """Split of each image that train.txt, val.txt and test.txt name."""
    lists = [(split, folder / f"{split}.txt") for split in SPLITS]
    return {Path(line).name: split for split, path in lists if path.is_file() for line in _lines(path)}


def _lines(path: Path) -> list[str]:
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    return [line.strip().replace("\\", "/") for line in text.splitlines() if line.strip()]
