"""Report: what a trained classifier gets right, what it gets wrong, and whether its probabilities hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from linclass.datasets.inputs import Inputs
from linclass.errors import UsageError, counted, decimal
from linclass.metrics import Reliability, confusion_matrix, reliability, wilson_interval
from linclass.models.base import Classifier
from linclass.models.kernels import log_softmax
from linclass.params import Array
from linclass.training.evaluate import EVALUATION_ROWS, evaluate

MISTAKES = 20
CALIBRATION_BINS = 15
PROBABILITY_BINS = 20
_MOST_COLUMNS = 20  # of a matrix that is still printed
_CONFUSIONS = 10

Table = list[tuple[str, ...]]


class Probabilities(NamedTuple):
    """How scores become probabilities: P_c = exp(w_c) / sum exp(w), and what they are in words.

    log_weights: scores `(..., C)` float64, overwritten -> w.
    """

    log_weights: Callable[[Array], Array]
    text: str

    def of(self, scores: Array) -> Array:
        """P of scores `(..., C)` float64, which are overwritten."""
        w = self.log_weights(scores)
        return np.asarray(np.exp(log_softmax(w, out=w)))


def log_sigmoid(scores: Array) -> Array:
    """log sigmoid(s) = -log(1 + exp(-s))."""
    return np.negative(np.logaddexp(0, -scores), out=scores)


def log_odds(w: Array, c: Array) -> Array:
    """`(n,)`: log(P_c / (1 - P_c)) = w_c - log sum_{e != c} exp(w_e), for w `(n, C)` and classes c `(n,)`.

    It tells predictions apart whose probabilities all round to 1.
    """
    rows, others = np.arange(len(w)), w.copy()
    others[rows, c] = -np.inf
    return np.asarray(w[rows, c] - np.logaddexp.reduce(others, axis=1))


_SOFTMAX = Probabilities(np.asarray, "the softmax of the scores")
_OF_LOSS = {
    "softmax": _SOFTMAX,
    "bce": Probabilities(log_sigmoid, "the sigmoids of the scores over their sum"),
}
_NOT_MEANT = Probabilities(np.asarray, "the softmax of the scores, which this loss was not made for")


def probabilities_of(loss: str) -> Probabilities:
    """Those that the loss of this name was made for; the softmax where it was made for none."""
    return _OF_LOSS.get(loss, _NOT_MEANT)


@dataclass(frozen=True)
class Mistake:
    """A wrong prediction: the row of the split, the true class, the predicted one, its probability and that
    probability's log-odds, log(P / (1 - P))."""

    row: int
    true: int
    predicted: int
    probability: float
    log_odds: float


@dataclass(frozen=True)
class Report:
    """Of one model on n rows.

    Attributes:
        model: which of the stack. classes: C names. probabilities: what they are, in words.
        loss: mean, without the penalty; cost: with it, NaN for an ensemble, which has none.
        confusion: `(C, C)` counts, row the true class. calibration: by the predicted class's probability.
        mistakes: the most confident first, by log-odds.
        edges, right, wrong: histogram `(B + 1,)`, `(B,)`, `(B,)` of the true class's probability, where the
            prediction is right and where it is wrong.
    """

    model: int
    classes: tuple[str, ...]
    probabilities: str
    loss: float
    cost: float
    confusion: Array
    calibration: Reliability
    mistakes: tuple[Mistake, ...]
    edges: Array
    right: Array
    wrong: Array

    @property
    def rows(self) -> int:
        return int(self.confusion.sum())

    def scores(self) -> dict[str, str]:
        """Its numbers by name, as text."""
        low, high = self.interval
        return {
            "loss": decimal(self.loss),
            **({} if np.isnan(self.cost) else {"cost": decimal(self.cost)}),
            "accuracy": f"{100 * self.accuracy:.2f} %",
            "95 % interval": f"{100 * low:.2f} to {100 * high:.2f} %",
        }

    @property
    def correct(self) -> int:
        return int(self.confusion.trace())

    @property
    def accuracy(self) -> float:
        return self.correct / self.rows

    @property
    def interval(self) -> tuple[float, float]:
        """The accuracy's 95 % Wilson interval."""
        return wilson_interval(self.correct, self.rows)

    def tables(self) -> list[tuple[str, Table]]:
        """(heading, rows) of each table; a table's first row is its own heading."""
        calibration = (
            f"calibration: expected error {100 * self.calibration.error:.2f} %, of {_probability(self)}"
        )
        return [
            (f"on {counted(self.rows, 'row')}", _summary(self)),
            ("per class, with 95 % intervals", _per_class(self)),
            ("confusion: rows the true class, columns the predicted", _matrix(self))
            if len(self.classes) <= _MOST_COLUMNS
            else ("the most frequent confusions", _frequent_confusions(self)),
            (calibration, _calibration(self)),
            (f"the most confident mistakes, by {_probability(self)}", _mistakes(self)),
        ]


@dataclass(frozen=True)
class RegressionReport:
    """Of one model on n rows whose targets are numbers.

    Attributes:
        model: which of the stack. loss: mean squared error, without the penalty; cost: with it.
        explained: R^2 = 1 - sum((s - y)^2) / sum((y - mean y)^2); NaN where the targets do not vary, as of
            one row: there is nothing to explain.
        largest: the largest |s - y|.
    """

    model: int
    rows: int
    loss: float
    cost: float
    explained: float
    largest: float

    def scores(self) -> dict[str, str]:
        """Its numbers by name, as text."""
        return {
            "loss": f"{self.loss:.6g}",
            "cost": f"{self.cost:.6g}",
            "R^2": "-" if np.isnan(self.explained) else f"{self.explained:.6f}",
            "largest error": f"{self.largest:.4g}",
        }

    def tables(self) -> list[tuple[str, Table]]:
        """(heading, rows) of each table."""
        return [(f"on {counted(self.rows, 'row')}", [(name, text) for name, text in self.scores().items()])]


def regression_reports(model: Classifier, data: Inputs) -> list[RegressionReport]:
    """How near each model of the stack comes to the targets `(n, C)` of `data`."""
    y = data.split.y
    found, penalty, scores = evaluate(model, data), model.penalty(), scores_of(model, data)
    # compared, as the mean of equal numbers may be rounded
    total = np.nan if (y == y[0]).all() else float(np.sum((y - y.mean(axis=0)) ** 2))
    return [
        RegressionReport(
            model=k,
            rows=len(data),
            loss=float(found.loss[k]),
            cost=float(found.loss[k] + penalty[k]),
            explained=1 - float(found.loss[k]) * len(data) / total,
            largest=float(np.abs(scores[k] - y).max()),
        )
        for k in range(model.K)
    ]


def report(
    model: Classifier, data: Inputs, classes: Sequence[str], *, k: int = 0, loss: str = "softmax"
) -> Report:
    """What model k of the stack makes of `data`; see `reports`."""
    return reports(model, data, classes, models=[k], loss=loss)[0]


def reports(
    model: Classifier,
    data: Inputs,
    classes: Sequence[str],
    *,
    models: Sequence[int] | None = None,
    loss: str = "softmax",
) -> list[Report]:
    """What each model of the stack makes of `data`, in evaluation mode.

    Args:
        classes: C names. models: which of the stack; all if None.
        loss: the name of the loss it was trained with: it decides what the probabilities are.

    Raises UsageError for regression targets, and where the scores are not finite.
    """
    y = data.split.y
    if y.ndim != 1:
        raise UsageError(
            f"the targets have the shape {y.shape}: a report is on classes, expected ({len(y)},)"
        )
    names, how = tuple(classes), probabilities_of(loss)
    found, penalty, scores = evaluate(model, data), model.penalty(), scores_of(model, data)
    return [
        _report(k, names, y, scores[k], how, float(found.loss[k]), float(found.loss[k] + penalty[k]))
        for k in (range(model.K) if models is None else models)
    ]


def scores_of(model: Classifier, data: Inputs) -> Array:
    """`(K, n, C)` in the model's precision, of all rows of `data` in order."""
    return np.concatenate([model.scores(x).copy() for x, _ in data.chunks(EVALUATION_ROWS)], axis=1)


def _report(
    k: int, classes: tuple[str, ...], y: Array, scores: Array, how: Probabilities, loss: float, cost: float
) -> Report:
    if not np.isfinite(scores).all():
        raise UsageError(f"model {k} has scores that are not finite: take its best weights, --weights best")
    rows = np.arange(len(y))
    # of the scores, not of the probabilities: those tie once they round to 1
    predicted = scores.argmax(axis=1)
    P = how.of(scores.astype(np.float64))
    correct, confidence, of_true = predicted == y, P[rows, predicted], P[rows, y]
    edges = np.linspace(0, 1, PROBABILITY_BINS + 1)
    return Report(
        model=k,
        classes=classes,
        probabilities=how.text,
        loss=loss,
        cost=cost,
        confusion=confusion_matrix(y, predicted, len(classes)),
        calibration=reliability(confidence.clip(0, 1), correct, CALIBRATION_BINS),
        mistakes=_confident_mistakes(y, predicted, confidence, how.log_weights(scores.astype(np.float64))),
        edges=edges,
        right=np.histogram(of_true[correct], edges)[0],
        wrong=np.histogram(of_true[~correct], edges)[0],
    )


def _confident_mistakes(y: Array, predicted: Array, confidence: Array, w: Array) -> tuple[Mistake, ...]:
    wrong = np.flatnonzero(predicted != y)
    odds = log_odds(w[wrong], predicted[wrong])
    order = np.argsort(-odds, kind="stable")[:MISTAKES]
    return tuple(
        Mistake(int(i), int(y[i]), int(predicted[i]), float(confidence[i]), float(o))
        for i, o in zip(wrong[order], odds[order], strict=True)
    )


def draw(
    report: Report,
    images: Array,
    image_shape: tuple[int, int, int] | None,
    folder: Path,
    *,
    split: str,
    name: str,
    title: str,
) -> list[Path]:
    """Write <name>_confusion.png, _calibration.png, _probabilities.png and, of images, _mistakes.png.

    Args:
        images: x `(n, d)` of the split as it was read, before scaling.
        split: its name, for the titles. name: of the files, such as test_best.
        title: stands below the first line of each picture.

    Returns the files. Without a mistake, or rows that are no images, there is no picture of mistakes.
    """
    from linclass import plots

    of = f"{100 * report.accuracy:.2f} % of {counted(report.rows, f'{split} row')} right"
    figures = {
        "confusion": plots.confusion(report.confusion, report.classes, title=f"Confusion: {of}\n{title}"),
        "calibration": plots.reliability_diagram(
            report.calibration, title=f"Calibration: {of}\n{title}", probability=_probability(report)
        ),
        "probabilities": plots.probability_histogram(
            report.edges, report.right, report.wrong, title=f"Probability of the true class: {of}\n{title}"
        ),
    }
    if image_shape is not None and report.mistakes:
        figures["mistakes"] = plots.mistakes(
            images[[mistake.row for mistake in report.mistakes]],
            [(report.classes[m.true], report.classes[m.predicted], m.probability) for m in report.mistakes],
            image_shape=image_shape,
            title=f"Most confident mistakes: true → predicted, its probability\n{of}\n{title}",
        )
    paths = {kind: folder / f"{name}_{kind}.png" for kind in figures}
    for kind, figure in figures.items():
        plots.save(figure, paths[kind])
    return list(paths.values())


def _probability(report: Report) -> str:
    return f"the predicted class's probability ({report.probabilities})"


def _summary(report: Report) -> Table:
    scores = report.scores() | {"right": f"{report.correct:,} of {report.rows:,}"}
    return [tuple(scores), tuple(scores.values())]


def _per_class(report: Report) -> Table:
    counts = report.confusion
    rows: Table = [("class", "recall", "of true", "precision", "of predicted")]
    for c, name in enumerate(report.classes):
        right, true, predicted = int(counts[c, c]), int(counts[c].sum()), int(counts[:, c].sum())
        rows.append(
            (_plain(name), _share(right, true), f"{true:,}", _share(right, predicted), f"{predicted:,}")
        )
    return _right_aligned(rows, (2, 4))


def _share(part: int, whole: int) -> str:
    if whole == 0:
        return "-"
    low, high = wilson_interval(part, whole)
    return f"{100 * part / whole:6.2f} % ({100 * low:.2f} to {100 * high:.2f})"


def _matrix(report: Report) -> Table:
    names = [_plain(name) for name in report.classes]
    rows: Table = [("", *(name[:8] for name in names))]
    rows += [(name, *(f"{n}" for n in counts)) for name, counts in zip(names, report.confusion, strict=True)]
    return _right_aligned(rows, range(1, len(rows[0])))


def _frequent_confusions(report: Report) -> Table:
    wrong = report.confusion - np.diag(np.diag(report.confusion))
    order = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    rows: Table = [("rows", "true", "predicted")]
    for true, predicted in zip(*np.unravel_index(order, wrong.shape), strict=True):
        if wrong[true, predicted]:
            names = _plain(report.classes[true]), _plain(report.classes[predicted])
            rows.append((f"{wrong[true, predicted]:,}", *names))
    return _right_aligned(rows, (0,))


def _calibration(report: Report) -> Table:
    table, edges = report.calibration, report.calibration.edges
    rows: Table = [("probability", "rows", "mean", "right, with 95 % interval")]
    for m in np.flatnonzero(table.rows):
        n, right = int(table.rows[m]), int(table.correct[m])
        stated = f"{100 * table.confidence[m]:.2f} %"
        rows.append((f"{edges[m]:.3f} to {edges[m + 1]:.3f}", f"{n:,}", stated, _share(right, n)))
    return _right_aligned(rows, (1, 2))


def _mistakes(report: Report) -> Table:
    rows: Table = [("row", "true", "predicted", "probability", "log-odds")]
    for m in report.mistakes:
        names = _plain(report.classes[m.true]), _plain(report.classes[m.predicted])
        rows.append((f"{m.row}", *names, f"{m.probability:.4f}", f"{m.log_odds:.4g}"))
    return _right_aligned(rows, (0, 4))


def _right_aligned(rows: Table, columns: Sequence[int]) -> Table:
    """The same with these columns padded on the left: numbers stand below each other."""
    widths = {i: max(len(row[i]) for row in rows) for i in columns}
    return [
        tuple(cell.rjust(widths[i]) if i in widths else cell for i, cell in enumerate(row)) for row in rows
    ]


def _plain(name: str) -> str:
    """A class's name on one line, without what a terminal would obey."""
    return "".join(c if c.isprintable() else " " for c in name)
