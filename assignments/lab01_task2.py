"""Task 2 of the first lab report: 784-256-128-64-10 in PyTorch with Adam."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="lab01_task2",
    title="Task 2: the same network in PyTorch, Adam at 0.001.",
    source="MNIST lab, first report",
    settings=Experiment(
        dataset="mnist",
        model="torch-mlp",
        hidden="256,128,64",
        optimizer="adam",
        torch_optim=True,
        eta=0.001,
        epochs=50,
        test=True,
    ),
    variants={"batch-100": {"batch_size": 100}, "batch-50": {"batch_size": 50}},
    published={
        "batch-100": {50: {"running_accuracy": 0.99558, "val_accuracy": 0.9554}},
        "batch-50": {
            50: {
                "running_loss": 0.0361,
                "running_accuracy": 0.99354,
                "val_loss": 0.4207,
                "val_accuracy": 0.9553,
            }
        },
    },
    figures="Figures: the curves of each batch size, in a directory of its own.",
    remarks="The report's validation accuracy stays between 95.29 and 95.82 % over epochs 44 to 50.",
    task="Task2",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
