"""Published tensors put into a detector."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from sightline import talk
from sightline.errors import SightlineError

Tensors = Mapping[str, Tensor]


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
