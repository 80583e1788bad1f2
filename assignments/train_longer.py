"""Bonus (ii) of KTH DD2424, assignment 1: 2000 epochs, watched for overfitting."""

from linclass.cli.main import TRAIN_LONG
from linclass.courses.experiments import Assignment

COLUMNS = ("train_cost", "val_cost", "test_accuracy")
TABLE = {
    1: (2.35312, 2.36131, 0.3606),
    10: (1.92387, 1.9376, 0.3778),
    50: (1.92102, 1.93453, 0.3755),
    100: (1.92044, 1.93162, 0.3765),
    200: (1.91963, 1.92828, 0.3772),
    300: (1.92069, 1.93098, 0.3764),
    400: (1.92159, 1.93381, 0.3742),
    500: (1.92045, 1.92874, 0.3789),
    600: (1.9197, 1.93142, 0.3790),
    700: (1.91865, 1.93335, 0.3825),
    800: (1.91992, 1.93714, 0.3837),
    900: (1.92071, 1.93663, 0.3803),
    1000: (1.92166, 1.92969, 0.3743),
}

ASSIGNMENT = Assignment(
    name="train_longer",
    title="Bonus (ii): 2000 epochs on all the training data; does longer training help?",
    source="KTH DD2424 assignment 1, bonus (ii)",
    settings=TRAIN_LONG,
    published={"": {epoch: dict(zip(COLUMNS, row, strict=True)) for epoch, row in TABLE.items()}},
    figures="Figures every 100 epochs: loss, accuracy, difference, weights; an animation of the weights.",
    remarks=(
        "Published: the threshold 0.5 was never reached, the largest difference was 0.01996. Why nothing "
        "changes after 50 to 100 epochs: the problem is convex and W contracts by 0.998 a step; what is left "
        "is noise around one point. `linclass optimum` with this run's directory shows how far above the "
        "minimum."
    ),
)

if __name__ == "__main__":
    ASSIGNMENT.main()
