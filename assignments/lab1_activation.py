"""ReLU against sigmoid, three layers from scratch on MNIST, as in the second lab report."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="lab1_activation",
    title="784-360-100-10 with ReLU and with sigmoid units.",
    source="MNIST lab, second report",
    settings=Experiment(
        dataset="mnist", model="mlp", hidden="360,100", eta=0.1, batch_size=32, epochs=10, seeds=3, test=True
    ),
    variants={"relu": {"activation": "relu"}, "sigmoid": {"activation": "sigmoid"}},
    published={
        "relu": {
            10: {
                "running_loss": 0.3941,
                "running_accuracy": 0.89168,
                "val_loss": 0.4876,
                "val_accuracy": 0.8782,
            },
        },
        "sigmoid": {
            1: {"running_loss": 2.3585, "running_accuracy": 0.09782, "val_accuracy": 0.0966},
            10: {
                "running_loss": 2.0994,
                "running_accuracy": 0.17664,
                "val_loss": 2.0564,
                "val_accuracy": 0.1787,
            },
        },
    },
    figures="Figures: the curves of each activation, in a directory of its own.",
    remarks='The report\'s "ReLU" log of this comparison repeats its three-layer log.',
    task="Task1",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
