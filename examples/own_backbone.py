"""Train a network that is not part of Sightline: networks/tiny.py beside this file."""

import sys
from pathlib import Path

import sightline as sl
import sightline.models.backbones as backbones


def main(folder: Path) -> None:
    # A folder of networks joins the list when it joins the package's path; loading a run needs the same line.
    backbones.__path__.append(str(Path(__file__).parent / "networks"))
    print(sl.list_models("tiny").rows[0])
    run = sl.train("digits", model="tiny", maps=32, epochs=3, lr=0.01, out=folder / "tiny")
    print("accuracy", run.results.scores["accuracy"].text(percent=True))
    print(next(iter(sl.load(run.path).predict(sl.open_data("digits").pixels.read(0)))).row["label"])


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
