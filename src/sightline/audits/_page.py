"""The page of an audit: what embarrasses most comes first."""

from __future__ import annotations

from sightline.audits import AUDITS
from sightline.audits._budget import duration
from sightline.audits._case import Case
from sightline.audits._result import Audit
from sightline.audits._verdict import Verdict
from sightline.core.report import Score, Table
from sightline.data.inputs import finder
from sightline.report import page
from sightline.report.page import Badge, Page, Section, Tone

TONES: dict[str, Tone] = {"broken": "bad", "weak": "warn", "told": "told", "sound": "good", "skipped": "off"}
SETTLED = (
    "Validation has chosen the weights, so that its plain scores are a little too good. Differences, shares "
    "and gaps are taken on the same images, and hardly suffer."
)


def write_page(audit: Audit, case: Case) -> None:
    """Write audit.html."""
    name = audit.facts["run"].rpartition("/")[2]
    lead = f"{audit.facts['task']} on {audit.facts['data']}, audited on {audit.facts['split']}."
    score = case.score(case.part)
    facts = [(case.metric.card.name, score.text(case.metric.card.percent))]
    facts += [(level, str(count)) for level, count in _counts(audit.verdicts).items() if count]
    conclusions = [audit.headline, *(a.line for a in audit.answers)]
    sections = [Section("Verdict", figures=[_overview(audit)])]
    sections += [_section(v) for v in audit.verdicts if v.level != "skipped"]
    sections.append(_measured(audit))
    content = Page(f"Audit of {name}", lead, facts, conclusions, sections)
    page.write(content, finder(case.part.dataset), audit.folder / "audit.html")


def _counts(verdicts: tuple[Verdict, ...]) -> dict[str, int]:
    levels = ("broken", "weak", "sound", "told", "skipped")
    return {level: sum(v.level == level for v in verdicts) for level in levels}


def _overview(audit: Audit) -> Table:
    rows = [
        [
            Badge(v.level, TONES[v.level]),
            AUDITS.load(v.name).CARD.title,
            v.sentence,
            v.fix or v.command or "–",
            duration(v.seconds),
        ]
        for v in audit.verdicts
    ]
    return Table("", ["level", "what", "result", "what to do", "time"], rows)


def _section(verdict: Verdict) -> Section:
    card = AUDITS.load(verdict.name).CARD
    text = verdict.sentence
    text += f"\n\nWhat to do: {verdict.fix}" if verdict.fix else ""
    text += "".join(f"\n\nThe numbers must not be believed: {flag}" for flag in verdict.flags)
    shown = {k: s for k, s in verdict.scores.items() if isinstance(s, Score)}
    rows = [[name, score, _bound(verdict.name, name)] for name, score in shown.items()]
    scores = Table("Scores", ["score", "value", "bound"], rows, "With 95 % intervals.")
    badge = Badge(verdict.level, TONES[verdict.level])
    return Section(card.title, text, [*verdict.figures, *([scores] if rows else [])], badge=badge)


def _bound(check: str, score: str) -> str:
    bound = AUDITS.load(check).CARD.bounds.get(score)
    if bound is None:
        return "none"
    return f"at least {bound.at_least:g}" if bound.at_least is not None else f"at most {bound.at_most:g}"


def _measured(audit: Audit) -> Section:
    facts = audit.facts
    rows = [
        [v.name, f"{v.n:,} of {v.of:,}", AUDITS.load(v.name).CARD.sees, _settings(v)]
        for v in sorted(audit.verdicts, key=lambda v: v.name)
    ]
    text = (
        f"Broken: an interval lies wholly beyond its bound. Weak: a value does, and its interval does not. "
        f"Told: there is no bound.\n\n{SETTLED if facts['split'] == 'val' else ''}"
    )
    about = [[k, facts[k]] for k in ("run", "sightline", "weights", "fingerprint", "seed", "started")]
    about += [[k, str(v)] for k, v in facts["machine"].items()]
    return Section("How it was measured", text, [
        Table("What each check sees", ["check", "images", "what it sees", "settings"], rows),
        Table("The audit", ["what", "value"], about),
    ])  # fmt: skip


def _settings(verdict: Verdict) -> str:
    if verdict.level == "skipped":
        return f"skipped: {verdict.reason}"
    return ", ".join(f"{k} {v}" for k, v in verdict.settings.items()) or "–"
