"""Train two models on the same split, and ask whether the data allow to say which is better."""

import sys
from pathlib import Path

import sightline as sl


def main(folder: Path) -> None:
    first = sl.train("digits", model="perceptron", epochs=3, out=folder / "perceptron")
    other = sl.train("digits", model="mlp", epochs=3, splits=first.path, out=folder / "mlp")
    comparison = sl.compare(first.path, other.path)
    print(comparison.summary())
    line = comparison.pairs[0].lines["accuracy"]
    print("p", line.test.p, "by", line.test.method, "- better:", line.better or "not decided")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
