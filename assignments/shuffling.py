"""Does the order of the batches matter? Samples permuted, batches permuted, and no shuffling at all."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="shuffling",
    title="Shuffling on and off: experiment 4 with three orders.",
    source="KTH DD2424 assignment 1, bonus",
    settings=Experiment(l2=1.0, eta=0.001, epochs=40, batch_size=100, seeds=5, test=True),
    variants={
        "samples": {"shuffle": "samples"},
        "batches": {"shuffle": "batches"},
        "none": {"shuffle": "none"},
    },
    published={
        "batches": {40: {"train_cost": 1.899, "val_cost": 1.958, "test_accuracy": 0.3738}},
    },
    figures="Figures: the curves of each order, in a directory of its own.",
    remarks=(
        "Without shuffling the seeds agree ever more closely: the run converges to one point that does not "
        "depend on the start. With shuffling the spread between seeds is the noise around it."
    ),
)

if __name__ == "__main__":
    ASSIGNMENT.main()
