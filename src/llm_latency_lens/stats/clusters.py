"""Quantiles of values that come in clusters: the gaps of one request are alike, requests are not.

Woodruff's interval: the error of the share below the quantile is told by the clusters' own residuals,
and turned back into values.
"""

from statistics import NormalDist

import numpy as np

from llm_latency_lens.stats.quantiles import CONFIDENCE, Floats, weighted_quantile

_FEWEST = 10
"""With fewer clusters their spread tells nothing."""


def cluster_interval(
    values: Floats, weights: Floats, lengths: Floats, p: float, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """The interval of the weighted p-quantile; None with few clusters, or where it would leave the sample.

    `lengths` says how many of the values each cluster has, in their order; clusters may be empty.
    """
    used = lengths[lengths > 0].astype(np.int64)
    if len(used) < _FEWEST:
        return None
    centre = weighted_quantile(values, weights, p)
    residuals = weights * ((values <= centre) - p)
    starts = np.concatenate([[0], np.cumsum(used)[:-1]])
    sums = np.add.reduceat(residuals, starts)
    total = float(weights.sum())
    clusters = len(used)
    error = float(np.sqrt((sums**2).sum() * clusters / (clusters - 1))) / total
    reach = NormalDist().inv_cdf((1.0 + confidence) / 2.0) * error
    if p - reach <= 0.0 or p + reach >= 1.0:
        return None
    return (
        weighted_quantile(values, weights, p - reach),
        weighted_quantile(values, weights, p + reach),
    )
