"""KTH DD2424, assignment 2: two layers, 50 hidden units, one cycle of the triangular learning rate."""

from linclass.courses.experiments import Assignment
from linclass.settings import Experiment

ASSIGNMENT = Assignment(
    name="a2_cyclic",
    title="One cycle of the cyclic learning rate: 1e-5 to 1e-1 and back in 1000 steps.",
    source="KTH DD2424 assignment 2, exercise 3",
    settings=Experiment(
        model="mlp",
        hidden="50",
        init="xavier",
        l2=0.01,
        eta=0.1,
        schedule="triangular:1e-5:500",
        epochs=10,
        seeds=5,
        test=True,
    ),
    published={"": {10: {"test_accuracy": 0.46}}},
    figures="Figures: cost, loss and accuracy over the cycle.",
    remarks='The handout says "about 46 %".',
)

if __name__ == "__main__":
    ASSIGNMENT.main()
