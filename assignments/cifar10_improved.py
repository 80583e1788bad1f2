"""What the search report concludes, done: more data, augmentation, regularisation; no convolutions."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="cifar10_improved",
    title="3072-1024-512-10 on 49,000 rows: mirror, shift, batch norm, dropout, one cycle.",
    source="CIFAR-10 hyper-parameter search report (TUM I2DL exercise): what its conclusion asks for",
    settings=Experiment(
        split="all",
        model="mlp",
        hidden="1024,512",
        batch_norm=True,
        dropout=0.2,
        label_smoothing=0.1,
        optimizer="adam",
        eta=0.002,
        schedule="one-cycle",
        batch_size=256,
        epochs=46,
        augment="mirror,shift:3",
        overfit_action="ignore",
        test=True,
    ),
    figures="Figures: cost and accuracy over the epochs, the first layer's units.",
    remarks="--threads 2 uses two cores: about 15 minutes where nothing else runs.",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
