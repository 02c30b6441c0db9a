"""What single checks of an audit say where their answer is known."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from sightline.audits import confidence, corruptions, data, groups, labels, membership, metadata, ood
from sightline.audits._budget import Budget
from sightline.audits._case import Case, Part
from sightline.audits._compare import compare_audits
from sightline.audits._planted import case_of, predicted, probabilities
from sightline.audits._require import answer, parse
from sightline.audits._result import Audit
from sightline.audits._rules import level_of
from sightline.audits._statistics import auroc, difference, fisher, ratio, share
from sightline.audits._verdict import Bound, Verdict
from sightline.core.report import Score
from sightline.core.sample import Batch
from sightline.core.task import DataInfo
from sightline.data.open import open_data
from sightline.tasks import task_type

finite = st.floats(-1, 1)


@given(finite, st.floats(0, 0.5), finite)
def test_levels_follow_the_table_of_rules(value: float, half: float, limit: float) -> None:
    score = Score(value, value - half, value + half, 100)
    level = level_of({"a.x": score}, {"a.x": Bound(at_most=limit)})
    assert level == ("broken" if score.low > limit else "weak" if value > limit else "sound")
    mirrored = Score(-value, -value - half, -value + half, 100)
    assert level_of({"a.x": mirrored}, {"a.x": Bound(at_least=-limit)}) == level
    assert level_of({"a.x": score}, {}) == "told"
    shown = level_of({"a.x": score}, {"a.x": Bound(at_most=limit, null=score.low)})
    assert shown == "sound"  # the interval holds what there is without any fault


def test_a_score_that_is_not_defined_has_no_level() -> None:
    nothing = Score(math.nan, math.nan, math.nan, 0)
    assert level_of({"a.x": nothing}, {"a.x": Bound(at_most=1)}) == "told"


@given(st.integers(0, 12), st.integers(0, 9))
def test_mid_p_lies_below_fishers_p(a: int, b: int) -> None:
    whole = float(fisher_exact([[a, 12 - a], [b, 9 - b]])[1])
    mid = fisher(a, 12, b, 9)
    assert 0 < mid <= whole + 1e-12
    assert mid == pytest.approx(fisher(b, 9, a, 12))


def test_a_difference_holds_what_both_intervals_allow() -> None:
    gap = difference(share(90, 100), share(60, 100))
    assert gap.value == pytest.approx(0.3)
    assert 0.17 < gap.low < 0.2
    assert 0.39 < gap.high < 0.43  # Newcombe's interval, with exact ends: 0.18 to 0.41


def test_auroc_of_what_is_apart_and_of_what_is_alike() -> None:
    rng = np.random.default_rng(0)
    assert auroc(np.arange(10.0) + 20, np.arange(10.0)).value == 1
    alike = auroc(rng.normal(size=300), rng.normal(size=300))
    assert alike.low < 0.5 < alike.high


@pytest.mark.parametrize("n", [4, 9, 20, 200])
def test_conformal_sets_hold_the_class_often_enough(n: int) -> None:
    held = []
    for seed in range(30):
        scores, labels = probabilities(2 * n, 3, np.random.default_rng([n, seed]))
        covered, size = confidence.conformal(case_of(scores, labels).part, seed)
        held.append(covered.value)
        if n < 9:  # the rank does not exist: all classes
            assert size.value == 3
            assert covered.value == 1
    assert np.mean(held) > 0.9 - 0.02


def test_groups_of_a_few_images_are_listed_and_not_ranked() -> None:
    scores, labels = probabilities(200, 3, np.random.default_rng(0), 2)
    site = np.array(["F"] * 11 + ["A"] * 90 + ["B"] * 94 + [""] * 5, dtype=object)
    scores[:11] = scores[:11, ::-1]
    verdict = groups.run(case_of(scores, labels, columns={"site": site}), Budget(200))
    assert '"site = F" (11)' in verdict.sentence
    assert "5 images have no 'site'" in verdict.sentence
    assert verdict.places[0] != "site = F"


def test_random_columns_are_not_blamed() -> None:
    """20 audits of two columns of random values: none is broken or weak."""
    levels = []
    for seed in range(20):
        rng = np.random.default_rng([seed, 1])
        scores, labels = probabilities(400, 3, rng, 1)
        columns = {name: rng.choice(list("ABC"), 400).astype(object) for name in ("x", "y")}
        levels.append(groups.run(case_of(scores, labels, columns=columns), Budget(400)).level)
    assert set(levels) == {"sound"}


def test_the_margin_of_the_surest_image_is_finite_and_not_a_tie() -> None:
    scores = np.array([[1 - 1e-12, 1e-12, 0], [1 - 1e-14, 1e-14, 0], [1.0, 0, 0], [0, 1.0, 0]])
    case = case_of(scores, np.zeros(4, int))
    margins = membership.margin(case.part)
    assert np.isfinite(margins).all()
    assert margins[0] < margins[1] < margins[2]
    assert margins[3] < -100
    assert predicted(scores).scores is not None


def test_digits_are_no_strangers_to_digits() -> None:
    case = ood.clean(0)
    case.settings["classes"] = [str(i) for i in range(10)]
    sets, notes = ood.strangers(case, 50)
    assert set(sets) == {"noise", "shapes"}
    assert notes == ["Built-in digits are left out: they are classes of the model."]


def test_requirements_name_the_images_that_would_be_needed() -> None:
    score = share(83, 100)
    verdict = Verdict("groups", "weak", "", {"groups.worst": score}, n=100)
    reached = answer(parse("groups.worst>=0.7"), [verdict])
    assert reached.is_met
    missed = answer(parse("groups.worst >= 0.8"), [verdict])
    assert not missed.is_met
    assert "images would be needed" in missed.line
    assert answer(parse("value(groups.worst)>=0.8"), [verdict]).is_met
    assert "would be needed" not in answer(parse("groups.worst>=0.9"), [verdict]).line
    flagged = Verdict("groups", "sound", "", {"groups.worst": score}, flags=("gradients vanish",))
    assert not answer(parse("groups.worst>=0.1"), [flagged]).is_met
    skipped = Verdict("groups", "skipped", "", reason="no time")
    assert "no time" in answer(parse("groups.worst>=0.1"), [skipped]).line


def test_a_ratio_is_of_sums_and_its_interval_of_images() -> None:
    held = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        of = rng.integers(1, 30, 60).astype(float)
        counts = rng.binomial(of.astype(int), 0.3).astype(float)
        alone = ratio(counts, of)
        held.append(alone.low < 0.3 < alone.high)
    assert alone.value == pytest.approx(counts.sum() / of.sum())
    assert np.mean(held) > 0.88
    doubled = ratio(np.tile(counts, 2), np.tile(of, 2), np.tile(np.arange(60), 2))
    assert doubled.low == pytest.approx(alone.low, abs=1e-3)  # the same image twice says nothing new


def detected(found: float, score: float) -> Case:
    """A detector that finds a share of the objects of 60 images, all with one score, and invents as many."""
    rng, boxed = np.random.default_rng(0), open_data("shapes:boxes:60")
    target = boxed.targets
    boxes = target.boxes.clone()
    boxes[torch.from_numpy(rng.random(len(boxes)) > found)] -= 500
    scores = torch.full((len(boxes),), score)
    prediction = replace(target, boxes=boxes, scores=scores, areas=None, crowd=None, difficult=None)
    info = DataInfo(boxed.classes, (), 3, (64, 64), (0.5,) * 3, (0.25,) * 3, 60)
    settings = {
        "classes": list(boxed.classes.names if boxed.classes else ()),
        "size": [64, 64],
        "channels": 3,
    }
    task = task_type("detect")
    return Case(task(info, task.Options()), Part("val", boxed, prediction), settings)


def test_a_weak_detector_is_no_judge_of_annotations() -> None:
    weak = labels.run(detected(0.5, 0.9), Budget(60))
    assert weak.level == "told"
    assert "too weak to judge the annotations" in weak.sentence
    assert "labels.doubted" not in weak.scores
    assert weak.scores["labels.agreement"].value < 0.8
    able = labels.run(detected(0.99, 0.9), Budget(60))
    assert able.level in ("sound", "weak", "broken")
    assert able.scores["labels.agreement"].value > 0.95


def test_scores_of_objects_are_held_against_the_share_that_is_right() -> None:
    verdict = confidence.run(detected(0.5, 0.95), Budget(60))
    assert verdict.level == "broken"
    assert verdict.places == ("overconfident",)
    assert verdict.scores["confidence.ece"].value == pytest.approx(0.45, abs=0.06)
    fine = confidence.run(detected(0.9, 0.9), Budget(60))
    assert fine.level == "sound", fine.sentence


@pytest.mark.parametrize("n", [60, 400])
def test_intervals_around_numbers_hold_them_as_often_as_they_say(n: int) -> None:
    counted = open_data(f"shapes:count:{n}")
    noise = torch.randn(counted.targets.value.shape, generator=torch.Generator().manual_seed(0))
    prediction = replace(counted.targets, value=counted.targets.value + 0.1 * noise)
    task = task_type("regress")
    info = DataInfo(None, counted.outputs, 3, (64, 64), (0.5,) * 3, (0.25,) * 3, n)
    case = Case(
        task(info, task.Options()), Part("val", counted, prediction), {"size": [64, 64], "channels": 3}
    )
    verdict = confidence.run(case, Budget(n))
    assert verdict.scores["confidence.coverage"].high > 0.9 > verdict.scores["confidence.coverage"].low
    assert verdict.scores["confidence.width"].value == pytest.approx(0.1645, rel=0.35)
    assert verdict.level == "sound"


def test_all_frames_of_a_clip_are_changed_alike() -> None:
    clip = torch.full((2, 3, 4, 16, 16), 120, dtype=torch.uint8)
    changed = corruptions._corrupted(Batch(clip, None, ["a", "b"]), "brightness", 5, 0).images
    assert changed.shape == clip.shape
    assert (changed == changed[:, :, :1]).all()
    assert changed.float().mean() > 130
    turned = corruptions._moved(Batch(clip, None, ["a", "b"]), torch.tensor([[-1.0, 0, 1], [0, 1, 0]])).images
    assert (turned == clip).all()


def test_images_without_files_have_no_metadata() -> None:
    scores, target = probabilities(60, 3, np.random.default_rng(0))
    case = case_of(scores, target)
    case.train = case.part
    assert "do not lie in files" in metadata.run(case, Budget(60)).reason


def written(folder: Path, right: int, **facts: Any) -> Path:
    """A run with an audit in which so many of 100 images withstand attacks."""
    ece = Score(0.02, 0.01, 0.04, 100)
    rows = tuple({"id": str(i), "pgd": i < right} for i in range(100))
    verdicts = (
        Verdict("robust", "weak", "", {"robust.pgd": share(right, 100)}, n=100, rows=rows),
        Verdict("confidence", "sound", "", {"confidence.ece": ece}, n=100),
    )
    content = {"task": "classify", "fingerprint": "f", "split": "val", "run": str(folder), **facts}
    audit = Audit(folder / "audit", content, verdicts)
    audit.folder.mkdir(parents=True)
    (audit.folder / "audit.json").write_text(json.dumps(audit.to_json()))
    (audit.folder / "robust.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    return folder


def test_two_audits_are_compared_image_by_image_where_they_can_be(tmp_path: Path) -> None:
    a, b = written(tmp_path / "a", 60), written(tmp_path / "b", 50)
    notes, (table,) = compare_audits(a, b)
    assert notes == ["Audits: a is better in robust.pgd."]  # unpaired, 60 and 50 of 100 are not told apart
    methods = {row[0]: row[-1] for row in table.rows}
    assert methods == {"robust.pgd": "image by image", "confidence.ece": "intervals"}
    assert compare_audits(a, tmp_path) == ([], [])
    other = written(tmp_path / "c", 50, split="test")
    assert "split val and test" in compare_audits(a, other)[0][0]


@given(st.floats(0.1, 5), st.floats(0.1, 1.4), st.floats(0, 0.2))
def test_a_power_law_is_extended_as_it_goes_on(a: float, power: float, c: float) -> None:
    sizes, ahead = np.array([100.0, 200, 400, 800]), np.array([800.0, 1600, 3200])
    law = [a * n**-power + c for n in (sizes, ahead)]
    result = data.extended(sizes, law[0][None], ahead)[0]
    assert result == pytest.approx(law[1], rel=0.1, abs=2e-3)
    assert (np.diff(result) <= 1e-12).all()
    rising = data.extended(sizes, law[0][None, ::-1], ahead)[0]
    assert rising == pytest.approx(np.full(3, rising[0]))  # more data never costs


def test_more_data_is_told_with_a_band_that_holds_what_comes() -> None:
    """A quarter of the images foretells the error with all of them."""
    case = data.plant(0)
    assert case.train is not None
    verdict = data.run(case, Budget(100))
    later = verdict.scores["data.now"]
    case.train = case.train.sample(160, 0)
    foretold = data.run(case, Budget(100)).scores["data.twice"]
    assert foretold.low <= later.value <= foretold.high
    assert verdict.settings["how"].startswith("frozen features")
    case.train = case.train.sample(100, 0)
    assert "it needs 160 training images" in data.run(case, Budget(100)).reason


def test_a_model_at_chance_has_nothing_to_lose() -> None:
    case = corruptions.clean(0)
    case.part.target.value[:] = torch.randint(0, 3, (100,), generator=torch.Generator().manual_seed(0))
    assert "hardly better than chance" in corruptions.run(case, Budget(100)).reason
