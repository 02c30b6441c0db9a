"""How often each check of an audit finds what is planted, at its place, and what is not there.

    python benchmarks/audit.py [--seeds 20] [--only shortcuts,labels] [--json FILE]

Each check brings cases with a planted fault and cases without (`plant` and `clean` in its file). Checks
without a bound have nothing to find and are left out. Counts the seconds of the processor.
"""

from __future__ import annotations

import time
from types import ModuleType
from typing import Any

from _common import arguments, report
from sightline.audits import AUDITS
from sightline.audits._budget import Planned
from sightline.audits._session import run_check
from sightline.audits._verdict import Verdict
from sightline.metrics.intervals import exact


def audited(module: ModuleType, which: str, seed: int) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on one planted or clean case, and what was planted."""
    case = getattr(module, which)(seed)
    return run_check(module, case, Planned(module.CARD, len(case.part), 0.0)), case.planted


def measured(name: str, seeds: int) -> dict[str, Any]:
    """Faults that are found and at their place, and alarms without a fault, of so many cases each."""
    module, started = AUDITS.load(name), time.process_time()
    hits, places, alarms = 0, 0, 0
    for seed in range(seeds):
        verdict, planted = audited(module, "plant", seed)
        is_hit = verdict.level in ("broken", "weak")
        hits += is_hit
        places += is_hit and set(verdict.places[:3]) <= set(planted)
        alarms += audited(module, "clean", seed)[0].level in ("broken", "weak")
    return {
        "seeds": seeds,
        "found": hits,
        "at its place": places,
        "found, 95 %": [round(v, 3) for v in exact(places, seeds)],
        "false alarms": alarms,
        "seconds": round(time.process_time() - started, 1),
    }


def main() -> None:
    args = arguments(__doc__ or "", seeds=20, only="")
    names = [name for name in AUDITS.names() if AUDITS.load(name).CARD.bounds]
    results = {}
    for name in [n for n in names if not args.only or n in args.only.split(",")]:
        results[name] = measured(name, args.seeds)
        print(name, results[name], flush=True)
    report("audit", results, args.json)


if __name__ == "__main__":
    main()
