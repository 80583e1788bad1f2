"""Task 2 of the second lab report: one hidden layer in PyTorch, 200 epochs."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="lab1_task2",
    title="Task 2, final: 784-360-10 in PyTorch, 200 epochs.",
    source="MNIST lab, second report",
    settings=Experiment(
        dataset="mnist", model="torch-mlp", hidden="360", eta=0.001, batch_size=32, epochs=200, test=True
    ),
    published={
        "": {
            200: {"running_loss": 0.0001, "running_accuracy": 1.0, "val_loss": 0.3934, "val_accuracy": 0.9444}
        }
    },
    figures="Figures: cost and accuracy curves, the first layer's units.",
    remarks="The report starts Task 2 at learning rate 1e-3; the batch is not stated, here 32.",
    task="Task2",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
