"""Settings become a job: who gets the second core, and that the same settings give the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from linclass.datasets.dataset import Dataset, Split
from linclass.job import WIDE, Job, build, has_wide_products
from linclass.models.build import replica_seeds
from linclass.settings import Experiment
from linclass.training import Callback, Trainer

D, N = 120, 600


def dataset() -> Dataset:
    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        return Split(rng.integers(0, 256, (n, D), dtype=np.uint8), rng.integers(0, 3, n))

    return Dataset("own", split(N), split(60), None, ("a", "b", "c"), None, "")


class Threads(Callback):
    """Notes the threads of BLAS and of the trainer while it trains."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int]] = set()

    def on_batch_end(self, trainer: Trainer) -> None:
        pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        self.seen.add((max(pools), trainer.threads))


def trained(job: Job) -> np.ndarray:
    return job.fit().params.flat.copy()


WIDE_NET = Experiment(
    model="mlp", hidden="400,20", batch_size=500, epochs=2, eta=0.01, scaling="unit", shuffle="none"
)
NARROW_NET = WIDE_NET.replace(batch_size=100)


@pytest.mark.parametrize(
    ("settings", "expected"), [(WIDE_NET, (2, 1)), (NARROW_NET, (1, 2))], ids=["wide", "narrow"]
)
def test_the_second_core_is_blass_or_the_trainers_never_both(
    settings: Experiment, expected: tuple[int, int]
) -> None:
    for threads, wanted in ((1, (1, 1)), (2, expected)):
        job, threads_seen = build(settings, dataset(), threads=threads), Threads()
        job.trainer.callbacks.append(threads_seen)
        job.fit()
        assert threads_seen.seen == {wanted}


@pytest.mark.parametrize("settings", [WIDE_NET, NARROW_NET], ids=["wide", "narrow"])
def test_the_same_settings_are_the_same_bits_and_another_core_only_rounds_otherwise(
    settings: Experiment,
) -> None:
    settings = settings.replace(dtype="float64")
    one, two, again = (trained(build(settings, dataset(), threads=threads)) for threads in (1, 2, 2))
    np.testing.assert_array_equal(two, again)
    np.testing.assert_allclose(two, one, rtol=0, atol=1e-10)


def test_common_batches_make_one_wide_product_of_narrow_models() -> None:
    job = build([Experiment(eta=eta, scaling="unit") for eta in (0.1, 0.2)], dataset())
    rows = int(np.ceil(WIDE / job.model.params["W"].size))
    assert has_wide_products(job.model, rows, common=True)
    assert not has_wide_products(job.model, rows)


LINEAR = Experiment(batch_size=50, epochs=2, eta=0.01, l2=0.01, scaling="per-pixel")


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(
    "settings",
    [
        LINEAR,
        LINEAR.replace(shuffle="batches"),
        LINEAR.replace(batch_size=70, shuffle="batches"),
        LINEAR.replace(loss="svm", dtype="float64"),
        LINEAR.replace(model="mlp", hidden="9,7", optimizer="adam", dropout=0.2),
        LINEAR.replace(model="mlp", hidden="9", optimizer="momentum", loss="bce"),
        LINEAR.replace(model="mlp", hidden="9", batch_norm=True),
        LINEAR.replace(clip=0.5),
    ],
    ids=["linear", "batches", "short batch", "svm", "mlp", "bce", "batch norm", "clip"],
)
def test_replicas_are_to_the_bit_what_each_is_alone(
    settings: Experiment, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linclass.training.WORTH_SHARING", 0)
    data, K = dataset(), 5
    job = build(settings.replace(seeds=K), data, threads=threads)
    together = job.fit()
    for k, seed in enumerate(replica_seeds(settings.replace(seeds=K))):
        alone = build(settings.replace(seed=seed), data).fit()
        np.testing.assert_array_equal(together.params.matrix()[k], alone.params.matrix()[0])
        np.testing.assert_array_equal(
            together.history.column("running_loss", k), alone.history.column("running_loss", 0)
        )


@pytest.mark.parametrize(
    ("threads", "K", "change", "expected"),
    [
        (1, 10, {}, [10]),
        (2, 10, {}, [5, 5]),
        (2, 3, {}, [2, 1]),
        (2, 10, {"clip": 1.0}, [1] * 10),
        (2, 10, {"batch_size": 70, "shuffle": "batches"}, [1] * 10),
        (2, 10, {"batch_size": 70, "shuffle": "batches", "drop_last": True}, [5, 5]),
        (1, 1, {}, [1]),
    ],
)
def test_groups_of_replicas(
    threads: int, K: int, change: dict[str, object], expected: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("linclass.training.WORTH_SHARING", 0)
    job = build(LINEAR.replace(seeds=K, **change), dataset(), threads=threads)
    assert [len(track.seeds) for track in job.trainer.tracks] == expected


def test_no_more_replicas_side_by_side_than_the_cache_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    rows_of_one = LINEAR.batch_size * D * np.dtype(LINEAR.dtype).itemsize
    monkeypatch.setattr("linclass.job.LARGEST_GROUP", 3 * rows_of_one)
    job = build(LINEAR.replace(seeds=10), dataset())
    assert [len(track.seeds) for track in job.trainer.tracks] == [3, 3, 3, 1]
