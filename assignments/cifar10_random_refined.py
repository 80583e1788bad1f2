"""CIFAR-10 with hyper-parameter search: ten random trials in narrower ranges, on 10,000 images."""

from linclass.courses.searches import SearchAssignment
from linclass.settings import Experiment

ASSIGNMENT = SearchAssignment(
    name="cifar10_random_refined",
    title="Random search in narrower ranges, ten trials of fifteen epochs on 10,000 images.",
    source="CIFAR-10 hyper-parameter search (TUM I2DL exercise)",
    settings=Experiment(
        split="all",
        train_size=10_000,
        val_size=500,
        model="mlp",
        hidden="200",
        optimizer="adam",
        batch_size=128,
        drop_last=True,
        epochs=15,
        patience=3,
        overfit_action="ignore",
    ),
    random={
        "learning_rate": ([2e-5, 7e-5], "log"),
        "reg": ([1e-5, 1e-4], "log"),
        "hidden_size": ([180, 220], "int"),
        "activation": (["relu", "leaky-relu"], "item"),
    },
    trials=10,
    chosen="learning rate 3e-5, 200 units and 2 layers for its final run (`cifar10_best`)",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
