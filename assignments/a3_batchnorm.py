"""KTH DD2424, assignment 3: three and nine layers with and without batch normalisation, and the start."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

NINE = "50,30,20,20,10,10,10,10"

ASSIGNMENT = Assignment(
    name="a3_batchnorm",
    title="Batch normalisation: three and nine layers, and the sensitivity to the initialisation.",
    source="KTH DD2424 assignment 3",
    settings=Experiment(
        split="all",
        val_size=5000,
        model="mlp",
        hidden="50,50",
        l2=0.005,
        eta=0.1,
        schedule="triangular:1e-5:2250",
        epochs=20,
        seeds=3,
        test=True,
    ),
    variants={
        "3-layers": {},
        "3-layers-bn": {"batch_norm": True},
        "9-layers": {"hidden": NINE},
        "9-layers-bn": {"hidden": NINE, "batch_norm": True},
        "start-1e-1": {"init": "normal", "init_std": 0.1},
        "start-1e-1-bn": {"init": "normal", "init_std": 0.1, "batch_norm": True},
        "start-1e-3": {"init": "normal", "init_std": 0.001},
        "start-1e-3-bn": {"init": "normal", "init_std": 0.001, "batch_norm": True},
        "start-1e-4": {"init": "normal", "init_std": 0.0001},
        "start-1e-4-bn": {"init": "normal", "init_std": 0.0001, "batch_norm": True},
    },
    figures="Figures: the curves of each network, in a directory of its own.",
    remarks="Two cycles of 4500 steps each on 45,000 rows, as the handout says.",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
