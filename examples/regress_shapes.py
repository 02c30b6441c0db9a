"""Regression: what share of a generated scene is covered by shapes, in per cent."""

import sys
from pathlib import Path

import sightline as sl


def main(folder: Path) -> None:
    recipe = sl.Recipe(epochs=3, size=32, augment="none")
    run = sl.train("shapes:area:300", model="lenet5", recipe=recipe, loss="mae", out=folder / "area")
    for name, score in run.results.scores.items():
        print(name, score.text(), "- mean baseline", run.results.baselines["mean"][name].text())
    ids, prediction, target = run.predictions("test")
    print("first test scene:", ids[0], "predicted", float(prediction.value[0]), "is", float(target.value[0]))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "runs"))
