"""Experiment 2 of KTH DD2424, assignment 1: lambda = 0, eta = 0.001, the best of the unregularised."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="exp2",
    title="Experiment 2: no regularisation, eta = 0.001.",
    source="KTH DD2424 assignment 1",
    settings=Experiment(l2=0.0, eta=0.001, epochs=40, batch_size=100, shuffle="batches", seeds=5, test=True),
    published={"": {40: {"test_accuracy": 0.3908}}},
    figures="Figures: smooth curves with a widening gap between training and validation, noisy templates.",
    remarks="Other correct implementations end between 38.4 and 39.4 %.",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
