"""CIFAR-10 with hyper-parameter search: the grid search that comes first."""

from linclass.courses.searches import SearchAssignment
from linclass.settings import Experiment

ASSIGNMENT = SearchAssignment(
    name="cifar10_grid",
    title="Grid search over learning rate, lambda and activation on 1000 images.",
    source="CIFAR-10 hyper-parameter search (TUM I2DL exercise)",
    settings=Experiment(
        split="all",
        train_size=1000,
        val_size=500,
        model="mlp",
        hidden="200",
        optimizer="adam",
        batch_size=128,
        drop_last=True,
        epochs=10,
        patience=3,
        overfit_action="ignore",
    ),
    grid={
        "learning_rate": [1e-3, 1e-4, 1e-5],
        "reg": [1e-4, 1e-5],
        "activation": ["relu", "leaky-relu", "tanh", "sigmoid"],
    },
    chosen="learning rates from 1e-5 to 1e-3 and the ReLU kinds for its random search",
    remarks="The report names a grid search without its grid: these are the ends and middles of its spaces.",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
