"""Folders of clips: which folders are classes or splits, and which files or folders are one clip."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sightline.data.io.clip_frames import STILLS, is_clip, natural
from sightline.data.io.video_probe import EXTENSIONS
from sightline.data.io.walk import files_in, walk
from sightline.data.parsing.class_folders import as_split, folders
from sightline.errors import DataError

LAYOUT = (
    "Expected one folder per class of films (clips/walk/1.mp4, clips/run/2.mp4) or of folders of frames "
    "(clips/walk/1/frame_1.jpg), with or without train, val and test folders above them, or a table with the "
    "columns path and label."
)
_GUESSES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"(.*_g\d+)_c\d+", re.IGNORECASE), "_gNN_cNN"),
    (re.compile(r".*?(person_?\d+)", re.IGNORECASE), "personNN"),
    (re.compile(r".*?((?:subject|actor|subj)_?\d+)", re.IGNORECASE), "subjectNN or actorNN"),
)
_MAX_LISTED = 3


@dataclass
class ClipListing:
    """Clips below a root: file or folder, split and class of each; the classes; and what is left aside."""

    clips: list[tuple[Path, str, str]] = field(default_factory=list)
    classes: set[str] = field(default_factory=set)
    others: list[Path] = field(default_factory=list)


def clip_places(root: Path) -> list[tuple[str, Path]]:
    """Split ("" where there are none) and folder of each class below a root; a folder that only wraps others
    is read through."""
    top = root
    while len(inner := folders(top)) == 1 and not as_split(inner[0].name) and _only_folders(inner[0]):
        top = inner[0]
    splits = {folder: as_split(folder.name) for folder in folders(top)}
    if splits and all(splits.values()):
        return [(split, each) for folder, split in splits.items() for each in folders(folder)]
    return [("", folder) for folder in splits]


def list_clips(root: Path) -> ClipListing:
    """All clips of class folders.

    Raises:
        DataError: If a class folder holds images beside films, or images only: they could be read as either.
    """
    listing = ClipListing()
    stills: list[Path] = []
    for split, folder in clip_places(root):
        listing.classes.add(folder.name)
        clips, loose = clips_below(folder, listing.others)
        listing.clips += [(path, split, folder.name) for path in clips]
        stills += loose
        if loose and clips:
            raise DataError(_mixed(root, folder, clips, loose))
    if stills and not listing.clips:
        raise DataError(
            f"{root}: the class folders hold {len(stills):,} single images ({stills[0].relative_to(root)}, "
            f"...) and no clip. {LAYOUT} As images they are read with --task classify."
        )
    return listing


def clips_below(folder: Path, others: list[Path] | None = None) -> tuple[list[Path], list[Path]]:
    """Clips at any depth below a folder, in natural order: films, and folders of two frames or more; and
    images that lie in the folder itself, or alone, and are no clips.

    Args:
        folder: Where they lie.
        others: Files that are neither are added, if given.
    """
    clips: list[Path] = []
    loose: list[Path] = []
    for top, _, names in walk(folder):
        films = [top / name for name in names if is_clip(top / name)]
        stills = [p for name in names if (p := top / name) not in films and p.suffix.lower() in STILLS]
        clips += films
        if top != folder and len(stills) > 1 and not films:
            clips.append(top)
        else:
            loose += stills
        if others is not None:
            named = {*films, *stills}
            others += [top / name for name in names if top / name not in named]
    return sorted(clips, key=natural), loose


def has_films(root: Path) -> bool:
    """Whether at least two class folders of a root hold films."""
    parts = (any(_films(folder)) for _, folder in clip_places(root))
    return sum(parts) > 1


def has_clips(root: Path) -> bool:
    """Whether a class folder of a root holds clips, or images that could be the frames of one."""
    return any(any(map(any, clips_below(folder))) for _, folder in clip_places(root))


def guess_groups(paths: Sequence[Path], root: Path) -> tuple[list[str] | None, str]:
    """Group of each clip that names tell (UCF101's _g01_c02, KTH's person01), and how; None where they tell
    none, or only one."""
    for pattern, reason in _GUESSES:
        hits = [pattern.match(_below(path, root)) for path in paths]
        groups = [hit[1] for hit in hits if hit]
        if len(groups) == len(paths) > len(set(groups)) > 1:
            return groups, reason
    return None, ""


def _below(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _films(folder: Path) -> Iterator[str]:
    return (n for _, _, names in walk(folder) for n in names if Path(n).suffix.lower() in EXTENSIONS)


def _only_folders(folder: Path) -> bool:
    return bool(folders(folder)) and not files_in(folder, *EXTENSIONS, *STILLS, ".gif")


def _mixed(root: Path, folder: Path, clips: Sequence[Path], loose: Sequence[Path]) -> str:
    def shown(paths: Sequence[Path]) -> str:
        return ", ".join(path.relative_to(root).as_posix() for path in paths[:_MAX_LISTED])

    return (
        f"{folder} holds {len(clips):,} films or folders of frames ({shown(clips)}) and {len(loose):,} "
        f"single images ({shown(loose)}). Read with --task classify, each image is an item and the films are "
        "left out; as clips, the films are the items. Keep one of the two in the folder."
    )
