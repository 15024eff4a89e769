"""Least squares with coefficients that are not negative. Pure."""

import numpy as np

from llm_latency_lens.stats.quantiles import Floats


def fit_nonnegative(features: Floats, values: Floats) -> Floats:
    """The coefficients, one for each column, that fit `values` with the least relative squares.

    A coefficient that would be negative is 0, and the rest is fitted anew (an active set, as Lawson and
    Hanson, 1974, chapter 23, but without letting a coefficient back in: for a handful of columns).
    """
    scaled = features / values[:, None]
    active = list(range(features.shape[1]))
    found = np.zeros(features.shape[1])
    while active:
        fitted = np.linalg.lstsq(scaled[:, active], np.ones(len(values)), rcond=None)[0]
        if (fitted >= 0.0).all():
            found[active] = fitted
            break
        del active[int(np.argmin(fitted))]
    return found
