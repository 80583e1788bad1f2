"""Experiment 3 of KTH DD2424, assignment 1: lambda = 0.1, eta = 0.001. The report gives no numbers for it."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="exp3",
    title="Experiment 3: a little regularisation, lambda = 0.1, eta = 0.001.",
    source="KTH DD2424 assignment 1",
    settings=Experiment(l2=0.1, eta=0.001, epochs=40, batch_size=100, shuffle="batches", seeds=5, test=True),
    figures="Figures: a smaller gap than in experiment 2; templates with the first patterns.",
    remarks=(
        'The report publishes no numbers here, but says "smaller training loss" than experiment 2. That is '
        "false under both definitions: compare the loss and the cost above with experiment 2's. Other "
        "correct implementations end between 38.8 and 39.6 % on the test set."
    ),
)

if __name__ == "__main__":
    ASSIGNMENT.main()
