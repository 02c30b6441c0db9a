"""`compare`: run folders as training leaves them, paired by image."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch

from sightline.core.dataset import Classes
from sightline.core.run import Run
from sightline.core.run_record import FORMAT, RunRecord
from sightline.core.targets.label import ClassLabels
from sightline.core.targets.number import RegressionValues
from sightline.core.task import DataInfo
from sightline.errors import DataError, UsageError
from sightline.evaluation.comparison import compare_runs

N = 300
TRUTH = np.random.default_rng(0).integers(0, 3, N)


def made(
    path: Path,
    *,
    task: str = "classify",
    skill: float = 2.0,
    seed: int = 1,
    ids: list[str] | None = None,
    target: np.ndarray = TRUTH,
    classes: tuple[str, ...] = ("cat", "dog", "owl"),
) -> Path:
    """A run folder with test predictions of a model of this skill."""
    rng, n = np.random.default_rng(seed), len(target)
    number = task == "regress"
    info = DataInfo(None if number else Classes(classes), ("price",) if number else (), False, 3, (8, 8),
                    (0.5,) * 3, (0.2,) * 3, (), ((0.0, 1.0),) if number else (), 100)  # fmt: skip
    data = {"classes": [] if number else list(classes), "outputs": list(info.outputs), "fingerprint": "f"}
    facts = {
        "format": FORMAT,
        "model_config": {"task": task},
        "data_info": asdict(info),
        "task_config": {},
        "data": data,
    }
    run = Run.create(path, RunRecord.from_json(facts))
    ids = ids or [f"img/{i:03d}.png" for i in range(n)]
    if number:
        value = torch.tensor(target[:, None], dtype=torch.float32)
        run.save_predictions(
            "test",
            ids,
            RegressionValues(value + torch.tensor(rng.normal(size=(n, 1)) / skill)),
            RegressionValues(value),
        )
    else:
        p = torch.tensor(rng.normal(size=(n, 3)) + skill * np.eye(3)[target]).softmax(1)
        run.save_predictions("test", ids, ClassLabels(p.argmax(1), p), ClassLabels(torch.tensor(target)))
    return path


def test_the_better_run_is_named(tmp_path: Path) -> None:
    result = compare_runs([made(tmp_path / "weak", skill=1.0), made(tmp_path / "strong", skill=3.0, seed=2)])
    assert result.summary().startswith("strong is better than weak")
    (table,) = result.figures()
    assert table.rows[0][0] == "accuracy"
    assert [row[5] for row in table.rows][:2] == ["strong", "strong"]
    outputs = json.loads(json.dumps(result.to_json()))
    accuracy = outputs["pairs"][0]["metrics"]["accuracy"]
    assert accuracy["better"] == "strong"
    assert accuracy["difference"]["high"] < 0
    assert accuracy["method"] == "exact McNemar (mid-P)"


def test_no_winner_is_named_where_the_data_do_not_tell(tmp_path: Path) -> None:
    result = compare_runs([made(tmp_path / "a"), made(tmp_path / "b", seed=2)])
    assert "do not allow to say which is better" in result.summary()


def test_images_are_paired_by_name_not_by_place(tmp_path: Path) -> None:
    order = np.random.default_rng(3).permutation(N)
    names = [f"img/{i:03d}.png" for i in range(N)]
    a = made(tmp_path / "a")
    b = made(tmp_path / "b", skill=30.0)
    ids, prediction, target = Run.open(b).predictions("test")
    Run.open(b).save_predictions("test", [ids[i] for i in order], prediction[order], target[order])
    line = compare_runs([a, b]).pairs[0].lines["accuracy"]
    assert line.b.value == 1.0
    assert names == ids


def test_only_common_images_count_and_the_rest_is_said(tmp_path: Path) -> None:
    a = made(tmp_path / "a", target=TRUTH[:200])
    b = made(tmp_path / "b", target=TRUTH[50:], ids=[f"img/{i:03d}.png" for i in range(50, N)])
    result = compare_runs([a, b])
    assert result.pairs[0].n == 150
    assert result.pairs[0].lines["accuracy"].a.n == 150
    assert "150 test images that both have; 50 of the first and 100 of the other" in result.summary()


def test_several_runs_are_corrected(tmp_path: Path) -> None:
    a, b, c = (
        made(tmp_path / n, seed=s, skill=k) for n, s, k in (("a", 1, 2.0), ("b", 2, 2.4), ("c", 3, 2.4))
    )
    alone = [compare_runs([a, other]).pairs[0].lines["log loss"].test.p for other in (b, c)]
    together = [pair.lines["log loss"].test.p for pair in compare_runs([a, b, c]).pairs]
    assert sorted(together) == pytest.approx(sorted([2 * min(alone), max(2 * min(alone), max(alone))]))
    assert "Holm" in compare_runs([a, b, c]).summary()


def test_regression_runs_compare_by_their_errors(tmp_path: Path) -> None:
    target = np.random.default_rng(0).normal(size=N)
    a = made(tmp_path / "a", task="regress", target=target, skill=1.0)
    b = made(tmp_path / "b", task="regress", target=target, skill=5.0, seed=2)
    assert compare_runs([a, b]).summary().startswith("b is better than a")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"task": "regress", "target": TRUTH.astype(float)}, "a run of classify and b of regress"),
        ({"classes": ("cat", "dog", "eel")}, r"different classes \(eel, owl\)"),
        ({"ids": [f"other/{i}" for i in range(N)]}, "no test image in common"),
        ({"target": (TRUTH + (np.arange(N) < 7)) % 3}, "target of 7 of 300"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path: Path, change: dict[str, object], says: str) -> None:
    a, b = made(tmp_path / "a"), made(tmp_path / "b", **change)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=says):
        compare_runs([a, b])


def test_wrong_folders_are_named(tmp_path: Path) -> None:
    a = made(tmp_path / "a")
    with pytest.raises(UsageError, match="two or more runs"):
        compare_runs([a])
    with pytest.raises(UsageError, match="named twice"):
        compare_runs([a, tmp_path / "." / "a"])
    with pytest.raises(DataError, match="no run folder"):
        compare_runs([a, tmp_path / "nothing"])
    unfinished = made(tmp_path / "unfinished")
    (unfinished / "predictions" / "test.jsonl").unlink()
    with pytest.raises(DataError, match="did not get that far"):
        compare_runs([a, unfinished])
