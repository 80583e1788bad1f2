"""Shallow against deep on MNIST at equal parameters, with intervals over seeds.

The report's nets have 5910 and 5670 parameters and are not described; no dense 784-h-10 net has so many.
Here: 784-7-10 (5575 parameters) and 784-6-18-25-10 (5571). The deep one sees the image through six units, not
seven: at equal parameters depth has to be paid for somewhere, and with 784 inputs it is paid there.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from linclass.courses.claims import Claim, Findings, Study, is_above, is_below, trained, verdict
from linclass.metrics import mean_interval
from linclass.runs.progress import Listener
from linclass.settings import Experiment

NETS = {"shallow": "7", "deep": "6,18,25"}


def find(settings: Experiment, *, data_dir: Path | None, listener: Listener) -> Findings:
    """Train both nets and compare their last epochs."""
    histories = {
        name: trained(
            settings.replace(hidden=hidden), data_dir=data_dir, listener=listener, label=name
        ).trainer.state.history
        for name, hidden in NETS.items()
    }
    from linclass import plots

    epochs = np.arange(1, settings.epochs + 1)
    title = "MNIST at equal parameters: 784-7-10 (5575) and 784-6-18-25-10 (5571)"
    series = {
        what: {
            f"{split} {name}": history.matrix(f"{short}_{what}")
            for name, history in histories.items()
            for split, short in (("train", "train"), ("test", "test" if what == "accuracy" else "val"))
        }
        for what in ("loss", "accuracy")
    }
    series["loss"] = {label.replace("test", "validation"): v for label, v in series["loss"].items()}
    pictures = {
        "loss": plots.curves(epochs, series["loss"], title=title, ylabel="loss", log_y=True),
        "accuracy": plots.curves(epochs, series["accuracy"], title=title, ylabel="accuracy", percent=True),
    }
    table: list[tuple[str, ...]] = [("after the last epoch", *NETS, "deep - shallow")]
    differences = {}
    for column in ("train_loss", "train_accuracy", "val_loss", "test_accuracy"):
        last = [histories[name].last(column) for name in NETS]
        differences[column] = mean_interval(last[1] - last[0])
        texts = [mean_interval(values).text("accuracy" in column) for values in last]
        table.append((column, *texts, differences[column].text("accuracy" in column)))
    loss, accuracy = differences["train_loss"], differences["test_accuracy"]
    claims = [
        Claim(
            "the deep net fits the training rows better than the shallow one",
            verdict(is_below(loss)),
            f"training loss, deep - shallow: {loss.text()}",
        ),
        Claim(
            "the deep net is more accurate on the test rows",
            verdict(is_above(accuracy)),
            f"test accuracy, deep - shallow: {accuracy.text(percent=True)} (points)",
        ),
    ]
    return Findings(claims, pictures, {f"{settings.seeds} seeds, mean ± 95 % interval": table})


STUDY = Study(
    name="mlds_depth",
    title="Shallow against deep on MNIST at equal parameters.",
    source="NTU MLDS homework 1, actual task",
    settings=Experiment(
        dataset="mnist", model="mlp", hidden="7", optimizer="adam", epochs=15, seeds=5, test=True,
        overfit_action="ignore",
    ),
    find=find,
    varies=("hidden",),
)  # fmt: skip

if __name__ == "__main__":
    STUDY.main()
