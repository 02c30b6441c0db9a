"""The audit of a run, through the command."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import sightline as sl
from tests.user.conftest import draw_image


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on a table with columns, 120 of 220 images for validation."""
    root = tmp_path_factory.mktemp("audited")
    rng, rows = np.random.default_rng(0), ["path,label,split,site,number,color"]
    for i in range(220):
        Image.fromarray(draw_image(i % 2, rng)).save(root / f"{i}.png")
        split = "val" if i < 120 else "test" if i < 140 else "train"
        label = "day" if i % 2 else "night"
        site = "" if i < 5 else "AB"[i // 2 % 2]
        rows.append(f"{i}.png,{label},{split},{site},{i},{label}")
    (root / "labels.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    with contextlib.chdir(root):
        sl.train("labels.csv", target="label", model="perceptron", epochs=3, out="run", batch_size=8)
    return root / "run"


def test_an_audit_prints_its_plan_and_leaves_three_kinds_of_files(sightline: Callable, trained: Path) -> None:
    completed = sightline("audit", trained, "--only", "groups,confidence", "--out", "here")
    assert completed.code == 0, completed.err
    assert "groups      120 of 120 images" in completed.err
    assert "on validation (120 images), test not looked at" in completed.out
    content = json.loads(Path("here/audit.json").read_text())
    assert content["format"] == 1
    assert len(content["weights"]) == 64
    checks = {check["name"]: check for check in content["checks"]}
    assert set(checks) == {"groups", "confidence"}
    ece = checks["confidence"]["scores"]["confidence.ece"]
    assert ece["low"] <= ece["value"] <= ece["high"]
    rows = [json.loads(line) for line in Path("here/confidence.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [f"{i}.png" for i in range(120)]
    page = Path("here/audit.html").read_text(encoding="utf-8")
    assert checks["groups"]["sentence"].split(":")[0] in page.replace("&#34;", '"')
    assert page.index("Verdict</h2>") < page.index("How it was measured</h2>")


def test_a_second_audit_overwrites_nothing(sightline: Callable, trained: Path) -> None:
    for name in ("audit", "audit-2"):
        assert sightline("audit", trained, "--only", "confidence").code == 0
        assert (trained / name / "audit.json").is_file()
    assert sightline("audit", trained, "--only", "confidence", "--out", trained / "audit").code == 2


def test_groups_that_are_none_are_refused_with_the_reason(sightline: Callable, trained: Path) -> None:
    def reason(column: str) -> str:
        checks = sightline("--json", "audit", trained, "--only", "groups", "--group", column).json()["checks"]
        return str(checks[0]["reason"])

    assert "120 values in 120 images: it names images" in reason("number")
    assert "the class by another name" in reason("color")
    wrong = sightline("audit", trained, "--group", "sites")
    assert wrong.code == 2
    assert "Did you mean 'site'?" in wrong.err
    both = sightline("audit", trained, "--only", "groups", "--group", "site,number")
    assert "5 images have no 'site'" in both.out
    assert "it names images" in both.out


def test_what_is_required_must_be_shown(sightline: Callable, trained: Path) -> None:
    def required(*texts: str) -> tuple[int, str]:
        options = [word for text in texts for word in ("--require", text)]
        completed = sightline("audit", trained, "--only", "confidence", *options)
        return completed.code, completed.out + completed.err

    code, text = required("confidence.ece<=1", "value(confidence.coverage)>=0.2")
    assert code == 0, text
    assert text.count(": holds") == 2
    code, text = required("confidence.coverage>=0.999")
    assert code == 1
    assert "confidence.coverage >= 0.999: " in text
    assert "NOT shown" in text
    code, text = required("groups.worst>=0.1")  # not asked for
    assert code == 1
    assert "groups.worst >= 0.1: NOT shown, the check was not asked for" in text
    code, text = required("confidence.covrage>=0.9")
    assert code == 2
    assert "Did you mean 'confidence.coverage'" in text
    code, text = required("confidence.coverage=0.9")
    assert code == 2
    assert "'NAME>=X'" in text


def test_the_test_part_is_counted_and_too_few_images_say_nothing(sightline: Callable, trained: Path) -> None:
    before = len((trained / "ledger.jsonl").read_text().splitlines())
    content = sightline("--json", "audit", trained, "--only", "confidence", "--split", "test").json()
    assert content["n"] == 20
    assert content["checks"][0]["reason"] == "it needs 50 images, and there are 20."
    lines = [json.loads(line) for line in (trained / "ledger.jsonl").read_text().splitlines()]
    assert len(lines) == before + 1
    assert lines[-1]["verb"] == "audit"
    assert content["test_access_count"] == len(lines)


def test_names_of_checks_are_known(sightline: Callable, trained: Path) -> None:
    wrong = sightline("audit", trained, "--only", "group")
    assert wrong.code == 2
    assert "Did you mean 'groups'" in wrong.err
    assert sightline("audit", trained, "--only", "groups", "--skip", "groups").code == 2
    assert sightline("audit", trained, "--time", "soon").code == 2


def test_every_check_says_something_or_why_not(sightline: Callable, trained: Path, tmp_path: Path) -> None:
    strangers = tmp_path / "strangers"
    strangers.mkdir()
    for i in range(5):
        noise = np.random.default_rng(i).integers(0, 256, (20, 20, 3), dtype=np.uint8)
        Image.fromarray(noise).save(strangers / f"{i}.png")
    completed = sightline("--json", "audit", trained, "--skip", "cost", "--ood", strangers, "--time", "5m")
    checks = {check["name"]: check for check in completed.json()["checks"]}
    assert "failed" not in " ".join(check["reason"] for check in checks.values())
    assert checks["ood"]["settings"]["strangers"] == {"strangers": 5}
    assert checks["metadata"]["level"] in ("sound", "weak", "broken")
    assert checks["slices"]["reason"] == "it needs 180 images, and there are 120."
    assert checks["corruptions"]["scores"]["corruptions.mean"]["n"] == 120
    assert checks["labels"]["level"] in ("sound", "weak", "broken")


def test_an_exported_file_is_judged_by_its_answers(sightline: Callable, trained: Path) -> None:
    assert sightline("export", trained, "--to", "onnx").code == 0
    file = next((trained / "export").glob("*.onnx"))
    wanted = ("--only", "confidence,ood,data")
    content = sightline("--json", "audit", file, *wanted).json()
    checks = {check["name"]: check for check in content["checks"]}
    network = sightline("--json", "audit", trained, *wanted).json()["checks"]
    ece = next(c["scores"]["confidence.ece"]["value"] for c in network if c["name"] == "confidence")
    assert checks["confidence"]["scores"]["confidence.ece"]["value"] == pytest.approx(ece, abs=1e-4)
    assert "no features" in checks["ood"]["reason"]
    assert "no features" in checks["data"]["reason"]
    assert content["file"] == file.name
    assert (trained / "export" / f"{file.name}-audit" / "audit.html").is_file()
    assert sightline("audit", trained / "run.json").code == 3


def test_what_there_is_no_time_for_names_its_command(sightline: Callable, trained: Path) -> None:
    completed = sightline("--json", "audit", trained, "--skip", "cost", "--time", "0.001s")
    checks = {check["name"]: check for check in completed.json()["checks"]}
    assert "less time was left" in checks["corruptions"]["reason"]
    assert checks["corruptions"]["command"].startswith(
        f"sightline audit {trained} --only corruptions --time "
    )


def test_the_function_stays_after_it_ran() -> None:
    """A package of the name of a function takes its place as soon as it is imported."""
    modules = {path.name for path in Path(sl.__file__).parent.iterdir() if path.is_dir()}
    assert not modules & set(sl.__all__)
