"""Settings become a job: how many threads BLAS has, and that the same settings give the same bits."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from linclass.datasets.dataset import Dataset, Split
from linclass.runs.build import WIDE, Job, build, has_wide_products
from linclass.runs.model import replica_seeds
from linclass.settings import Experiment
from linclass.training.trainer import Callback, Trainer

pytestmark = pytest.mark.bits

D, N = 120, 600


def dataset() -> Dataset:
    rng = np.random.default_rng(0)

    def split(n: int) -> Split:
        return Split(rng.integers(0, 256, (n, D), dtype=np.uint8), rng.integers(0, 3, n))

    return Dataset("own", split(N), split(60), None, ("a", "b", "c"), None, "")


class Threads(Callback):
    """Notes the threads of BLAS while it trains."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def on_batch_end(self, trainer: Trainer) -> None:
        pools = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
        self.seen.add(max(pools))


def trained(job: Job) -> np.ndarray:
    return job.fit().params.flat.copy()


WIDE_NET = Experiment(
    model="mlp", hidden="400,20", batch_size=500, epochs=2, eta=0.01, scaling="unit", shuffle="none"
)
NARROW_NET = WIDE_NET.replace(batch_size=100)


@pytest.mark.parametrize(("settings", "expected"), [(WIDE_NET, 2), (NARROW_NET, 1)], ids=["wide", "narrow"])
def test_blas_has_two_threads_where_products_are_wide(settings: Experiment, expected: int) -> None:
    for threads, wanted in ((1, 1), (2, expected)):
        job, threads_seen = build(settings, dataset(), threads=threads), Threads()
        job.trainer.callbacks.append(threads_seen)
        job.fit()
        assert threads_seen.seen == {wanted}


@pytest.mark.parametrize("settings", [WIDE_NET, NARROW_NET], ids=["wide", "narrow"])
def test_the_same_settings_are_the_same_bits_and_another_thread_only_rounds_otherwise(
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
    settings: Experiment,
) -> None:
    data, K = dataset(), 5
    together = build(settings.replace(seeds=K), data).fit()
    for k, seed in enumerate(replica_seeds(settings.replace(seeds=K))):
        alone = build(settings.replace(seed=seed), data).fit()
        np.testing.assert_array_equal(together.params.flat[k], alone.params.flat[0])
        for name in set(alone.history.columns) - {"model", "seconds"}:
            np.testing.assert_array_equal(together.history.column(name, k), alone.history.column(name))
