"""CIFAR-10 with hyper-parameter search: ten random trials on 1000 images."""

from linclass.courses.searches import SearchAssignment
from linclass.settings import Experiment

ASSIGNMENT = SearchAssignment(
    name="cifar10_random_small",
    title="Random search, ten trials of ten epochs with patience 3 on 1000 images.",
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
    random={
        "learning_rate": ([1e-5, 1e-3], "log"),
        "reg": ([1e-5, 1e-4], "log"),
        "hidden_size": ([150, 400], "int"),
        "num_layer": ([2, 3], "item"),
        "activation": (["relu", "leaky-relu"], "item"),
    },
    trials=10,
    chosen="learning rates from 2e-5 to 7e-5, 180 to 220 units and 2 layers for its second search",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
