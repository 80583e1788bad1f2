"""KTH DD2424, assignment 2: the final run, three cycles on all the training data with a good lambda."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="a2_final",
    title="Three cycles on 49,000 rows, 50 hidden units.",
    source="KTH DD2424 assignment 2, exercise 4",
    settings=Experiment(
        split="all",
        model="mlp",
        hidden="50",
        init="xavier",
        l2=0.003,
        eta=0.1,
        schedule="triangular:1e-5:980",
        epochs=12,
        snapshot_every=4,
        seeds=5,
        test=True,
    ),
    published={"": {12: {"test_accuracy": 0.51}}},
    figures="Figures: cost, loss and accuracy over the three cycles.",
    remarks='The handout says "at least 51 %". Lambda is a middle value of its range, not searched here. '
    "Its snapshots are the ends of the cycles: `linclass evaluate result_pics/a2_final --weights cycles` lets"
    " the three decide together.",
)

if __name__ == "__main__":
    ASSIGNMENT.main()
