"""Scores of tracking are those of TrackEval, and mean what they say."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.track_metrics import flagged, ours, random_pair, reference
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.core.metric import Evaluation
from sightline.core.targets.tracks import Tracks
from sightline.data.open import open_data
from sightline.metrics import METRICS
from sightline.metrics.clear import clear_counts, counts_table
from sightline.metrics.compare import paired
from sightline.metrics.intervals import score

# Of trackeval 1.3.0, printed by `python benchmarks/track_metrics.py --constants`.
REFERENCE = {
    "TUD-Campus": {
        "hota": 0.3913974378451139, "deta": 0.418047030142763, "assa": 0.36912068120832836,
        "loca": 0.770052227022172, "mota": 0.5264623955431755, "motp": 0.7227989153605385,
        "idf1": 0.5576592082616179,
        "TP": 209, "FP": 13, "FN": 150, "IDSW": 7, "Frag": 7, "MT": 1, "ML": 1,
    },
    "TUD-Stadtmitte": {
        "hota": 0.3978490169927877, "deta": 0.3922675723693166, "assa": 0.4088407518112996,
        "loca": 0.737521177178062, "mota": 0.5640138408304498, "motp": 0.6540957044559912,
        "idf1": 0.6446194225721785,
        "TP": 704, "FP": 45, "FN": 452, "IDSW": 7, "Frag": 6, "MT": 5, "ML": 1,
    },
    "flagged 0": {
        "hota": 0.3448194090179018, "deta": 0.2727790223714926, "assa": 0.4366573279281653,
        "loca": 0.7548444735687279, "mota": -0.28, "motp": 0.7020254101968916,
        "idf1": 0.5356125356125356,
        "TP": 96, "FP": 130, "FN": 29, "IDSW": 1, "Frag": 34, "MT": 3, "ML": 0,
    },
    "flagged 1": {
        "hota": 0.32055394051385105, "deta": 0.26187663834033953, "assa": 0.39291063215933236,
        "loca": 0.7397113279972133, "mota": -0.16129032258064516, "motp": 0.6742065615109549,
        "idf1": 0.5443037974683544,
        "TP": 43, "FP": 53, "FN": 19, "IDSW": 0, "Frag": 17, "MT": 0, "ML": 0,
    },
    "flagged 2": {
        "hota": 0.3514369694145879, "deta": 0.29671155616277795, "assa": 0.418410937994686,
        "loca": 0.7456777340482197, "mota": -0.014705882352941176, "motp": 0.6912228247970514,
        "idf1": 0.5818181818181818,
        "TP": 48, "FP": 49, "FN": 20, "IDSW": 0, "Frag": 15, "MT": 0, "ML": 0,
    },
    "all random": {
        "hota": 0.36915684904670765, "deta": 0.4208695539810954, "assa": 0.32806679505880587,
        "loca": 0.7442220540242386, "mota": 0.4493251385876115, "motp": 0.6920305165774925,
        "idf1": 0.5938736717459724,
        "TP": 11792, "FP": 3703, "FN": 4804, "IDSW": 632, "Frag": 3361, "MT": 204, "ML": 7,
    },
}  # fmt: skip


def same(name: str, scores: dict[str, float]) -> None:
    assert scores == pytest.approx(REFERENCE[name], abs=1e-9), name


def test_random_sequences_score_as_in_trackeval() -> None:
    pairs = [random_pair(seed) for seed in range(200)]
    same("all random", ours(Tracks.cat([p for p, _ in pairs]), Tracks.cat([t for _, t in pairs])))


@pytest.mark.parametrize("seed", range(3))
def test_flags_and_distractors_are_left_out_as_in_mot17(seed: int) -> None:
    prediction, target, _ = flagged(seed)
    same(f"flagged {seed}", ours(prediction, target))
    plain = ours(prediction, replace(target, ignored=None, roles=None))
    assert plain["FN"] > REFERENCE[f"flagged {seed}"]["FN"]


@pytest.mark.parametrize("name", ["TUD-Campus", "TUD-Stadtmitte"])
def test_a_published_result_scores_as_in_trackeval(name: str, data_folder: Callable[[str], Path]) -> None:
    folder = data_folder("tud_mot_text") / name
    result, target = open_data(folder / "example_result.txt"), open_data(folder / "gt" / "gt.txt")
    same(name, ours(result.targets_as(Tracks).as_prediction(0), target.targets_as(Tracks)))


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**32), objects=st.integers(0, 30))
def test_any_sequence_scores_as_in_trackeval(seed: int, objects: int) -> None:
    pytest.importorskip("trackeval", reason="trackeval is not installed; its numbers stand in REFERENCE")
    prediction, target = random_pair(seed, objects)
    mine = ours(prediction, target)
    for key, value in reference(prediction, target).items():
        assert math.isnan(mine[key]) or mine[key] == pytest.approx(value, abs=1e-9), key


def moving(ids: list[int], frames: int = 10) -> Tracks:
    """Objects that stand one below the other; ids as given."""
    rows = [[f, i, 0, 50 * k, 40, 50 * k + 40, 1.0] for f in range(1, frames + 1) for k, i in enumerate(ids)]
    return Tracks.of([rows], [(200, 200)])


def test_names_of_identities_do_not_matter_but_their_changes_do() -> None:
    target = moving([1, 2]).as_target()
    assert ours(moving([9, 4]), target)["hota"] == pytest.approx(1)
    ids = moving([1, 2]).ids
    late = moving([1, 2]).frames > 5
    swapped = replace(moving([1, 2]), ids=torch.where(late, 3 - ids, ids))
    scores = ours(swapped, target)
    assert (scores["IDSW"], scores["TP"], scores["FP"]) == (2, 20, 0)
    assert scores["mota"] == pytest.approx(0.9)
    assert scores["idf1"] == pytest.approx(0.5)
    assert scores["deta"] == pytest.approx(1)
    assert scores["assa"] == pytest.approx(1 / 3)


def test_every_box_its_own_identity_is_the_floor_of_association() -> None:
    target = moving([1, 2], 20).as_target()
    floor = ours(replace(moving([1, 2], 20), ids=torch.arange(40)), target)
    assert floor["deta"] == pytest.approx(1)
    assert floor["assa"] == pytest.approx(1 / 20)


def test_gaps_are_fragments_and_losses_are_counted() -> None:
    target = moving([1, 2]).as_target()
    frames, ids = target.frames, target.ids
    gap = (frames == 4) | (frames == 7)
    counts = clear_counts(Evaluation(moving([1, 2]).select(gap == (ids == 2)), target))
    assert [float(counts[k][0]) for k in ("Frag", "IDSW", "MT", "ML", "tracks")] == [3, 0, 0, 0, 2]


def test_counts_are_listed_for_each_sequence_and_for_all() -> None:
    pairs = [random_pair(seed) for seed in (1, 2)]
    prediction, target = (Tracks.cat([pair[k] for pair in pairs]) for k in (0, 1))
    table = counts_table(prediction, target, ["a", "b"])
    assert [row[0] for row in table.rows] == ["a", "b", "all"]
    for k in range(1, len(table.columns)):
        assert table.rows[2][k] == table.rows[0][k] + table.rows[1][k]
    each = ours(*pairs[0])
    assert [table.rows[0][table.columns.index(k)] for k in ("IDSW", "Frag")] == [each["IDSW"], each["Frag"]]


def test_other_classes_do_not_match() -> None:
    prediction, target = moving([1, 2]), moving([1, 2]).as_target()
    kinds = torch.zeros(20, dtype=torch.int64)
    assert ours(replace(prediction, labels=kinds), replace(target, labels=kinds))["TP"] == 20
    assert ours(replace(prediction, labels=kinds + 1), replace(target, labels=kinds))["TP"] == 0
    assert ours(prediction, replace(target, labels=kinds))["TP"] == 20, "no class fits all"


def test_an_interval_needs_five_sequences_and_comparisons_too() -> None:
    pairs = [random_pair(seed) for seed in range(30)]
    prediction, target = (Tracks.cat([pair[k] for pair in pairs]) for k in (0, 1))
    for name in ("hota", "mota", "idf1"):
        metric = METRICS.load(name).METRIC()
        stats = metric.sample_statistics(prediction, target)
        whole = score(metric, stats)
        assert whole.low < whole.value < whole.high
        few = {k: v[:4] for k, v in stats.items()}
        assert math.isnan(score(metric, few).low)
        assert "fewer than 5" in score(metric, few).method
        test = paired(metric, few, {k: v[::-1][:4] for k, v in stats.items()})
        assert math.isnan(test.p)
        assert "fewer than 5" in test.method


def test_no_boxes_at_all_have_no_score() -> None:
    empty = Tracks.of([np.zeros((0, 7))], [(9, 9)], [5])
    assert all(math.isnan(v) for k, v in ours(empty, empty.as_target()).items() if k.islower())
    only = ours(empty, moving([1]).as_target())
    assert (only["hota"], only["mota"], only["FN"]) == (0, 0, 10)
