"""Experiment 1 of KTH DD2424, assignment 1: lambda = 0, eta = 0.1, far too large a step."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="exp1",
    title="Experiment 1: no regularisation, eta = 0.1. It learns, but never settles.",
    source="KTH DD2424 assignment 1",
    settings=Experiment(l2=0.0, eta=0.1, epochs=40, batch_size=100, shuffle="batches", seeds=5, test=True),
    published={"": {40: {"test_accuracy": 0.2784}}},
    figures="Figures: cost and accuracy curves (they swing by points from epoch to epoch), noisy templates.",
    remarks=(
        "One run swings by about five points between epochs; other correct implementations end between "
        "27.3 and 31.6 %."
    ),
)

if __name__ == "__main__":
    ASSIGNMENT.main()
