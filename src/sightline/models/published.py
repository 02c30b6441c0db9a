"""Published weights: fetched where they are wanted and can be had."""

from __future__ import annotations

import os
import socket
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from sightline import talk
from sightline.errors import SightlineError, UnknownName, UsageError

Pretrained = Literal["no", "auto", "yes"]
T = TypeVar("T")


def fetched(
    model: str,
    wanted: Pretrained,
    fetch: Callable[[], T] | None,
    without: Callable[[], str] = lambda: "",
    installed: str = "",
) -> T | None:
    """What `fetch` gives, or None if it goes on without.

    Args:
        model: The model, in words.
        wanted: no, yes (an error if they cannot be had), auto (go on from scratch then, and say so).
        fetch: Gets the weights, or a network with them; None where none are published.
        without: Why it need not be tried, or "".
        installed: Where the weights lie, in words, if they are installed and no network is needed.

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
        talk.say(
            f"Weights of {model}: {installed}." if installed else f"Fetching published weights of {model}."
        )
        try:
            return fetch()
        except UsageError:
            raise
        except Exception as error:  # whatever the hub, the network or the file may throw
            first = (str(error).strip().splitlines() or [""])[0]
            reason = f"fetching them failed ({type(error).__name__}: {first})"
    text = f"Published weights of {model} cannot be had: {reason}."
    if wanted == "yes":
        raise SightlineError(
            f"{text} Give a file or a run with --weights, or go on from scratch with --pretrained auto."
        )
    talk.say(f"{text} Going on from scratch.")
    return None


@contextmanager
def patient() -> Iterator[None]:
    """Where the hub has no address, let its library look into its cache only: it would try for a minute."""
    from huggingface_hub import constants  # slow to import, and wanted for published weights only

    host = urlsplit(constants.ENDPOINT).hostname or ""
    before = constants.HF_HUB_OFFLINE
    try:
        if not getproxies():
            socket.getaddrinfo(host, 443)
    except OSError:
        talk.say(
            f"There is no network: {host} has no address here. Looking among the weights fetched before."
        )
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before
