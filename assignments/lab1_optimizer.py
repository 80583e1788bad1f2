"""Adam against SGD on the second lab report's final network."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="lab1_optimizer",
    title="784-360-10 with SGD (0.1) and with Adam (0.001).",
    source="MNIST lab, second report",
    settings=Experiment(
        dataset="mnist", model="mlp", hidden="360", batch_size=32, epochs=40, seeds=3, test=True
    ),
    variants={"sgd": {"optimizer": "sgd", "eta": 0.1}, "adam": {"optimizer": "adam", "eta": 0.001}},
    published={"sgd": {40: {"running_loss": 0.0005, "running_accuracy": 1.0, "val_accuracy": 0.9646}}},
    figures="Figures: the curves of each optimiser, in a directory of its own.",
    remarks=(
        "The report says that SGD beats its Adam; its recursion of v_t uses beta_1 where Kingma & Ba, and "
        "this program, have beta_2."
    ),
    task="Task1",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
