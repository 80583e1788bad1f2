"""The pictures and the table of a search."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from linclass import plots
from linclass.errors import UsageError
from linclass.search import report
from linclass.search.found import Found
from linclass.search.trials import Result, Score, Trial, best, standard_error
from linclass.settings import Experiment


def result(number: int, accuracy: float, epochs: int = 3, **values: Any) -> Result:
    p = accuracy
    loss = 3 - 2 * p
    error = standard_error(p, 500)
    history = [{"epoch": e + 1, "val_loss": loss + 0.1 * (epochs - e)} for e in range(epochs)]
    score = Score("finished", epochs, epochs, loss if epochs else math.inf, p, error, loss, p)
    settings = Experiment(model="mlp", hidden="10").resolved()
    return Result(Trial(number, 0, values, settings.replace(**values)), score, [history])


FOUND = [
    result(0, 0.30, eta=1e-3, hidden="100,50", batch_norm=True),
    result(1, 0.50, eta=1e-2, hidden="20", batch_norm=False),
    result(2, 0.49, eta=1e-1, hidden="9,9", batch_norm=True),
    result(3, 0.0, epochs=0, eta=1.0, hidden="7", batch_norm=False),
]


def found(tmp_path: Path) -> Found:
    return Found(tmp_path, best(FOUND, "loss"), None, FOUND)


def test_pictures_are_drawn(tmp_path: Path) -> None:
    names = [path.stem for path in report.draw(found(tmp_path))]
    assert names == ["score_eta", "score_hidden", "score_batch_norm", "parallel", "curves"]
    assert all((tmp_path / f"{name}.png").stat().st_size > 5000 for name in names)


def test_the_axis_of_a_score_fits_its_values() -> None:
    three: dict[str, Any] = {
        "accuracies": [0.1, 0.2, 0.3],
        "errors": [0.01] * 3,
        "close": [False, True, True],
    }
    figure = plots.scores("eta", [1e-4, 1e-3, 1e-2], **three, best=2, title="t")
    assert figure.axes[0].get_xscale() == "log"
    line = figure.axes[0].lines[-1].get_ydata()
    assert list(line) == pytest.approx([29, 29])  # the best less one standard error
    figure = plots.scores("hidden", ["300", "20", "100"], **three, best=2, title="t")
    assert figure.axes[0].get_xlim()[1] > 300
    figure = plots.scores("activation", ["relu", "tanh", "relu"], **three, best=2, title="t")
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["relu", "tanh"]
    with pytest.raises(UsageError, match="a value, an accuracy and an error"):
        plots.scores("eta", [1, 2], **three, best=0, title="t")
    with pytest.raises(UsageError, match="as many values"):
        plots.parallel(["a", "b"], [[1]], [0.5], 0, title="t")


def test_one_trial_alone_can_be_drawn() -> None:
    assert plots.parallel(["eta"], [[0.1]], [0.5], 0, title="$ one").axes


def test_the_table_marks_what_cannot_be_told_from_the_best(tmp_path: Path) -> None:
    rows = report.table(found(tmp_path))
    assert [row[:2] for row in rows[1:]] == [("*", "1"), ("*", "2"), ("", "0"), ("", "3")]
    assert rows[1][-3] == "50.00 ± 2.24 %"
    remarks = report.remarks(found(tmp_path))
    assert remarks[0].startswith("1 of the other 3 trials are within one standard error (2.24 points)")
    assert remarks[-1] == ("the best again: linclass train --model mlp --hidden 20 --eta 0.01")


def test_the_command_line_of_settings() -> None:
    settings = Experiment(batch_norm=True, model="mlp", hidden="8,4", schedule="warmup:2,cosine")
    assert report.command_line(settings.resolved()) == (
        "linclass train --model mlp --hidden 8,4 --batch-norm --schedule warmup:2,cosine"
    )
