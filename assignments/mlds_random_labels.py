"""Can a network learn labels that say nothing of the images? MNIST, 0 to 100 % of them random."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from linclass.courses.claims import Claim, Findings, Study, is_above, is_below, trained, verdict
from linclass.metrics import mean_interval
from linclass.runs.progress import Listener
from linclass.settings import Experiment
from linclass.training.history import History

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


def find(settings: Experiment, *, data_dir: Path | None, listener: Listener) -> Findings:
    """Train at each share, and compare the ends."""
    histories = {
        share: trained(
            settings.replace(label_noise=share),
            data_dir=data_dir,
            listener=listener,
            label=f"{share:.0%} random",
        ).trainer.state.history
        for share in SHARES
    }
    from linclass import plots

    table: list[tuple[str, ...]] = [
        ("random labels", "train loss", "train accuracy", "validation loss", "test accuracy")
    ]
    columns = ("train_loss", "train_accuracy", "val_loss", "test_accuracy")
    for share, history in histories.items():
        cells = (mean_interval(history.last(column)).text("accuracy" in column) for column in columns)
        table.append((f"{share:.0%}", *cells))
    epochs = np.arange(1, settings.epochs + 1)
    measures = [
        plots.Panel(name, {f"{s:.0%} random": h.matrix(column) for s, h in histories.items()}, log, percent)
        for name, column, log, percent in (
            ("training loss", "train_loss", True, False),
            ("test accuracy", "test_accuracy", False, True),
        )
    ]
    title = f"MNIST, {settings.train_size or 'all'} training rows, labels partly random"
    pictures = {"random_labels": plots.panels(epochs, measures, title=title, xlabel="epoch")}
    return Findings(_claims(histories, settings), pictures, {f"after {settings.epochs} epochs": table})


def _claims(histories: dict[float, History], settings: Experiment) -> list[Claim]:
    random, true = histories[1.0], histories[0.0]
    # the best that a model can do that does not look at the image: ln 10, the loss of guessing
    loss = mean_interval(random.last("train_loss"))
    seen = mean_interval(random.last("train_accuracy"))
    test = mean_interval(random.last("test_accuracy"))
    slower = mean_interval(random.last("train_loss") - true.last("train_loss"))
    return [
        Claim(
            "the training loss falls although the labels are random",
            verdict(is_below(loss, np.log(10))),
            f"training loss {loss.text()} where guessing costs {np.log(10):.4f}; "
            f"right: {seen.text(percent=True)} of the training, {test.text(percent=True)} of the test rows",
        ),
        Claim(
            "random labels are harder to fit than true ones",
            verdict(is_above(slower)),
            f"training loss after {settings.epochs} epochs, random - true: {slower.text()}",
        ),
    ]


STUDY = Study(
    name="mlds_random_labels",
    title="MNIST with 0 to 100 % of the training labels drawn at random.",
    source="NTU MLDS homework 1, can a network fit random labels",
    settings=Experiment(
        dataset="mnist", train_size=5_000, model="mlp", hidden="256", optimizer="adam", epochs=40, seeds=3,
        overfit_action="ignore", test=True,
    ),
    find=find,
    varies=("label_noise",),
)  # fmt: skip

if __name__ == "__main__":
    STUDY.main()
