"""What is explained of an image: the prediction, the target, the runner-up, a class, or an object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sightline.core.targets.base import Statement, Targets
from sightline.errors import UnknownName, UsageError

WISHES = ("predicted", "target", "runner-up")
GROUNDS = ("background", "ground", "other", "unlabeled")
"""Names of classes that are explained last, as what is left of an image."""


@dataclass(frozen=True)
class Question:
    """One thing that is explained.

    Attributes:
        role: "predicted", "target", "runner-up", "class" or "box 3".
        statement: What is explained, in pixels of the model's input.
        words: The same in words.
    """

    role: str
    statement: Statement
    words: str

    @property
    def about(self) -> Targets:
        """Of one image."""
        return self.statement.about


def questions(prediction: Targets, target: Targets | None, names: Sequence[str], wish: str) -> list[Question]:
    """What is explained of one image.

    Args:
        prediction: Of one image, in pixels of the model's input.
        target: Its target where it is known, in the same pixels.
        names: Of the classes, or of the numbers.
        wish: predicted, target, runner-up, the name of a class, or box:N (from 1, the best first). For
            "predicted", an image whose class is wrong gives its target too.

    Returns:
        Empty where the prediction says nothing, or nothing of this class.

    Raises:
        UnknownName: If there is no such class.
        UsageError: If it means nothing for such predictions, or the target is not known.
    """
    rows = _statements(prediction, names)
    if wish == "target":
        if target is None:
            raise UsageError(
                "--about target needs images whose target is known: those of the run's own data. "
                "Give one of them, or name a class: --about CLASS."
            )
        return _asked("target", _statements(target, names)[:1], names)
    if wish == "predicted":
        questions_asked = _asked("predicted", rows[:1], names)
        if target is None or not target.exclusive or target.kind != prediction.kind:
            return questions_asked
        if bool(target.differs(prediction).any()):
            questions_asked += _asked("target", _of_class(rows, _statements(target, names)[0].label), names)
        return questions_asked
    if wish == "runner-up":
        return _asked("runner-up", rows[1:2], names)
    if wish.startswith("box:"):
        return _object(prediction, rows, wish, names)
    if wish not in names:
        raise UnknownName("class to explain", wish, [*names, *WISHES, "box:1"])
    return _asked("class", _of_class(rows, list(names).index(wish)), names)


def in_words(statement: Statement, names: Sequence[str]) -> str:
    """A statement in words, such as "cat 0.98"."""
    name = names[statement.label] if 0 <= statement.label < len(names) else statement.about.kind
    return name if statement.score != statement.score else f"{name} {statement.score:.2f}"


def first_words(prediction: Targets, names: Sequence[str]) -> str:
    """The first thing that a prediction of one image says, in words."""
    rows = _statements(prediction, names)
    return in_words(rows[0], names) if rows else "nothing"


def _statements(prediction: Targets, names: Sequence[str]) -> list[Statement]:
    """Those of a prediction; the background, which is what is left, comes last."""
    rows = prediction.statements()
    if prediction.kind != "masks":
        return rows
    return sorted(rows, key=lambda s: s.label < len(names) and names[s.label].lower().strip("_") in GROUNDS)


def _of_class(rows: list[Statement], label: int) -> list[Statement]:
    return [statement for statement in rows if statement.label == label][:1]


def _object(prediction: Targets, rows: list[Statement], wish: str, names: Sequence[str]) -> list[Question]:
    number = wish.removeprefix("box:")
    if not hasattr(prediction, "boxes"):
        raise UsageError(
            f"--about {wish} chooses an object; this model predicts {prediction.description}. "
            "Name a class: --about CLASS."
        )
    if not number.isdigit() or int(number) < 1:
        raise UsageError(f"--about box:N takes the number of an object, from 1. Received '{wish}'.")
    return _asked(f"box {number}", rows[int(number) - 1 : int(number)], names)


def _asked(role: str, statements: list[Statement], names: Sequence[str]) -> list[Question]:
    return [Question(role, statement, in_words(statement, names)) for statement in statements]
