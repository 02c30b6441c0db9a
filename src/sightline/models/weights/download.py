"""Policy for published weights (`pretrained` = no, auto, yes): download, fall back, or raise."""

from __future__ import annotations

import os
import socket
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

from sightline import console
from sightline.errors import SightlineError, UnknownName, UsageError
from sightline.models.weights.hub import patient as patient
from sightline.models.weights.hub import timeout

Pretrained = Literal["no", "auto", "yes"]
T = TypeVar("T")


def fetch_or_skip(
    model: str,
    wanted: Pretrained,
    fetch: Callable[[], T] | None,
    without: Callable[[], str] = lambda: "",
    installed: str = "",
    *,
    saying: str | None = None,
    lost: str = "",
) -> T | None:
    """Result of `fetch`, or None if training starts from scratch.

    Args:
        model: The model, in words.
        wanted: no, yes (an error if they cannot be had), auto (go on from scratch then, and say so).
        fetch: Gets the weights, or a network with them; None where none are published.
        without: Why it need not be tried, or "".
        installed: Where the weights lie on this machine, in words; "" if they must be fetched.
        saying: What is said before they are fetched; "" if `fetch` does so itself.
        lost: What is missing here and would have made fetching needless, in sentences, or "".

    Raises:
        UnknownName: If `wanted` is none of these.
        SightlineError: If they were asked for and cannot be had.
    """
    if wanted not in typing.get_args(Pretrained):
        raise UnknownName("value of --pretrained", wanted, typing.get_args(Pretrained))
    if wanted == "no":
        return None
    reason = "none are published for it" if fetch is None else without()
    if not reason and not installed and os.environ.get("SIGHTLINE_OFFLINE", "0") not in ("", "0"):
        reason = "SIGHTLINE_OFFLINE forbids the network"
    if fetch is not None and not reason:
        fetching = f"Fetching published weights of {model}." if saying is None else saying
        if text := f"Weights of {model}: {installed}." if installed else f"{lost} {fetching}".strip():
            console.say(text)
        try:
            with _patience():
                return fetch()
        except UsageError:
            raise
        except SightlineError as error:  # our own words
            reason = str(error).removesuffix(".")
        except Exception as error:  # whatever the hub, the network or the file may throw
            first = (str(error).strip().splitlines() or [""])[0]
            doing = "reading" if installed else "fetching"
            reason = f"{doing} them failed ({type(error).__name__}: {first})"
    text = f"Published weights of {model} cannot be had: {reason}. {lost}".strip()
    if wanted == "yes":
        raise SightlineError(
            f"{text} Give a file or a run with --weights, or go on from scratch with --pretrained auto. "
            "`sightline weights` lists what is here."
        )
    console.say(f"{text} Going on from scratch.")
    return None


@contextmanager
def _patience() -> Iterator[None]:
    """Set a socket timeout for libraries that set none (torch.hub)."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(timeout())
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
