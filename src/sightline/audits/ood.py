"""Strangers: whether images of no class can be told from images of the classes (out of distribution)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from scipy.special import logsumexp
from torch import Tensor

from sightline.audits._budget import Budget
from sightline.audits._case import Case
from sightline.audits._planted import SIDE, with_model
from sightline.audits._rules import judge, skip
from sightline.audits._statistics import auroc
from sightline.audits._verdict import AuditCard, Bound, Cost, Verdict
from sightline.core.dataset import Dataset
from sightline.core.inputs import InputSpec
from sightline.core.report import Score, Table
from sightline.core.sample import IMAGE
from sightline.core.targets.none import Unlabeled
from sightline.data.io.pixels import Arrays
from sightline.data.open import open_data

CARD = AuditCard(
    name="ood",
    title="Strangers",
    summary="whether images of no class can be told from those of the classes (out of distribution)",
    rank=60,
    scores=("ood.worst", "ood.max-softmax", "ood.top-score", "ood.energy", "ood.knn"),
    least=30,
    cost=Cost(forwards=8, trains=1),
    bounds={"ood.worst": Bound(at_least=0.8)},
    needs=("model", "train", "features"),
    sees="Strangers of the named folder, or built-in ones: noise, drawn shapes and digits. Other strangers "
    "may be harder. All come through the preprocessing of the model. No score is best for all: all that "
    "the model has are given, and the verdict is that of the worst set.",
)
NEIGHBORS = 10


def run(case: Case, budget: Budget) -> Verdict:
    """AUROC of each score for each set of strangers; the verdict is of the set that is hardest to tell."""
    if reason := _unfit(case):
        return skip(CARD, reason, of=len(case.part))
    assert case.train is not None
    part = case.part.sample(budget.n, case.seed)
    sets, notes = strangers(case, len(part))
    bank = normalized(case.features_of(case.train.dataset))
    inside = _scores(case, part.dataset, bank)
    kinds = list(inside)
    table: dict[str, dict[str, Score]] = {}
    for name, dataset in sets.items():
        outside = _scores(case, dataset, bank)
        table[name] = {kind: auroc(inside[kind], outside[kind]) for kind in kinds}
    best = {name: max(row.values(), key=lambda s: s.value) for name, row in table.items()}
    worst = min(best, key=lambda name: best[name].value)
    scores = {"ood.worst": best[worst], **{f"ood.{kind}": table[worst][kind] for kind in kinds}}
    others = ", ".join(f"{name} {best[name].value:.2f}" for name in best if name != worst)
    winner = next(kind for kind in kinds if table[worst][kind] is best[worst])
    sentence = (
        f"Hardest strangers: {worst}; the best score ({winner}) has AUROC {best[worst].text()}"
        f"{f'; {others}' if others else ''}."
    )
    plain = kinds[0]
    if plain != winner:
        sentence += f" {plain.capitalize()} alone: {table[worst][plain].value:.2f}."
    rows = [[name, *(row[kind] for kind in kinds)] for name, row in table.items()]
    fix = (
        "Do not rely on the confidence to refuse such images. Train with some of them as a class of their "
        "own, or refuse by the distance of the features (k-NN)."
    )
    return judge(
        CARD, " ".join([sentence, *notes]), scores, fix=fix, n=len(part), places=(worst,),
        settings={"neighbors": NEIGHBORS, "strangers": {n: len(d) for n, d in sets.items()}},
        figures=(Table("AUROC of strangers against the classes", ["strangers", *kinds], rows),),
        rows=tuple({"id": i, "knn": float(k)} for i, k in zip(part.ids, inside["knn"], strict=True)),
    )  # fmt: skip


def _unfit(case: Case) -> str:
    """Why strangers cannot be compared with the images, in words; "" if they can."""
    spec, settings = InputSpec.of(case.settings), case.settings
    if spec.kind != IMAGE:
        return f"there are no features of a {spec.kind} as a whole."
    if getattr(case.part.target, "multilabel", False):
        return "an image may have several labels, or none."
    if settings.get("tile_size") or settings.get("items") == "objects" or settings["resize"] == "rect":
        return "the model is shown parts of images, or images of several sizes."
    if case.strangers is None and not spec.is_plain:
        return "the built-in strangers are images of 8 bits: name others with --ood FOLDER."
    return ""


def strangers(case: Case, n: int) -> tuple[dict[str, Dataset], list[str]]:
    """Sets of strangers by name, n images at most each; and what is left out, in words."""
    if case.strangers is not None:
        return {case.strangers.name: _some(case.strangers, n, case.seed)}, []
    side = max(case.settings["size"])
    rng = np.random.default_rng([case.seed, 60])
    noise = rng.integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    sets = {"noise": _unlabeled("noise", noise)}
    shown = set(case.classes)
    notes = []
    for name, source in (("shapes", f"shapes:{n}"), ("digits", "digits")):
        dataset = open_data(source)
        classes = set(dataset.classes.names) if dataset.classes else set()
        if classes <= shown or case.part.dataset.format == name:
            notes.append(f"Built-in {name} are left out: they are classes of the model.")
            continue
        some = _some(dataset, n, case.seed)
        sets[name] = _unlabeled(name, np.stack([some.pixels.read(i) for i in range(len(some))]))
    return sets, notes


def _some(dataset: Dataset, n: int, seed: int) -> Dataset:
    return dataset.subset(np.sort(np.random.default_rng(seed).permutation(len(dataset))[:n]))


def _unlabeled(name: str, images: np.ndarray) -> Dataset:
    ids = [f"{name}/{i:04d}" for i in range(len(images))]
    return Dataset(name, name, ids, Arrays(images), Unlabeled(len(images)))


@torch.no_grad()
def _scores(case: Case, dataset: Dataset, bank: np.ndarray) -> dict[str, np.ndarray]:
    """(N,) of each score; higher is more like the classes. Images are decoded once.

    Source of the energy: Liu et al., Energy-based out-of-distribution detection, NeurIPS 2020; of a model
    without logits that of its log-probabilities.
    """
    model, features = case.model, case.features
    assert model is not None
    assert features is not None
    parts: dict[str, list[np.ndarray]] = {}
    for batch in case.loader(dataset).epoch(0):
        images = batch.images.to(case.devices.device)
        outputs = {name: value.float() for name, value in model(images).items()}
        prediction: Any = model.predict_from_outputs(outputs, case.settings).to("cpu")
        near = features(model.normalize(images)).flatten(1).double().cpu().numpy()
        scores = _confidences(prediction, outputs) | {"knn": -distance(normalized(near), bank)}
        for name, values in scores.items():
            parts.setdefault(name, []).append(values)
    return {name: np.concatenate(values) for name, values in parts.items()}


def _confidences(prediction: Any, outputs: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """(B,) of each score that predictions of this kind have: of a class its probability and the energy, of
    objects the highest score, 0 where there are none."""
    scores = getattr(prediction, "scores", None)
    if scores is None:
        return {}
    if hasattr(prediction, "counts"):
        top = torch.zeros(len(prediction), dtype=torch.float64)
        top.scatter_reduce_(0, prediction.image, scores.double(), "amax")
        return {"top-score": top.numpy()}
    logits = outputs["logits"] if "logits" in outputs else outputs["scores"].clamp_min(1e-38).log()
    energy = logsumexp(logits.double().cpu().numpy(), axis=1)
    return {"max-softmax": scores.double().numpy().max(1), "energy": energy}


def normalized(features: np.ndarray) -> np.ndarray:
    """Features of length 1."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return np.asarray(features / np.maximum(lengths, 1e-12))


def distance(features: np.ndarray, bank: np.ndarray) -> np.ndarray:
    """(N,) distance to the k-th nearest of the training images.

    Source: Sun et al., Out-of-distribution detection with deep nearest neighbors, ICML 2022.
    """
    k = min(NEIGHBORS, len(bank)) - 1
    squared = 2 - 2 * features @ bank.T
    return np.asarray(np.sqrt(np.maximum(np.partition(squared, k, axis=1)[:, k], 0)))


def plant(seed: int) -> Case:
    """A model whose features are blind to what is not in the classes: everything bright is one of them."""
    return _case(seed, blind=True)


def clean(seed: int) -> Case:
    """Features that are the image itself."""
    return _case(seed, blind=False)


def _case(seed: int, blind: bool) -> Case:
    images, labels = _images(300, seed)
    train = _images(300, seed + 100)
    if blind:
        planted = ("noise", "shapes", "digits")
        return with_model(images, labels, _checksum, _checksum, train, seed=seed, planted=planted)
    return with_model(images, labels, _three_bands, _pixels, train, seed=seed)


def _three_bands(x: Tensor) -> Tensor:
    """Logits: how bright each third of the image is."""
    return 20 * torch.stack([band.mean((1, 2, 3)) for band in x[:, :, :15].chunk(3, 2)], 1)


def _pixels(x: Tensor) -> Tensor:
    """Features: the pixels."""
    return x.flatten(1) - 0.2


def _checksum(x: Tensor) -> Tensor:
    """Logits that depend on a checksum of the image only."""
    total = (255 * x).round().sum((1, 2, 3))
    return torch.stack([torch.sin(total * f) * 3 for f in (1.3, 2.1, 3.7)], 1)


def _images(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Images with a bright third."""
    rng = np.random.default_rng([seed, 60])
    labels = rng.integers(0, 3, n)
    images = rng.integers(20, 60, (n, SIDE, SIDE, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[5 * label : 5 * label + 5] += 150
    return images, labels
