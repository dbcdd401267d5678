"""Rows of a Predictor in, one value out: what share was right, of all and of each class, what was taken for what, and the worst mistakes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from heapq import heappush, heapreplace, nlargest
from typing import Any, NamedTuple

# with so many classes or fewer, the right one is always among the first five
TOP_CLASSES = 5
# pictures without an answer that are kept by name
KEPT_UNREADABLE = 100


class ClassScore(NamedTuple):
    """How well one class is told.

    index     the class, as the model counts
    label     its name
    pictures  how many pictures of it were answered
    first     for how many of these it was the answer
    five      for how many of these it was among the five likeliest
    answered  for how many pictures of any class it was the answer
    """

    index: int  # type: ignore[assignment]
    label: str
    pictures: int
    first: int
    five: int
    answered: int

    @property
    def top1(self) -> float:
        """The share of its pictures that were told right."""
        return share(self.first, self.pictures)

    @property
    def precision(self) -> float:
        """The share of the pictures for which it was answered that are of it."""
        return share(self.first, self.answered)


class Confusion(NamedTuple):
    """How often a class was taken for another one.

    true       the index of the pictures' own class
    predicted  that of the class that was the answer
    pictures   for how many
    """

    true: int
    predicted: int
    pictures: int


class Mistake(NamedTuple):
    """A picture that was taken for another class.

    path         where it is
    true         the index of its own class
    predicted    that of the class that was the answer
    probability  what the model gave that answer
    thumbnail    a small JPEG of it, empty where none was made
    """

    path: str
    true: int
    predicted: int
    probability: float
    thumbnail: bytes = b""


class Unreadable(NamedTuple):
    """A picture without an answer.

    path     where it is
    code     the code of what was wrong, as a diagnostic has it
    message  what was wrong
    """

    path: str
    code: str
    message: str


class ClassificationReport(NamedTuple):
    """What a classifier comes to on pictures whose classes are known. Shares are of the pictures that were answered.

    model       its name
    device      what it ran on
    place       the folder or the csv that the pictures came from
    matched     in which way the classes' names there were matched to the model's, in words
    labels      the names of classes, by their indices
    classes     those of which a picture was answered, by index
    confusions  what was taken for another class, the most frequent first
    mistakes    the wrong answers of the highest probability
    unreadable  pictures without an answer, the first hundred
    unreadable_count  how many of those there are
    notes       what was left out, in words
    outcomes    how many classes the model tells apart; None where its file leaves that open
    """

    model: str
    device: str
    place: str
    matched: str
    labels: dict[int, str]
    classes: tuple[ClassScore, ...]
    confusions: tuple[Confusion, ...]
    mistakes: tuple[Mistake, ...]
    unreadable: tuple[Unreadable, ...]
    unreadable_count: int
    notes: tuple[str, ...] = ()
    outcomes: int | None = None

    @property
    def answered(self) -> int:
        """How many pictures have an answer."""
        return sum(each.pictures for each in self.classes)

    @property
    def top1(self) -> float:
        """The share of pictures whose class came first."""
        return share(sum(each.first for each in self.classes), self.answered)

    @property
    def top5(self) -> float:
        """The share of pictures whose class was among the first five."""
        return share(sum(each.five for each in self.classes), self.answered)

    @property
    def shows_top5(self) -> bool:
        """Whether `top5` says anything: not of a model of five classes or fewer, where it is always all of them."""
        return self.outcomes is None or self.outcomes > TOP_CLASSES


def share(part: int, whole: int) -> float:
    """A part of a whole, 0 to 1; 0 of nothing."""
    return part / whole if whole else 0.0


class Tally:
    """Counts rows as they come; what it holds grows with the classes alone."""

    def __init__(self, mistakes: int = 24) -> None:
        """It keeps so many `mistakes`."""
        self.kept = mistakes
        self.pairs: Counter[tuple[int, int]] = Counter()
        self.five: Counter[int] = Counter()
        self.labels: dict[int, str] = {}
        self.worst: list[tuple[float, int, Mistake]] = []
        self.unreadable: list[Unreadable] = []
        self.unreadable_count = 0

    def add(self, rows: dict[str, Any], classes: Sequence[int]) -> None:
        """Counts the rows of a batch; `classes` are the true ones, by index."""
        for path, top, code, message, true in zip(
            rows["path"], rows["top"], rows["error"], rows["message"], classes, strict=True
        ):
            if code:
                self.unreadable_count += 1
                if len(self.unreadable) < KEPT_UNREADABLE:
                    self.unreadable.append(Unreadable(path, code, message))
                continue
            self.labels.update((each["index"], each["label"]) for each in top if each["label"] is not None)
            best = top[0]
            self.pairs[true, best["index"]] += 1
            self.five[true] += any(each["index"] == true for each in top[:5])
            if best["index"] != true and self.kept:
                self.keep(Mistake(path, true, best["index"], best["probability"]))

    def keep(self, mistake: Mistake) -> None:
        """Keeps a mistake if it is among the worst; of equal ones the first."""
        entry = (mistake.probability, -sum(self.pairs.values()), mistake)
        if len(self.worst) < self.kept:
            heappush(self.worst, entry)
        elif entry > self.worst[0]:
            heapreplace(self.worst, entry)

    def scores(self, labels: dict[int, str]) -> tuple[ClassScore, ...]:
        """The classes of which pictures were answered, by index."""
        pictures, answered = Counter[int](), Counter[int]()
        for (true, predicted), count in self.pairs.items():
            pictures[true] += count
            answered[predicted] += count
        return tuple(ClassScore(at, labels.get(at, str(at)), pictures[at], self.pairs[at, at], self.five[at], answered[at])
                     for at in sorted(pictures))  # fmt: skip

    def finish(
        self, model: str, device: str, place: str, matched: str, labels: dict[int, str], notes: tuple[str, ...],
        outcomes: int | None = None,
    ) -> ClassificationReport:  # fmt: skip
        """The value of all that was counted; `labels` names the classes that a model does not, which tells `outcomes` classes apart."""
        labels = {**labels, **self.labels}
        wrong = [Confusion(*pair, count) for pair, count in self.pairs.items() if pair[0] != pair[1]]
        confusions = tuple(sorted(wrong, key=lambda each: (-each.pictures, each.true, each.predicted)))
        mistakes = tuple(entry[2] for entry in nlargest(self.kept, self.worst))
        return ClassificationReport(model, device, place, matched, labels, self.scores(labels), confusions, mistakes, tuple(self.unreadable),
                          self.unreadable_count, notes, outcomes)  # fmt: skip
