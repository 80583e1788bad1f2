"""Growing data: overfit 1, 10 and 1000 images first, then see what more images are worth."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="cifar10_ladder",
    title="3072-200-10 on 1, 10, 1000, 10,000, 20,000 and 40,000 images.",
    source="CIFAR-10 hyper-parameter search report (TUM I2DL exercise)",
    settings=Experiment(
        split="all",
        val_size=10000,
        model="mlp",
        hidden="200",
        activation="leaky-relu",
        scaling="global",
        optimizer="adam",
        eta=0.001,
        batch_size=100,
        epochs=20,
        overfit_action="ignore",
        test=True,
    ),
    variants={
        "1": {"train_size": 1, "batch_size": 1, "epochs": 30},
        "10": {"train_size": 10, "batch_size": 10, "epochs": 30},
        "1000": {"train_size": 1000, "epochs": 30},
        "10000": {"train_size": 10_000},
        "20000": {"train_size": 20_000},
        "40000": {"train_size": 40_000},
    },
    growth=True,
    figures="Figures: the curves of each size, in a directory of its own; accuracy against training rows.",
    remarks="What cannot learn 1, 10 and 1000 images by heart has a fault: 100 % there is the check.",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
