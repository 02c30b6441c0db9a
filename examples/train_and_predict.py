"""Train on the embedded digits, then load the model and predict for arrays."""

import sys
from pathlib import Path

import sightline as sl


def main(folder: Path) -> None:
    run = sl.train("digits", model="mlp", epochs=3, out=folder / "digits")
    print("accuracy", run.results.scores["accuracy"].text(percent=True))
    print(*run.results.conclusions, sep="\n")

    digits = sl.open_data("digits")
    some = [digits.pixels.read(i) for i in range(5)]  # (8, 8, 1) uint8 each
    for outcome in sl.load(run.path).predict(some):
        print(outcome.id, outcome.row["label"], outcome.row["confidence"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
