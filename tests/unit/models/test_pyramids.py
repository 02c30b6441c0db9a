"""Networks read at several depths."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from sightline.errors import SightlineError, UsageError
from sightline.models import registry

NAMES = ["csp", "resnet18", "convnext_atto", "mobilenetv3_small_050", "test_resnet", "regnetx_002"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
def test_maps_have_the_channels_and_sizes_of_their_levels(name: str, channels: int) -> None:
    network: Any = registry.pyramid(name, channels=channels, size=(64, 96)).eval()
    images = torch.rand(2, channels, 64, 96)
    with torch.no_grad():
        maps, features = network.maps(images), network.features(images)
    assert [stride for _, stride in network.levels] == [8, 16, 32]
    assert [tuple(x.shape) for x in maps] == [(2, c, 64 // s, 96 // s) for c, s in network.levels]
    assert features.shape == (2, network.levels[-1][0])
    assert network.blocks()
    assert not list(network.head.parameters())


def test_family_that_keeps_channels_last_is_turned() -> None:
    network: Any = registry.pyramid("swin_tiny_patch4_window7_224", channels=3, size=(64, 64)).eval()
    with torch.no_grad():
        assert [x.shape[1] for x in network.maps(torch.rand(1, 3, 64, 64))] == [192, 384, 768]


def test_maps_are_those_of_timm_and_no_weight_is_idle() -> None:
    torch.manual_seed(0)
    ours: Any = registry.pyramid("resnet18", channels=3, size=(64, 64)).eval()
    theirs = timm.create_model("resnet18").eval()
    theirs.load_state_dict(ours.net.state_dict(), strict=False)
    images = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        last = theirs.forward_features(images)
        assert torch.equal(ours.maps(images)[-1], last)
    sum(x.sum() for x in ours.train().maps(images.repeat(2, 1, 1, 1))).backward()
    assert all(p.grad is not None for p in ours.parameters())


def test_settings_of_the_network_reach_it() -> None:
    small, large = (registry.pyramid("csp", channels=3, size=(64, 64), scale=s) for s in ("n", "s"))
    assert small.levels == ((64, 8), (128, 16), (256, 32))
    assert large.levels == ((128, 8), (256, 16), (512, 32))
    with pytest.raises(UsageError, match="--scale"):
        registry.pyramid("csp", channels=3, size=(64, 64), scale="xxl")


def test_refusals_say_why() -> None:
    with pytest.raises(UsageError, match="strides 16"):
        registry.pyramid("vit_tiny_patch16_224", channels=3, size=(64, 64))
    with pytest.raises(UsageError, match="strides 8, 16, 32; needed are 4, 8"):
        registry.pyramid("csp", channels=3, size=(64, 64), strides=(4, 8))
    with pytest.raises(UsageError, match=r"strides 8, 16, 32 for .* multiple of 32"):
        registry.pyramid("convnext_atto", channels=3, size=(60, 60))
    with pytest.raises(UsageError, match="csp"):
        registry.pyramid("lenet5", channels=3, size=(64, 64))
    with pytest.raises(SightlineError, match="SIGHTLINE_OFFLINE"):
        registry.pyramid("resnet18", channels=3, size=(64, 64), pretrained="yes")
    registry.pyramid("resnet18", channels=3, size=(64, 64), pretrained="auto")
