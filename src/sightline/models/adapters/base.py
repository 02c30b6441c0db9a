"""Wrapper that makes a library's network a `Backbone`, so that freezing and loading of weights work on it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline import console
from sightline.errors import SightlineError
from sightline.models.backbones._backbone import Backbone, _unrolled, for_channels, take_channels

Tensors = Mapping[str, Tensor]


class LibraryNetwork(Backbone):
    """A library's detector, split into its body (the backbone) and the rest (neck and heads).

    Args:
        net: The library's module.
        body: Dotted name of the body within it.
        still: Whether batch norms of the body keep their running statistics in training, as those of
            published weights do: the small batches of detection would spoil them.
    """

    def __init__(self, net: nn.Module, body: str, *, still: bool) -> None:
        super().__init__()
        self.net, self._body, self._still = net, body, still

    @property
    def body(self) -> nn.Module:
        """The backbone: (B, C, H, W) images to feature maps."""
        return self.net.get_submodule(self._body)

    @property
    def head(self) -> nn.Module:  # type: ignore[override]
        """Everything but the body: neck and heads are always trained."""
        modules: list[nn.Module] = []
        module = self.net
        for name in self._body.split("."):
            modules += [child for key, child in module.named_children() if key != name]
            module = module.get_submodule(name)
        return nn.ModuleList(modules)

    def train(self, mode: bool = True) -> LibraryNetwork:
        """Set training mode; batch norms of the body stay in eval mode if `still`."""
        super().train(mode)
        if self._still:
            for module in self.body.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, D): global average pooling of the last feature map of the body."""
        maps = self.body(x)
        if isinstance(maps, dict):
            maps = list(maps.values())
        last: Tensor = maps if isinstance(maps, Tensor) else list(getattr(maps, "feature_maps", maps))[-1]
        return last.mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """The same as `features`, because a detector's head returns more than one tensor of scores."""
        return self.features(x)

    def blocks(self) -> list[nn.Module]:
        """The stages of the body, from input to output."""
        parts: list[nn.Module] = []
        for part in self.body.children():
            inner = list(part.children())
            single = len(inner) == 1 and type(inner[0]) is nn.ModuleList
            parts += _unrolled(inner[0] if single else part)
        return parts


def padded(images: Tensor, multiple: int) -> Tensor:
    """Pad normalized images (B, C, H, W) with zeros at the right and bottom to a multiple of the stride."""
    height, width = images.shape[2:]
    return F.pad(images, (0, -width % multiple, 0, -height % multiple))


def see(module: nn.Module, channels: int) -> None:
    """Replace the first convolution of a network with fresh weights, for items of other channels."""
    name, conv = next((n, m) for n, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
    holder, _, leaf = name.rpartition(".")
    setattr(module.get_submodule(holder), leaf, take_channels(conv, channels, keep=False))


def map_sizes(body: nn.Module, channels: int, size: tuple[int, int]) -> list[tuple[int, int]]:
    """(height, width) of each feature map of a network, by shape inference on the meta device.

    Raises:
        RuntimeError: If images of this size are too small for it.
    """
    shapes = {name: tensor.to("meta") for name, tensor in body.state_dict().items()}
    image = torch.zeros(1, channels, *size, device="meta")
    modes = [(module, module.training) for module in body.modules()]  # some may stand still
    body.eval()
    try:
        with torch.no_grad():
            maps = torch.func.functional_call(body, shapes, (image,))
    finally:
        for module, training in modes:
            module.training = training
    return [(m.shape[2], m.shape[3]) for m in maps.values()]


@contextmanager
def seeded(rng: torch.Generator) -> Iterator[None]:
    """Seed torch's global generators from `rng`, because libraries draw from them; restore them on exit."""
    seed = int(torch.randint(2**62, (), generator=rng, device=rng.device))
    devices = [torch.cuda.current_device()] if rng.device.type == "cuda" else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def fill(net: nn.Module, tensors: Tensors, body: str) -> None:
    """Load published tensors into a network; heads for other classes keep fresh weights, with a message.

    Args:
        net: The network.
        tensors: Tensors by their names in it. The first kernel is adapted to other channels.
        body: Name of the part that must be found whole.

    Raises:
        SightlineError: If it is not; nothing was changed then.
    """
    state = net.state_dict()
    matching = {n: for_channels(t, state[n]) for n, t in tensors.items() if n in state}
    fits = {n: t for n, t in matching.items() if t.shape == state[n].shape}
    fresh = [n for n in state if n not in fits and not n.endswith("num_batches_tracked")]
    lacking = [n for n in fresh if n.startswith(body + ".")]
    if lacking:
        raise SightlineError(
            f"The published weights do not fit this network: {len(lacking)} tensors of its body are absent "
            f"or of another shape ({lacking[0]} first). Nothing was changed. Use --pretrained no."
        )
    net.load_state_dict(fits, strict=False)
    if fresh:
        more = f" and {len(fresh) - 5} more" if len(fresh) > 5 else ""
        console.say(f"{len(fits)} tensors were taken; fresh are {', '.join(fresh[:5])}{more}.")
