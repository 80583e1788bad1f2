"""Why do Task 1 and Task 2 need different learning rates and differ in accuracy? What both reports ask."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

STUCK = {
    10: {"running_loss": 2.3586, "running_accuracy": 0.09726, "val_loss": 2.3392, "val_accuracy": 0.0966},
}

ASSIGNMENT = Assignment(
    name="lab_why",
    title="The second report's four layers, stuck at chance there, under every suspect.",
    source="MNIST lab, second report: 784-360-100-40-10 at learning rate 0.1",
    settings=Experiment(
        dataset="mnist",
        model="mlp",
        hidden="360,100,40",
        eta=0.1,
        batch_size=32,
        epochs=10,
        seeds=2,
        overfit_action="ignore",
        test=True,
    ),
    variants={
        "baseline": {},
        "raw-input": {"scaling": "raw"},
        "raw-input-small-start": {"scaling": "raw", "init": "normal"},
        "small-start": {"init": "normal"},
        "torch-start": {"init": "uniform"},
        "sums": {"reduction": "sum"},
        "sums-small-start": {"reduction": "sum", "init": "normal"},
        "adam": {"optimizer": "adam"},
        "adam-slow": {"optimizer": "adam", "eta": 0.001},
    },
    published={"raw-input": STUCK, "small-start": STUCK, "sums": STUCK, "adam": STUCK},
    figures="Figures: the curves of each suspect, in a directory of its own.",
    remarks="A loss of ln 10 = 2.3026 is what equal probabilities for all ten digits cost.",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
