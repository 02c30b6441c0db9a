"""Weights from files and runs, and freezing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from sightline.errors import DataError, UsageError
from sightline.models import registry
from sightline.models.backbones._backbone import Backbone
from sightline.models.weights.load import find, freeze, frozen_modules, load_into, unfreeze_stage
from sightline.storage import read_tensors, write_tensors


def lenet(outputs: int = 10, seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    return registry.create("lenet5", outputs=outputs, channels=1, size=(28, 28))


def small(seed: int = 0) -> Backbone:
    torch.manual_seed(seed)
    return registry.create("resnet-small", outputs=3, channels=3, size=(16, 16), width=4)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_tensors(tmp_path / "a.safetensors", lenet(seed=1).state_dict())
    return tmp_path / "a.safetensors"


def test_all_of_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = lenet()
    loaded = load_into(network, file)
    expected = lenet(seed=1).state_dict()
    assert all(torch.equal(t, expected[k]) for k, t in network.state_dict().items())
    assert len(loaded.loaded) == len(expected) == 10
    assert (loaded.fresh, loaded.missing, loaded.misfits, loaded.unexpected) == ((), (), (), ())
    assert "10 of 10 tensors" in capsys.readouterr().err


def test_another_number_of_classes_keeps_the_fresh_head(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = lenet(outputs=4)
    before = network.head.weight.clone()
    loaded = load_into(network, file)
    assert loaded.fresh == ("head.weight", "head.bias")
    assert torch.equal(network.head.weight, before)
    assert torch.equal(network.convolutions[0].weight, lenet(seed=1).convolutions[0].weight)
    assert "starts fresh (head.weight, head.bias)" in capsys.readouterr().err


@pytest.mark.parametrize("where", ["model", "."])
def test_a_run_folder_or_a_model_folder_saved_as_part_of_a_model(tmp_path: Path, where: str) -> None:
    folder = tmp_path / where
    folder.mkdir(exist_ok=True)
    tensors = {f"network.{k}": t for k, t in lenet(seed=1).state_dict().items()}
    write_tensors(folder / "model.safetensors", tensors)
    network = lenet()
    assert len(load_into(network, tmp_path).loaded) == 10
    assert torch.equal(network.head.bias, lenet(seed=1).head.bias)


def test_a_backbone_inside_a_model(file: Path) -> None:
    model = torch.nn.ModuleDict({"network": lenet(outputs=2)})
    loaded = load_into(model, file)
    assert len(loaded.loaded) == 8
    assert loaded.fresh == ("network.head.weight", "network.head.bias")


def test_weights_as_timm_publishes_them(tmp_path: Path) -> None:
    import timm

    torch.manual_seed(2)
    theirs = timm.create_model("test_resnet", num_classes=1000)
    write_tensors(tmp_path / "timm.safetensors", theirs.state_dict())
    ours = registry.create("test_resnet", outputs=5, channels=3, size=(64, 64))
    loaded = load_into(ours, tmp_path / "timm.safetensors")
    assert torch.equal(ours.net.conv1[0].weight, theirs.conv1[0].weight)
    assert len(loaded.loaded) == len(ours.state_dict()) - 2


def test_what_does_not_fit_is_said_with_shapes(tmp_path: Path) -> None:
    tensors = dict(lenet(seed=1).state_dict())
    tensors["dense.0.weight"] = torch.zeros(120, 7)
    tensors["extra"] = torch.zeros(1)
    del tensors["dense.2.bias"]
    write_tensors(tmp_path / "a.safetensors", tensors)
    loaded = load_into(lenet(), tmp_path / "a.safetensors")
    assert loaded.misfits == (("dense.0.weight", (120, 400), (120, 7)),)
    assert loaded.missing == ("dense.2.bias",)
    assert loaded.unexpected == ("extra",)
    assert "expected [120, 400], found [120, 7]" in loaded.text()


def test_weights_of_another_network_are_refused_and_nothing_changes(file: Path) -> None:
    network = small()
    before = {k: t.clone() for k, t in network.state_dict().items()}
    with pytest.raises(DataError, match="nothing was changed"):
        load_into(network, file)
    assert all(torch.equal(before[k], t) for k, t in network.state_dict().items())


def test_pickles_empty_folders_and_missing_files_are_refused(tmp_path: Path) -> None:
    torch.save(lenet().state_dict(), tmp_path / "a.pt")
    with pytest.raises(DataError, match="pickle"):
        load_into(lenet(), tmp_path / "a.pt")
    with pytest.raises(DataError, match="holds no weights"):
        find(tmp_path)
    with pytest.raises(DataError, match="no such file"):
        load_into(lenet(), tmp_path / "none.safetensors")


def trained(network: Backbone) -> list[str]:
    return [n for n, p in network.named_parameters() if p.requires_grad]


def test_freezing() -> None:
    network = small()
    everything = trained(network)
    frozen = freeze(network, "backbone")
    assert trained(network) == ["head.weight", "head.bias"]
    assert frozen == sum(p.numel() for p in network.parameters()) - 4 * 8 * 3 - 3
    assert freeze(network, "none") == 0
    assert trained(network) == everything
    freeze(network, "all-but-1")
    last = network.blocks()[-1]
    assert {id(p) for p in network.parameters() if p.requires_grad} == {
        id(p) for m in (last, network.head) for p in m.parameters()
    }
    with pytest.raises(UsageError, match="blocks"):
        freeze(network, "all-but-99")
    with pytest.raises(UsageError, match="none, backbone or all-but-N"):
        freeze(network, "half")


def test_freeing_little_by_little_goes_from_the_head_down() -> None:
    network = small()
    freeze(network, "backbone")
    counts = []
    for fraction in (0.0, 0.25, 0.5, 0.75, 1.0):
        unfreeze_stage(network, fraction)
        counts.append(len(trained(network)))
    assert counts == sorted(counts)
    assert counts[0] == 2
    assert counts[-1] == len(list(network.parameters()))


def test_statistics_of_frozen_batch_norms_stand_still() -> None:
    network = small()
    freeze(network, "backbone")
    network.train()
    still = frozen_modules(network)
    for module in still:
        module.eval()
    before = {k: t.clone() for k, t in network.state_dict().items()}
    network(torch.rand(8, 3, 16, 16))
    assert still
    assert all(torch.equal(before[k], t) for k, t in network.state_dict().items())
    freeze(network, "none")
    assert not frozen_modules(network)


def test_no_safetensors_file_is_taken_for_a_pickle(tmp_path: Path) -> None:
    """The file begins with the length of its header, whose bytes may be those of a pickle or a zip."""
    begins = set()
    for n in range(1, 33):
        file = tmp_path / f"{n}.safetensors"
        write_tensors(file, {"x" * (8 * n): torch.ones(1)})
        begins.add(file.read_bytes()[:1])
        assert len(read_tensors(file)) == 1
    assert b"\x80" in begins
