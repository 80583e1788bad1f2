"""Is a contender's result that of the float64 reference?

Contender and reference train from the same first weights on the same batches. With w_0 the first weights,
w a contender's and v the reference's last ones, the disagreement is the largest over the arrays of

    ||w - v|| / ||v - w_0||        norms over all the models' numbers

that is, relative to what training changed: a wrong eta, decay or order is an error of the order of 1, though
the weights themselves hardly differ. Rounding to float32 (6e-8 of a number) leaves far less: see TOLERANCE.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks.contenders.contender import Scores
from benchmarks.contenders.textbook import Textbook
from benchmarks.problem import Problem
from linclass import engine
from linclass.params import Array

EPOCHS = 2

# Rounding a weight of size |w| to float32 errs by up to 6e-8 |w| in each of some 40 steps; with the smallest
# eta of the sweep the weights change by less than a hundredth of |w|. Measured with the linear workloads:
# 5e-6 to 1e-5 of the change, and 1e-4 with that eta. Adam divides each gradient by its own size, so those
# that are all rounding count as much as any: a wider tolerance.
TOLERANCE = {"sgd": 1e-3, "adam": 2e-2}
LOSS_TOLERANCE = 1e-4
ROWS_TOLERANCE = 3  # rows whose two best scores are equal up to rounding


class Reference:
    """The problem trained for EPOCHS epochs by the textbook in float64."""

    def __init__(self, problem: Problem, models: int) -> None:
        self.problem = problem
        textbook = Textbook(problem, 1, dtype=np.float64, models=models)
        with engine.limited(1):
            for epoch in range(1, EPOCHS + 1):
                textbook.epoch(epoch)
        self._weights, self._scores = textbook.weights(), textbook.scores()

    def disagreement(self, weights: Mapping[str, Array]) -> float:
        """See the module's docstring; the first models of the stack if there are fewer. inf for NaN."""
        largest = 0.0
        for name, v in self._weights.items():
            w = np.asarray(weights[name], np.float64)
            v, w_0 = v[: len(w)], self.problem.weights()[name][: len(w)]
            error = float(np.linalg.norm(w - v) / np.linalg.norm(v - w_0))
            largest = max(largest, error if np.isfinite(error) else np.inf)
        return largest

    def fault(self, weights: Mapping[str, Array], scores: Scores) -> str:
        """What is wrong, in a few words; empty if nothing is."""
        tolerance = TOLERANCE[self.problem.workload.optimizer]
        off = self.disagreement(weights)
        if not off <= tolerance:
            return f"weights off by {off:.1e} of their change; at most {tolerance:.0e} is rounding"
        for split, (loss, accuracy) in self._scores.items():
            if split not in scores:
                return f"not evaluated on {split}"
            found_loss, found_accuracy = scores[split]
            n, models = len(self.problem.splits[split]), len(found_accuracy)
            off = float(np.nanmax(np.abs(found_loss / loss[:models] - 1), initial=0))
            rows = float(np.abs(found_accuracy - accuracy[:models]).max() * n)
            if off > LOSS_TOLERANCE or rows > ROWS_TOLERANCE:
                return f"{split}: loss off by {off:.1e}, {rows:.0f} of {n} rows judged otherwise"
        return ""
