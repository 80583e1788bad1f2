"""Task 2 of the second lab report at learning rate 0.1, which diverged there: which input does that?"""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

PUBLISHED = {
    1: {"running_loss": 724.5391, "running_accuracy": 0.09892, "val_loss": 2.3398, "val_accuracy": 0.0967},
    10: {"running_loss": 2.3029, "running_accuracy": 0.0977, "val_loss": 2.3361, "val_accuracy": 0.0967},
}

ASSIGNMENT = Assignment(
    name="lab1_divergence",
    title="Task 2 at learning rate 0.1: input in 0..1, and raw input in 0..255.",
    source="MNIST lab, second report",
    settings=Experiment(
        dataset="mnist", model="torch-mlp", hidden="360,100", eta=0.1, batch_size=32, epochs=10, test=True
    ),
    variants={"unit": {"scaling": "unit"}, "raw": {"scaling": "raw"}},
    published={"unit": PUBLISHED, "raw": PUBLISHED},
    figures="Figures: the curves of each scaling, in a directory of its own.",
    remarks="The report's log numbers its epochs, 1 to 10; its first and its last line are compared.",
    task="Task2",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
