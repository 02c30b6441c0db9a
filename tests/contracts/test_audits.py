"""Every check of an audit finds what is planted, and nothing where nothing is."""

from __future__ import annotations

import json

import pytest

from sightline.audits import AUDITS
from sightline.audits._budget import Budget, Planned, Speed, plan
from sightline.audits._rules import LEVELS
from sightline.audits._session import run_check, unable
from sightline.audits._verdict import Verdict
from sightline.storage import finite

SEEDS = (0, 1, 2)


def audited(name: str, which: str, seed: int, n: int | None = None) -> Verdict:
    module = AUDITS.load(name)
    case = getattr(module, which)(seed)
    assert not unable(case, module.CARD)
    return run_check(module, case, Planned(module.CARD, n or len(case.part), 0.0))


@pytest.mark.parametrize("name", AUDITS.names())
def test_card_says_what_the_check_gives(name: str) -> None:
    card = AUDITS.load(name).CARD
    assert card.name == name
    assert card.title
    assert card.sees.endswith(".")
    assert all(score.startswith(f"{name}.") for score in card.scores)
    assert set(card.bounds) <= set(card.scores)
    assert all((b.at_least is None) != (b.at_most is None) for b in card.bounds.values())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", AUDITS.names())
def test_what_is_planted_is_found_at_its_place(name: str, seed: int) -> None:
    module = AUDITS.load(name)
    verdict = audited(name, "plant", seed)
    assert not verdict.reason, verdict.reason
    assert set(verdict.scores) <= set(module.CARD.scores)
    if not module.CARD.bounds:
        assert verdict.level == "told"
        return
    assert verdict.level in ("broken", "weak"), verdict.sentence
    assert verdict.fix
    planted = module.plant(seed).planted
    assert planted
    assert set(verdict.places[:3]) <= set(planted), verdict.sentence


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", AUDITS.names())
def test_nothing_is_found_where_nothing_is(name: str, seed: int) -> None:
    verdict = audited(name, "clean", seed)
    assert verdict.level in ("sound", "told"), verdict.sentence


@pytest.mark.parametrize("name", AUDITS.names())
def test_a_verdict_repeats_and_survives_json(name: str) -> None:
    card = AUDITS.load(name).CARD
    first, again = (audited(name, "plant", 0) for _ in range(2))
    for verdict in (first, again):
        assert verdict.level in LEVELS
        stored = json.loads(json.dumps(finite(verdict.to_json())))
        assert finite(Verdict.from_json(stored).to_json()) == stored
        json.dumps(finite(verdict.rows))
        assert all("id" in row for row in verdict.rows)
    if card.cost.seconds:  # a clock is read
        return
    assert first.sentence == again.sentence
    assert {k: s.value for k, s in first.scores.items()} == {k: s.value for k, s in again.scores.items()}


@pytest.mark.parametrize("name", AUDITS.names())
def test_fewer_images_say_less(name: str) -> None:
    module = AUDITS.load(name)
    case = module.plant(0)
    whole = module.run(case, Budget(len(case.part)))
    part = module.run(case, Budget(max(module.CARD.least, len(case.part) // 2)))
    if module.CARD.least > 1:
        assert part.n < whole.n
    few = case.part.sample(max(1, module.CARD.least - 1), 0)
    case.part = few
    if module.CARD.least > 1:
        assert "images, and there are" in unable(case, module.CARD)


@pytest.mark.parametrize("seconds", [0.0, 1.0, 30.0, 1e6])
def test_a_plan_keeps_to_its_time(seconds: float) -> None:
    cards = sorted((AUDITS.load(name).CARD for name in AUDITS.names()), key=lambda c: c.rank)
    planned = plan(cards, Speed(0.02, 0.06, 300.0), 500, 2000, seconds)
    assert [p.card.name for p in planned] == [c.name for c in cards]
    assert sum(p.seconds for p in planned if p.n) <= seconds + 1e-9
    assert all(min(p.card.least, 500) <= p.n <= 500 for p in planned if p.n)
    assert all(p.seconds > 0 for p in planned if not p.n)
    if seconds == 1e6:
        assert all(p.n == 500 for p in planned)
