"""Bonus (i) of KTH DD2424, assignment 1: experiment 4 on all five batches, 1000 rows for validation."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="all_data",
    title="Bonus (i): all the training data (49,000 rows), lambda = 1, eta = 0.001.",
    source="KTH DD2424 assignment 1, bonus (i)",
    settings=Experiment(split="all", l2=1.0, eta=0.001, epochs=40, shuffle="batches", seeds=5, test=True),
    published={"": {40: {"train_cost": 1.920, "val_cost": 1.935, "test_accuracy": 0.3786}}},
    figures="Figures: as experiment 4, with a still smaller difference.",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
