"""Clips: frames by number and time, damage, folders of frames, lists, groups."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sightline.data.check import look
from sightline.data.formats import clips as clips_format
from sightline.data.io.clip_frames import clip_frames, clip_seconds, frame_files, nearest
from sightline.data.io.clip_windows import clip_windows
from sightline.data.io.clips import ClipFiles, Segment
from sightline.data.io.films import film_frames, film_index
from sightline.data.io.pixels import Files
from sightline.data.open import open_data
from sightline.data.parsing.options import ReadOptions
from sightline.errors import DataError, UnreadableImage
from tests.unit.data.films import HEIGHT, WIDTH, cut, film, left, still

CLIP = ReadOptions(target_type="label", input="clip")


def gif(path: Path, frames: int = 4, lengths: int | list[int] = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [
        Image.fromarray(np.full((12, 12, 3), (50 * k, 9, 200 - 40 * k), np.uint8)) for k in range(frames)
    ]
    images[0].save(path, save_all=True, append_images=images[1:], duration=lengths, lossless=True)
    return path


def folder_of_frames(path: Path, frames: int = 12) -> Path:
    path.mkdir(parents=True)
    for k in range(frames):
        Image.fromarray(np.full((8, 8), 10 * k, np.uint8)).save(path / f"frame_{k}.png")
    return path


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("film") / "walk.mp4", 60, g="20")


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.webm", "a.mkv"])
def test_frames_by_number_are_those_of_full_decoding(name: str, tmp_path: Path) -> None:
    path = film(tmp_path / name, 20 if name == "a.webm" else 50)
    last = 19 if name == "a.webm" else 49
    everything = film_frames(path, range(len(film_index(path).pts)))
    assert len(everything) == last + 1
    assert [left(everything[k]) for k in (0, 12, last)] == [0, 12, last]
    for numbers in ([7], [last, 3], [0, 1, 15], list(range(2, last, 7))):
        some = film_frames(path, numbers)
        assert set(some) == set(numbers)
        assert all((some[k] == everything[k]).all() for k in numbers)


def test_seeks_in_a_film_with_b_frames_are_exact(data_folder: Callable[[str], Path]) -> None:
    av: Any = pytest.importorskip("av")
    path = data_folder("sleap_two_flies") / "TwoFlies/TwoFlies.mp4"
    index = film_index(path)
    assert (len(index.pts), len(index.keys if index.keys is not None else ())) == (1500, 6)
    numbers = [0, 3, 249, 250, 251, 290]
    with av.open(str(path)) as container:
        decoded = enumerate(islice(container.decode(video=0), 300))
        full = {n: zlib.crc32(f.to_ndarray(format="rgb24").tobytes()) for n, f in decoded if n in numbers}
    assert {n: zlib.crc32(f.tobytes()) for n, f in film_frames(path, numbers).items()} == full


def test_a_clip_is_sampled_by_time_not_by_number(tmp_path: Path) -> None:
    path = gif(tmp_path / "slow.gif", 4, [100, 100, 100, 900])
    assert clip_seconds(path).tolist() == pytest.approx([0, 0.1, 0.2, 0.3])
    late = gif(tmp_path / "late.gif", 4, [100, 800, 100, 100])
    reds = ClipFiles(Files([late])).sample(0, 5)[:, 0, 0, 0]
    assert (np.abs(reds.astype(int) - [0, 50, 50, 50, 150]) < 6).all()
    assert nearest(np.array([0.0, 0.1, 0.9, 1.0]), np.array([0.0, 0.5, 1.0])).tolist() == [0, 1, 3]


def test_a_short_clip_repeats_frames_and_is_never_black(tmp_path: Path) -> None:
    clip = ClipFiles(Files([gif(tmp_path / "a.gif", 2)])).sample(0, 6)
    assert len(clip) == 6
    assert clip[..., 2].min() > 100
    single = ClipFiles(Files([gif(tmp_path / "b.gif", 1)])).sample(0, 4)
    assert (single == single[:1]).all()


@pytest.mark.parametrize("ending", ["gif", "webp", "png", "apng"])
def test_animations_of_each_kind_have_all_frames(ending: str, tmp_path: Path) -> None:
    path = gif(tmp_path / f"a.{ending}", 4)
    frames = clip_frames(path, [3, 0])
    assert sorted(frames) == [0, 3]
    assert abs(int(frames[3][0, 0, 0]) - 150) < 6
    assert len(clip_seconds(path)) == 4


def test_folders_of_frames_are_in_natural_order(tmp_path: Path) -> None:
    folder = folder_of_frames(tmp_path / "1")
    assert [p.stem for p in frame_files(folder)[:4]] == ["frame_0", "frame_1", "frame_2", "frame_3"]
    assert ClipFiles(Files([folder])).read(0)[:, 0, 0, 0].tolist() == list(range(0, 120, 10))
    Image.new("L", (9, 9)).save(folder / "frame_12.png")
    with pytest.raises(UnreadableImage, match="different sizes"):
        ClipFiles(Files([folder])).read(0)


def test_parts_of_a_film_are_clips_of_their_own(walk: Path) -> None:
    clips = ClipFiles(Files([walk, walk]), [Segment(1.0, 2.0), Segment(10, 19, True)])
    assert clips.frames_of(0)[0].tolist() == list(range(25, 51))
    assert [left(f) for f in clips.sample(1, 2)] == [10, 19]
    assert clips.digest(0) != clips.digest(1)
    assert clips.subset(np.array([1])).frames_of(0)[0].tolist() == list(range(10, 20))


def test_damaged_frames_are_counted_and_replaced_and_too_many_refuse_the_clip(tmp_path: Path) -> None:
    path = film(tmp_path / "a.avi", 50, g="1")
    data = bytearray(path.read_bytes())
    index = data.rindex(b"idx1")
    for share in (0.3, 0.32):
        data[int(index * share) : int(index * share) + 3000] = bytes(3000)
    path.write_bytes(data)
    frames = ClipFiles(Files([path]))
    assert frames.sample(0, 8).std() > 10
    film(tmp_path / "half.mp4", 50)
    broken = cut(tmp_path / "half.mp4")
    with pytest.raises(UnreadableImage):
        ClipFiles(Files([broken])).sample(0, 8)


def test_films_of_one_frame_turned_or_of_varying_rate(tmp_path: Path) -> None:
    single = ClipFiles(Files([film(tmp_path / "one.mp4", 1)])).sample(0, 4)
    assert (single == single[:1]).all()
    turned = ClipFiles(Files([film(tmp_path / "turned.mp4", 3, 90)]))
    assert turned.sample(0, 2).shape == (2, WIDTH, HEIGHT, 3)
    av: Any = pytest.importorskip("av")
    path, times = tmp_path / "slow.mkv", [0, 40, 80, 120, 160, 2000, 2040]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for k, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(still(10 * k), format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert clip_seconds(path).tolist() == pytest.approx([t / 1000 for t in times])
    assert [left(f) for f in ClipFiles(Files([path])).sample(0, 5)] == [0, 40, 40, 40, 60]


def test_damage_in_the_middle_of_a_film_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a.mp4", "a.webm"):
        path = film(tmp_path / name, 20)
        data = bytearray(path.read_bytes())
        begin, end = int(0.45 * len(data)), int(0.5 * len(data))
        data[begin:end] = bytes(end - begin)
        path.write_bytes(data)
        assert ClipFiles(Files([path])).sample(0, 20).std() > 10
    said = capsys.readouterr().err
    assert "a.mp4: " in said
    assert "of the frames cannot be decoded; the nearest good ones stand for them" in said
    assert "a.webm is cut off: it ends after" in said
    assert "of 20 frames" in said


def test_a_film_of_sound_alone_is_named(tmp_path: Path) -> None:
    av: Any = pytest.importorskip("av")
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    with pytest.raises(UnreadableImage, match="no video stream"):
        clip_seconds(path)


def two_classes(root: Path) -> Path:
    for name in ("jump", "run"):
        for k in range(4):
            gif(root / name / f"{k}.gif", 4 + k)
    return root


def test_a_folder_per_class_of_clips_is_read_and_broken_ones_are_findings(tmp_path: Path) -> None:
    root = two_classes(tmp_path / "clips")
    folder_of_frames(root / "run" / "frames")
    (root / "run" / "broken.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(500))
    (root / "run" / "notes.txt").write_text("filmed on Monday")
    dataset = open_data(root, target_type="label", input="clip")
    assert (dataset.format, dataset.input, len(dataset)) == ("clips", "clip", 10)
    scan, findings = look(dataset)
    assert {f.name: f.items for f in findings}["unreadable-files"] == ("run/broken.mp4",)
    assert scan.depth[list(dataset.ids).index("run/frames")] == 12
    assert {f.name for f in findings} >= {"other-files"}


def test_films_in_class_folders_need_no_task_to_be_read_as_clips(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "films" / name).mkdir(parents=True)
        film(tmp_path / "films" / name / "1.mp4", 5)
    assert open_data(tmp_path / "films").input == "clip"
    Image.new("RGB", (8, 8)).save(tmp_path / "films" / "a" / "cover.jpg")
    with pytest.raises(DataError, match=r"1\.mp4.*cover\.jpg.*classify.*clips"):
        open_data(tmp_path / "films")


def test_a_folder_of_images_is_no_folder_of_clips(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (8, 8)).save(tmp_path / name / "1.jpg")
    with pytest.raises(DataError, match="single images"):
        open_data(tmp_path, target_type="label", input="clip")
    assert open_data(tmp_path).input == "image"


def test_lists_say_parts_splits_and_groups(tmp_path: Path, walk: Path) -> None:
    table = tmp_path / "clips.csv"
    rows = [f"{walk},walk,0,0.5,anna,train", f"{walk},run,1.0,2.0,bob,test", f"{walk},run,0.5,1,bob,val"]
    table.write_text("path,label,start,end,person,split\n" + "\n".join(rows))
    dataset = clips_format.read(str(table), CLIP)
    assert dataset.groups is not None
    assert dataset.groups.tolist() == ["anna", "bob", "bob"]
    assert dataset.splits.tolist() == ["train", "test", "val"]
    assert len(set(dataset.ids)) == 3
    table.write_text(f"path,label,start,end\n{walk},walk,2,1\n")
    with pytest.raises(DataError, match=r"line 2: the clip ends \(1\) before it starts \(2\)"):
        clips_format.read(str(table), CLIP)
    table.write_text(f"path,label,start_frame,end_frame\n{walk},walk,5,9\n{walk},run,20,29\n")
    parts = clips_format.read(str(table), CLIP)
    assert isinstance(parts.pixels, ClipFiles)
    assert len(parts.pixels.read(0)) == 5
    assert len(set(parts.groups.tolist() if parts.groups is not None else [])) == 1


def test_missing_films_and_two_classes_of_one_clip_are_findings(tmp_path: Path, walk: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text(f"path,label\n{walk},walk\n{walk},run\ngone.mp4,run\n")
    found = {f.name: f for f in clips_format.read(str(table), CLIP).read_findings}
    assert found["files-missing"].items == ("gone.mp4",)
    assert found["rows-contradict"].count == 1


def test_lists_of_ucf101_count_classes_from_one(tmp_path: Path) -> None:
    names = [f"Walk/v_Walk_g0{g}_c0{c}.gif" for g in (1, 2) for c in (1, 2)]
    names += [f"Run/v_Run_g0{g}_c01.gif" for g in (1, 2, 3)]
    for name in names:
        gif(tmp_path / "UCF-101" / name).rename(tmp_path / "UCF-101" / Path(name).with_suffix(".avi"))
    lists = tmp_path / "lists"
    lists.mkdir()
    (lists / "classInd.txt").write_text("1 Run\n2 Walk\n")
    lines = [f"{Path(n).with_suffix('.avi').as_posix()} {2 if 'Walk' in n else 1}" for n in names]
    (lists / "trainlist01.txt").write_text("\n".join(x for x in lines if "_g01" not in x))
    (lists / "testlist01.txt").write_text("\n".join(x.split()[0] for x in lines if "_g01" in x))
    dataset = open_data(lists, target_type="label", input="clip")
    assert (len(dataset), dataset.splits.tolist().count("test")) == (7, 3)
    assert dataset.groups is not None
    assert len(set(dataset.groups.tolist())) == 5
    (lists / "trainlist01.txt").write_text(lines[-1].replace(" 1", " 0"))
    with pytest.raises(DataError, match="count from 1"):
        open_data(lists, target_type="label", input="clip")


def test_lists_of_ucf101_name_films_with_spaces(tmp_path: Path) -> None:
    names = ["Cut In Kitchen/my film 1.avi", "Run/2.avi", "Run/my film.avi"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        film(tmp_path / name, 5)
    (tmp_path / "classInd.txt").write_text("1\tCut In Kitchen\n2 Run\n")
    (tmp_path / "trainlist01.txt").write_text(f"{names[0]} 1\n{names[1]} 2\n")
    (tmp_path / "testlist01.txt").write_text(names[2])
    dataset = open_data(tmp_path, target_type="label", input="clip")
    splits = dict(zip(dataset.ids, dataset.splits.tolist(), strict=True))
    assert splits == dict(zip(names, ["train", "train", "test"], strict=True))


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("trainlist01.txt", "Run/1.avi 1\nRun/1.avi one\n\n", "line 2: 'Run/1.avi one'"),
        ("classInd.txt", "1 Run\n\nWalk 2\n", "line 3: 'Walk 2'"),
        ("classInd.txt", "1 Run\n2\n", "line 2: '2'"),
    ],
)
def test_lines_that_are_none_of_ucf101_are_named(file: str, text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "trainlist01.txt").write_text("Run/1.avi 1\n" * 3)
    (tmp_path / file).write_text(text)
    with pytest.raises(DataError, match=f"{file}, {says}"):
        clips_format.read(str(tmp_path / "trainlist01.txt"), CLIP)


def test_a_list_that_is_no_utf8_is_named(tmp_path: Path) -> None:
    (tmp_path / "trainlist01.txt").write_bytes("Run/übung.avi 1\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"trainlist01\.txt: .*UTF-8"):
        clips_format.read(str(tmp_path / "trainlist01.txt"), CLIP)


SECONDS, KINETICS = (
    "path,label,start,end\na.mp4,run,0,1",
    "label,youtube_id,time_start,time_end\nrun,abc,0,10",
)


@pytest.mark.parametrize(
    ("table", "row", "says"),
    [
        (SECONDS, "a.mp4,run,0,soon", "'end' 'soon' is no number of seconds"),
        (SECONDS, "a.mp4,run,1:30,2", "'start' '1:30' is no number of seconds"),
        ("path,label,start_frame\na.mp4,run,1", "a.mp4,run,-4", "'start_frame' '-4' is no number of frames"),
        (KINETICS, "run,abc,x,10", "'time_start' 'x' is no number of seconds"),
        (KINETICS, "run,abc,0,inf", "'time_end' 'inf' is no number of seconds"),
        (KINETICS, "run,abc,0,", "time_start or time_end is empty"),
    ],
)
def test_times_that_are_no_numbers_are_named_by_line(table: str, row: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "clips.csv"
    file.write_text(f"{table}\n{row}\n")
    with pytest.raises(DataError, match=rf"clips\.csv, line 3: {says}"):
        clips_format.read(str(file), CLIP)


def test_times_with_decimal_commas_and_without_a_value(tmp_path: Path, walk: Path) -> None:
    table = tmp_path / "clips.csv"
    table.write_text(f"path;label;start;end\n{walk};walk;0,5;1,5\n{walk};run;2;nan\n")
    pixels = clips_format.read(str(table), CLIP).pixels
    assert isinstance(pixels, ClipFiles)
    assert pixels.segments == [Segment(0.5, 1.5, False), Segment(2.0, None, False)]


def test_groups_are_guessed_from_names_and_kept_together(tmp_path: Path) -> None:
    from sightline.data.split import split

    for person in range(1, 7):
        for name in ("boxing", "waving"):
            gif(tmp_path / name / f"person0{person}_{name}_d1.gif", 3 + person % 3)
    dataset = open_data(tmp_path, target_type="label", input="clip")
    assert any("personNN" in message for message in dataset.messages)
    parts = split(dataset, strata=dataset.targets.stratify_labels()).assignment
    assert dataset.groups is not None
    people = {(g, p) for g, p in zip(dataset.groups.tolist(), parts.tolist(), strict=True)}
    assert len(people) == 6


def test_a_film_that_is_cut_off_is_said_wherever_it_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its header counts frames that are not there; all that are there can be decoded."""
    for name in ("cut", "whole"):
        (tmp_path / name).mkdir()
    file = cut(film(tmp_path / "whole" / "1.avi")).rename(tmp_path / "cut" / "1.avi")
    clips = ClipFiles(Files([tmp_path / "whole" / "1.avi", file]))
    assert len(clips.sample(0, 4)) == 4
    assert "cut off" not in capsys.readouterr().err
    assert len(clips.sample(1, 4)) == 4
    assert "1.avi is cut off: it ends after" in capsys.readouterr().err
    list(clip_windows(file, 1.0, 1.0, 4))
    assert "is cut off" in capsys.readouterr().err
    findings = {f.name: f for f in look(open_data(tmp_path, target_type="label", input="clip"))[1]}
    assert findings["truncated-files"].items == ("cut/1.avi",)
    assert "of 60 frames" in findings["truncated-files"].message
