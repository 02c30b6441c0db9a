"""Data, networks, metrics and intervals in a training loop of your own, without the engine."""

import torch
from torch.nn import functional as F

import sightline as sl
from sightline.core.targets.label import ClassLabels
from sightline.data.loading.loader import Loader
from sightline.data.split import split
from sightline.metrics import intervals
from sightline.metrics.accuracy import Accuracy
from sightline.models import registry


def main() -> None:
    torch.manual_seed(0)
    data = sl.open_data("digits")
    data = data.with_splits(split(data, strata=data.targets.value.numpy()).assignment)
    train, test = (data.subset(data.indices_of(part)) for part in ("train", "test"))
    network = registry.create("mlp", outputs=len(data.classes), channels=1, size=(8, 8))
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3)

    batches = Loader(train, size=(8, 8), channels=1, batch_size=64, train=True)
    for epoch in range(3):
        for batch in batches.epoch(epoch):
            loss = F.cross_entropy(network(batch.images / 255), batch.targets.value)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    metric = Accuracy()
    network.eval()
    for batch in Loader(test, size=(8, 8), channels=1, batch_size=64, train=False).epoch(0):
        metric.update(ClassLabels(network(batch.images / 255).argmax(1)), batch.targets)
    print("accuracy", intervals.score(metric, metric.stats).text(percent=True))


if __name__ == "__main__":
    main()
