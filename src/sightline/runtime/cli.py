"""Command line `sightline-run`: predict with an exported model on images, folders, videos and cameras."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TextIO

from ..data.io.walk import describe_skipped as hidden_told
from ..data.io.walk import home
from ..errors import SightlineError, UsageError

EVERY = 5.0
"""Seconds between lines on how fast a film or camera goes."""
MAX_SHOWN = 20
"""Rows that --json holds where --out holds them all."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code.

    0 all images were predicted; 1 some could not be read; 2 wrong usage; 3 the model cannot be used;
    4 OpenCV is missing; 130 interrupted.
    """
    wish = _parser().parse_args(arguments)
    try:
        return _run(wish)
    except SightlineError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        return 130
    except BrokenPipeError:  # whoever read has had enough; nothing more is flushed into the pipe
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _say(f"{error.filename or wish.out or 'the output'}: {error.strerror or error}.")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sightline-run",
        description="Predict with a model that `sightline export` wrote. One line of JSON an image.",
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the exported model (.onnx)")
    parser.add_argument(
        "source", nargs="+", metavar="SOURCE",
        help="images, folders, globs, videos, cameras (camera0); the last two need OpenCV. Of a model of "
        "clips: films (they need PyAV), animations, folders of frames",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, help="write the lines to this .jsonl file, not to the terminal; "
                        "with --track also a .txt file of tracks (MOTChallenge)")  # fmt: skip
    parser.add_argument("--min-score", type=float, metavar="S",
                        help="leave out objects with a lower score, from 0 to 1; 0 keeps all (default: the "
                             "thresholds that were chosen for each class)")  # fmt: skip
    parser.add_argument("--track", action="store_true",
                        help="give each object an identity that stays over the frames of a film, or of a "
                             "folder of frames")  # fmt: skip
    parser.add_argument("--tracker", default="bytetrack", metavar="NAME",
                        help="bytetrack (default), ocsort or sort")  # fmt: skip
    parser.add_argument("--batch-size", type=int, default=1, metavar="N",
                        help="images at a time (default 1, the least memory)")  # fmt: skip
    parser.add_argument("--threads", type=int, default=0, metavar="N", help="default 0: one a core")
    parser.add_argument("--json", action="store_true",
                        help="one JSON document at the end, not a line an image")  # fmt: skip
    return parser


def _run(wish: argparse.Namespace) -> int:
    for name, value, lowest in (("batch-size", wish.batch_size, 1), ("threads", wish.threads, 0)):
        if value < lowest:
            raise UsageError(f"--{name} must be at least {lowest}. Received {value}.")
    wish.out = None if wish.out is None else Path(home(str(wish.out)))
    _check_out(wish)
    from .following import Following
    from .session import Session  # not before: --help and wrong usage cost nothing
    from .sources import Sources

    session = Session(wish.file, threads=wish.threads, min_score=wish.min_score)
    following = Following(wish.tracker, session) if wish.track else None
    sources = Sources(wish.source, session.reader)
    if following is not None:
        sources.sort_frames()
        _check_one_film(wish, sources)
    notes = _card_notes(wish.file, session.card)
    _say_left_out(sources)
    with ExitStack() as stack:
        out: TextIO | None = None if wish.json else sys.stdout
        if wish.out is not None:
            wish.out.parent.mkdir(parents=True, exist_ok=True)
            mode = "a" if sources.live else "w"  # a camera that is started again must not lose what it saw
            out = stack.enter_context(wish.out.open(mode, encoding="utf-8", newline=""))
        printer = _Told(out, MAX_SHOWN if wish.out else None, sources.films, _is_text(wish.out))
        batch = 1 if sources.live else wish.batch_size  # what is live must not wait
        weak = 0.0 if wish.track and wish.min_score is None else None  # weak objects continue tracks
        answers = session.predict(sources, batch, weak)
        try:
            for answer in answers if following is None else following.follow(answers):
                printer.add(answer, session)
        except KeyboardInterrupt:
            if not sources.live:
                raise
            _say(f"Stopped after {printer.total} frames.")
        printer.speed(session)
    if wish.json:
        document = {**notes, **printer.document(wish.out)}
        sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()
    return int(bool(printer.errors))


def _is_text(out: Path | None) -> bool:
    """Whether tracks are written as text of MOTChallenge."""
    return out is not None and out.suffix == ".txt"


def _check_out(wish: argparse.Namespace) -> None:
    """Refuse a name of another ending than that of what is written."""
    if _is_text(wish.out) and not wish.track:
        raise UsageError(f"{wish.out} holds tracks: give --track too.")
    if wish.out is not None and wish.out.suffix != ".jsonl" and not _is_text(wish.out):
        raise UsageError(f"--out must end in .jsonl, or of tracks in .txt. Received '{wish.out}'.")


def _check_one_film(wish: argparse.Namespace, sources: Any) -> None:
    """Refuse several films, and one without an end, for a file that holds one."""
    if _is_text(wish.out) and sources.live:
        raise UsageError(f"{wish.out} holds one film, and a camera has no end. Write .jsonl.")
    if _is_text(wish.out) and sources.sequences > 1:
        raise UsageError(
            f"{wish.out} holds one film, and {sources.sequences} films or folders of frames are given. Give "
            "them one by one, or write .jsonl."
        )


def _card_notes(file: Path, card: dict[str, Any]) -> dict[str, str]:
    """What a user must know of a file, by its entry in the card; it is printed."""
    from .onnx_file import UNCHECKED

    notes = {}
    if "unchecked" in card:
        notes["unchecked"] = UNCHECKED
        _say(f"{file} is NOT CHECKED. {UNCHECKED}")
    if "takes" in card:
        notes["takes"] = str(card["takes"])
        _say(f"{file}: {notes['takes']}")
    return notes


class _Told:
    """Writer of predictions and statistics.

    Args:
        out: Where lines go, or None.
        most: Rows that are kept for --json, or None for all; none are where lines go to the terminal.
        films: Whether rows say when a frame is shown.
        tracks: Whether lines are tracks of one film as in MOTChallenge.
    """

    def __init__(self, out: TextIO | None, most: int | None, films: bool, tracks: bool = False) -> None:
        self.total = 0
        self.errors: list[dict[str, str]] = []
        self._rows: list[dict[str, Any]] = []
        self._out, self._films, self._tracks = out, films, tracks
        self._most = 0 if out is sys.stdout else most
        self._start = self._last = time.perf_counter()
        self._since = 0

    def add(self, answer: Any, session: Any) -> None:
        """Write one answer."""
        self.total += 1
        if answer.error:
            self.errors.append({"file": answer.id, "reason": answer.error})
            _say(f"{answer.id}: {answer.error}")
        if answer.note:
            _say(f"{answer.id}: {answer.note}")
        row = self._row(answer, session)
        if self._out is not None:
            self._out.write(self._line(answer, row))
            self._out.flush()  # a line is there once it is told, whatever happens then
        if not answer.error and (self._most is None or len(self._rows) < self._most):
            self._rows.append(row)
        now = time.perf_counter()
        if self._films and now - self._last >= EVERY:
            _say(f"{(self.total - self._since) / (now - self._last):.1f} FPS")
            self._last, self._since = now, self.total

    def _line(self, answer: Any, row: dict[str, Any]) -> str:
        """What is written of an image: one line, or one for each track."""
        from . import following, rows

        if not self._tracks:
            return rows.line(row)
        return "" if answer.error else following.mot_lines(self.total, answer.prediction)

    def _row(self, answer: Any, session: Any) -> dict[str, Any]:
        """What a line says: path, seconds of a frame, and the rest or the error."""
        from . import rows

        where = {"path": answer.id}
        if self._films and (answer.seconds is not None or not answer.error):
            where["seconds"] = None if answer.seconds is None else round(answer.seconds, 6)
        if answer.error:
            return {**where, "error": answer.error}
        return {**where, **rows.full(answer.id, answer.row, answer.prediction, session.names)}

    def speed(self, session: Any) -> None:
        """Print the speed."""
        seconds, done = time.perf_counter() - self._start, self.total - len(self.errors)
        if done:
            each = ", ".join(f"{name} {1000 * s / done:.1f} ms" for name, s in session.spent.items())
            what = "frames" if self._films else f"{session.reader.name}s"
            _say(f"{done} {what} in {seconds:.2f} s: {done / max(seconds, 1e-9):.1f} FPS ({each} each)")

    def document(self, out: Path | None) -> dict[str, Any]:
        """Counts, errors, speed and rows."""
        seconds = time.perf_counter() - self._start
        return {"total": self.total, "errors": self.errors, "out": None if out is None else str(out),
                "seconds": round(seconds, 3), "rows": self._rows}  # fmt: skip


def _say_left_out(sources: Any) -> None:
    if sources.hidden:
        _say(hidden_told(sources.hidden))
    if sources.left_out:
        listed = ", ".join(f"{n} {ending}" for ending, n in sources.left_out.most_common(5))
        _say(f"{sources.left_out.total()} files that are no images were left out ({listed}).")


def _say(text: str) -> None:
    sys.stderr.write(f"sightline-run: {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
