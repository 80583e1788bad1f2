"""PCA of points in the space of the parameters, such as the snapshots of several trainings."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy.linalg

from linclass.errors import UsageError
from linclass.params import Array


class Components(NamedTuple):
    """The points seen from their mean along the directions in which they differ most.

    mean `(P,)`; directions `(components, P)`, orthonormal; coordinates `(points, components)`; explained
    `(components,)`, each direction's share of the whole variance. A direction's sign is such that its
    largest entry is positive: an SVD leaves it open.
    """

    mean: Array
    directions: Array
    coordinates: Array
    explained: Array

    def on_plane(self) -> Array:
        """`(points, P)`: what is left of the points when only these directions are kept."""
        seen: Array = self.mean + self.coordinates @ self.directions
        return seen


def pca(points: Array, components: int = 2) -> Components:
    """The principal components of `(points, P)`, by a singular value decomposition of the centred points.

    points - mean = U S V^T; directions V^T, coordinates U S, explained S^2 / sum S^2.
    Raises UsageError for fewer points than it takes to differ in so many directions.
    Source: Jolliffe, Principal component analysis, 2002, section 3.5.
    """
    if len(points) < components + 1:
        raise UsageError(
            f"{len(points)} points in the space of the parameters: expected at least {components + 1} to see "
            f"{components} directions; train with --snapshot-every"
        )
    X = np.asarray(points, np.float64)
    mean = X.mean(axis=0)
    U, S, Vt = scipy.linalg.svd(X - mean, full_matrices=False)
    V = Vt[:components]
    sign = np.sign(V[np.arange(components), np.abs(V).argmax(axis=1)])
    total = float(np.sum(S**2))
    explained = S[:components] ** 2 / total if total > 0 else np.zeros(components)
    return Components(mean, sign[:, None] * V, sign * U[:, :components] * S[:components], explained)
