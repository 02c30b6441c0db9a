"""Maps are those of Captum 0.9.0 and pytorch-grad-cam 1.5.7, on a network whose weights are given here.

The numbers below were printed by this file, in an environment with both:
`pip install captum==0.9.0 grad-cam==1.5.7; python -m tests.references.test_maps_as_captum`.
"""

from __future__ import annotations

from types import ModuleType

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sightline.core.model import Model
from sightline.core.targets.label import ClassLabels
from sightline.explanation.methods import EXPLAINERS, integrated_gradients, smoothgrad
from sightline.explanation.subject import Subject, untouched
from sightline.models.backbones._backbone import Backbone
from tests.fixtures.planted import fresh_network

SIDE, LABEL = 8, 2


def waves(n: int, step: float) -> Tensor:
    """Numbers in [-1, 1] that no generator has to repeat."""
    return torch.sin(torch.arange(n, dtype=torch.float64) * step).float()


class Small(Backbone):
    """Two convolutions with ReLUs, and a linear head on all cells."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(96, 4)
        with torch.no_grad():
            for k, parameter in enumerate(self.parameters()):
                parameter.copy_(0.5 * waves(parameter.numel(), 0.7 + 0.13 * k).view_as(parameter))

    def features(self, x: Tensor) -> Tensor:
        """(B, 96)."""
        maps: Tensor = self.body(x)
        return maps.flatten(1)


def images() -> Tensor:
    """One image (1, 3, 8, 8)."""
    return (0.5 + 0.5 * waves(3 * SIDE * SIDE, 0.37)).view(1, 3, SIDE, SIDE)


def model() -> Model:
    """A classifier of `Small` that takes pixels as they are."""
    net = fresh_network()
    net.set_normalization([0.0] * 3, [1.0] * 3)
    net.network = Small()
    return net.eval()


def ours(method: ModuleType) -> Tensor:
    """(8, 8) map of a method."""
    net, about = model(), ClassLabels(torch.tensor([LABEL]))
    with untouched(net):
        subject = Subject.of(net)
        subject.layer = "network.body.3"
        heat: Tensor = method.run(subject, images(), about, torch.Generator().manual_seed(0))[0]
    return heat


def close(a: Tensor, b: Tensor) -> bool:
    """Within 1e-4 of the largest number."""
    return bool(((a - b).abs() <= 1e-4 * b.abs().max()).all())


REFERENCES: dict[str, list[float]] = {
    "gradient": [
        0.0390865, 0.116781, 0.0876089, 0.150023, 0.304294, 0.385841, 0.276311, 0.0789364,
        0.0683512, 0.0508095, 0.127252, 0.192763, 0.189687, 0.0798736, 0.0141007, 0.0340394,
        0.105473, 0.0628621, 0.364633, 0.719148, 0.619956, 0.192983, 0.0381651, 0.119872, 0.136257,
        0.188555, 0.208853, 0.0693462, 0.18238, 0.0915741, 0.0147195, 0.0365017, 0.237277, 0.388682,
        0.452976, 0.0244351, 0.527688, 0.706852, 0.497128, 0.0860145, 0.0364576, 0.205466, 0.239351,
        0.234805, 0.341044, 0.0628374, 0.0771605, 0.046499, 0.106737, 0.321639, 0.344906, 0.501509,
        0.595728, 0.1333, 0.151751, 0.219555, 0.316701, 0.0410538, 0.0569944, 0.0545604, 0.0828863,
        0.0488648, 0.0348865, 0.0176111,
    ],
    "integrated-gradients": [
        0.0306198, 0.101388, 0.123953, -0.0350954, -0.253641, -0.505024, -0.422457, -0.140289,
        0.109767, -0.0795346, -0.179276, -0.291095, -0.315651, -0.0739231, 0.0732287, 0.0809676,
        -0.101837, 0.01135, 0.176479, 0.460915, 0.626558, 0.425607, 0.165589, -0.0891757, 0.269562,
        0.233558, 0.188889, -0.0219273, -0.133204, -0.0836352, -0.0657135, -0.0327925, -0.188539,
        -0.293317, -0.292055, 0.0154161, 0.339581, 0.645325, 0.59062, 0.253468, 0.176528, 0.519833,
        0.488342, 0.317379, 0.26024, 0.0728111, -0.0504398, -0.00568228, 0.0169573, -0.23593,
        -0.306937, -0.353243, -0.382023, -0.179377, -0.0301213, 0.102326, -0.360419, -0.0687833,
        0.128222, 0.20589, 0.28974, 0.0227942, 0.0238123, -0.0357834,
    ],
    "occlusion": [
        -0.0437228, -0.0466734, -0.028548, 0.00687361, 0.00351626, -0.0283766, -0.0360897,
        -0.029613, -0.0513453, -0.062566, -0.0669933, -0.0437996, -0.0212379, -0.0210063, -0.028614,
        -0.0302921, -0.0320754, -0.0515452, -0.0878423, -0.0910677, -0.0495324, -0.0155764,
        -0.01829, -0.0270262, 0.0333214, 0.0294316, -0.0179857, -0.0770291, -0.0768841, -0.0409506,
        -0.016087, -0.011496, 0.103622, 0.126728, 0.0849594, -0.0383286, -0.0951268, -0.0643769,
        -0.0193519, -0.00346088, 0.132905, 0.175745, 0.174084, 0.0815976, 0.00210109, -0.030836,
        -0.0225401, -0.0128174, 0.0938334, 0.170358, 0.244303, 0.211147, 0.108381, 0.00317042,
        -0.0250864, -0.0203224, 0.0572745, 0.159186, 0.276081, 0.248837, 0.123001, 0.00364342,
        -0.0270643, -0.0220209,
    ],
    "grad-cam": [
        0.0104036, 0.012809, 0.0115071, 0.00908942, 0.0101806, 0.0178808, 0.0165178, 0.0111208,
        0.00956067, 0.0170133, 0.0176107, 0.0134689, 0.015984, 0.0220985, 0.0256816, 0.0236342,
    ],
    "grad-cam-plus-plus": [
        0.53862, 0.480911, 0.507002, 0.575185, 0.545125, 1.29124, 1.06657, 0.517608, 0.67091,
        1.13586, 1.25005, 0.551436, 0.959116, 2.02091, 2.6405, 2.30412,
    ],
    "hires-cam": [
        0.185196, 0.0, 0.0, 0.0517695, 0.429749, 0.422714, 0.0, 0.0, 0.0, 0.820648, 0.560099, 0.0,
        0.0, 0.0, 1.53687, 0.991083,
    ],
    "layercam": [
        0.185196, 0.0357029, 0.0, 0.100413, 0.429749, 0.685424, 0.148467, 0.0, 0.0573124, 0.820648,
        0.783351, 0.127107, 0.0394138, 0.669104, 1.5444, 1.4459,
    ],
    "eigen-cam": [
        -0.909531, -0.546363, -0.733184, -1.1149, -0.945661, 0.472887, 0.191061, -0.792945,
        -1.21195, 0.278664, 0.421029, -0.454425, 0.0573508, 1.38626, 2.16186, 1.73984,
    ],
}  # fmt: skip


def reference(name: str) -> Tensor:
    """A square map of REFERENCES; of a layer 4 x 4 cells, else 8 x 8 pixels."""
    values = torch.tensor(REFERENCES[name])
    side = round(len(values) ** 0.5)
    return values.view(side, side)


@pytest.mark.parametrize("name", ["grad-cam", "grad-cam-plus-plus", "hires-cam", "layercam"])
def test_maps_of_a_layer(name: str) -> None:
    cells = reference(name)[None, None]
    assert float(cells.max()) > 0
    large = F.interpolate(cells, (SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0]
    assert close(ours(EXPLAINERS.load(name)), large)


def test_the_principal_component_up_to_its_sign() -> None:
    cells = reference("eigen-cam")[None, None]
    either = [
        F.interpolate(torch.relu(sign * cells), (SIDE, SIDE), mode="bilinear", align_corners=False)[0, 0]
        for sign in (1, -1)
    ]
    heat = ours(EXPLAINERS.load("eigen-cam"))
    assert any(close(heat, large) for large in either)


def test_gradient_and_smoothgrad_without_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smoothgrad, "SIGMAS", (0.0,))
    for name in ("gradient", "smoothgrad"):
        assert close(ours(EXPLAINERS.load(name)), reference("gradient"))


def test_integrated_gradients_from_black() -> None:
    net, about = model(), ClassLabels(torch.tensor([LABEL]))
    with untouched(net):
        parts, error = integrated_gradients.attributions(Subject.of(net), images(), about, images() * 0)
    assert close(parts[0], reference("integrated-gradients"))
    assert float(error) < 0.02


def test_occlusion_but_for_the_border() -> None:
    """Captum's windows end at the border, so that pixels there are covered once."""
    inside = (slice(1, -1), slice(1, -1))
    assert close(ours(EXPLAINERS.load("occlusion"))[inside], reference("occlusion")[inside])


def print_references() -> None:
    """Compute REFERENCES with the libraries."""
    from captum.attr import IntegratedGradients, Occlusion, Saliency
    from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net, x = model().network, images().requires_grad_()
    color = images().flatten(2).mean(2).view(1, 3, 1, 1).expand_as(x)
    maps = {
        "gradient": Saliency(net).attribute(x, target=LABEL).amax(1),
        "integrated-gradients": IntegratedGradients(net)
        .attribute(x, images() * 0, target=LABEL, n_steps=64, method="riemann_middle")
        .sum(1),
        "occlusion": Occlusion(lambda v: net(v).softmax(1)).attribute(
            x, (3, 2, 2), strides=(3, 1, 1), baselines=color, target=LABEL
        )[:, 0],
    }
    layer, target = net.body[3], [ClassifierOutputTarget(LABEL)]
    for name, kind in {
        "grad-cam": GradCAM, "grad-cam-plus-plus": GradCAMPlusPlus, "hires-cam": HiResCAM,
        "layercam": LayerCAM, "eigen-cam": EigenCAM,
    }.items():  # fmt: skip
        with kind(net, [layer]) as cam:
            cam(input_tensor=x, targets=target)
            activations = cam.activations_and_grads.activations[0].numpy()
            slopes = cam.activations_and_grads.gradients
            grads = slopes[0].numpy() if slopes else None
            raw = torch.tensor(cam.get_cam_image(x, layer, target, activations, grads, False)).float()
        maps[name] = raw if name == "eigen-cam" else raw.clamp(min=0)
    for name, value in maps.items():
        print(f'    "{name}": {[float(f"{v:.6g}") for v in value.flatten().tolist()]},')


if __name__ == "__main__":
    print_references()
