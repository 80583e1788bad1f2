"""Task 1 of the first lab report: 784-256-128-64-10 from scratch on MNIST, its best setting."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

LAB01 = Experiment(
    dataset="mnist", model="mlp", hidden="256,128,64", eta=0.01, batch_size=25, epochs=50, seeds=3, test=True
)

ASSIGNMENT = Assignment(
    name="lab01_task1",
    title="Task 1: four layers in numpy, mini-batch gradient descent.",
    source="MNIST lab, first report",
    settings=LAB01,
    published={
        "": {
            43: {"running_accuracy": 1.0, "val_loss": 0.2581, "val_accuracy": 0.9652},
            50: {"running_accuracy": 1.0, "val_loss": 0.2644, "val_accuracy": 0.9653},
        }
    },
    figures="Figures: cost and accuracy curves, the first layer's units.",
    remarks=(
        "The report leaves out the input scaling, the initialisation and the split; here: unit scaling, He, "
        "the last 10,000 training rows for validation."
    ),
    task="Task1",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
