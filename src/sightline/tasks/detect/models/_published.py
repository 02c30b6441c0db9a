"""Published weights of detectors: fetched if wanted and possible, and put into a network."""

from __future__ import annotations

import os
import typing
from collections.abc import Callable, Mapping

from torch import Tensor, nn

from sightline import talk
from sightline.errors import SightlineError, UnknownName
from sightline.models.zoo import Pretrained

Tensors = Mapping[str, Tensor]


def fetched(model: str, wanted: Pretrained, fetch: Callable[[], Tensors] | None) -> Tensors | None:
    """Published tensors, or None if it goes on without.

    Args:
        model: The model and its variant, in words.
        wanted: no, yes (an error if they cannot be had), auto (go on from scratch then, and say so).
        fetch: Gets them, or None where none are published.

    Raises:
        UnknownName: If `wanted` is none of these.
        SightlineError: If they were asked for and cannot be had.
    """
    if wanted not in typing.get_args(Pretrained):
        raise UnknownName("value of --pretrained", wanted, typing.get_args(Pretrained))
    if wanted == "no":
        return None
    if fetch is None:
        reason = "none are published for it"
    elif os.environ.get("SIGHTLINE_OFFLINE", "0") not in ("", "0"):
        reason = "SIGHTLINE_OFFLINE forbids the network"
    else:
        talk.say(f"Fetching published weights of {model}.")
        try:
            return fetch()
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


def fill(net: nn.Module, tensors: Tensors, body: str) -> None:
    """Put published tensors into a network; heads for other classes stay fresh, which is said.

    Args:
        net: The network.
        tensors: Tensors by their names in it. The first kernel is summed over colours for grey pictures.
        body: Name of the part that must be found whole.

    Raises:
        SightlineError: If it is not; nothing was changed then.
    """
    own = net.state_dict()
    found = {n: _grey(t, own[n]) for n, t in tensors.items() if n in own}
    fits = {n: t for n, t in found.items() if t.shape == own[n].shape}
    fresh = [n for n in own if n not in fits and not n.endswith("num_batches_tracked")]
    lacking = [n for n in fresh if n.startswith(body + ".")]
    if lacking:
        raise SightlineError(
            f"The published weights do not fit this network: {len(lacking)} tensors of its body are absent "
            f"or of another shape ({lacking[0]} first). Nothing was changed. Use --pretrained no."
        )
    net.load_state_dict(fits, strict=False)
    if fresh:
        more = f" and {len(fresh) - 5} more" if len(fresh) > 5 else ""
        talk.say(f"{len(fits)} tensors were taken; fresh are {', '.join(fresh[:5])}{more}.")


def _grey(tensor: Tensor, own: Tensor) -> Tensor:
    """The first kernel for grey pictures: grey is equal in all three colours."""
    if tensor.ndim == own.ndim == 4 and (tensor.shape[1], own.shape[1]) == (3, 1):
        return tensor.sum(1, keepdim=True)
    return tensor
