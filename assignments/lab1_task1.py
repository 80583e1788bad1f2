"""Task 1 of the second lab report: one hidden layer of 360 units from scratch on MNIST."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="lab1_task1",
    title="Task 1, final: 784-360-10, 40 epochs, learning rate 0.1.",
    source="MNIST lab, second report",
    settings=Experiment(
        dataset="mnist", model="mlp", hidden="360", eta=0.1, batch_size=32, epochs=40, seeds=3, test=True
    ),
    published={
        "": {
            1: {
                "running_loss": 0.5042,
                "running_accuracy": 0.83836,
                "val_loss": 0.2543,
                "val_accuracy": 0.9210,
            },
            10: {
                "running_loss": 0.0056,
                "running_accuracy": 0.99888,
                "val_loss": 0.1702,
                "val_accuracy": 0.9591,
            },
            40: {"running_loss": 0.0005, "running_accuracy": 1.0, "val_loss": 0.1704, "val_accuracy": 0.9646},
        }
    },
    figures="Figures: cost and accuracy curves, the first layer's units.",
    remarks=(
        "The report does not state the batch (its search starts at 32), the scaling or the initialisation. "
        "Its hidden test set, 94.06 %, is not available."
    ),
    task="Task1",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
