"""Does depth help? Two, three and four layers from scratch on MNIST, as in the second lab report."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="lab1_depth",
    title="Two, three and four layers at learning rate 0.1.",
    source="MNIST lab, second report",
    settings=Experiment(
        dataset="mnist", model="mlp", hidden="360", eta=0.1, batch_size=32, epochs=10, seeds=3, test=True
    ),
    variants={
        "2-layers": {"hidden": "360"},
        "3-layers": {"hidden": "360,100"},
        "4-layers": {"hidden": "360,100,40"},
    },
    published={
        "2-layers": {
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
        },
        "3-layers": {
            1: {
                "running_loss": 1.9167,
                "running_accuracy": 0.2990,
                "val_loss": 1.5167,
                "val_accuracy": 0.5177,
            },
            10: {
                "running_loss": 0.3941,
                "running_accuracy": 0.89168,
                "val_loss": 0.4876,
                "val_accuracy": 0.8782,
            },
        },
        "4-layers": {
            10: {
                "running_loss": 2.3586,
                "running_accuracy": 0.09726,
                "val_loss": 2.3392,
                "val_accuracy": 0.0966,
            },
        },
    },
    figures="Figures: the curves of each depth, in a directory of its own.",
    remarks="The report's four layers were stuck at chance; a correct run with He initialisation is not.",
    task="Task1",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
