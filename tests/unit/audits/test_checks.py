"""What single checks of an audit say where their answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from sightline.audits import confidence, groups, membership, ood
from sightline.audits._budget import Budget
from sightline.audits._planted import case_of, predicted, probabilities
from sightline.audits._require import answer, parse
from sightline.audits._rules import level_of
from sightline.audits._statistics import auroc, difference, fisher, share
from sightline.audits._verdict import Bound, Verdict
from sightline.core.report import Score

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
