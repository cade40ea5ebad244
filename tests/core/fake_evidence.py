"""Evidence made up for tiny networks: observations, sensitivity and a latency table."""

from dataclasses import replace

import numpy as np

from sfp_viz.core.cost.latency_table import LatencyTable, widths_to_measure
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.evidence.observations import Observations
from sfp_viz.core.evidence.sensitivity import Sensitivity
from sfp_viz.core.network import Along, CostTerm, FilterGroup, Network
from sfp_viz.core.plan.recipe import Recipe


def observations_of(network, seed=0, skip=()):
    """Of all free groups but those to skip: random covariances, readers and scores."""
    rng = np.random.default_rng(seed)
    sizes = {group.name: group.size for group in network.free if group.name not in skip}

    def square(size):
        rows = rng.normal(size=(3 * size, size)) @ rng.normal(size=(size, size))
        return rows.T @ rows / len(rows)

    return Observations(
        digest=network.digest,
        data="made up, train",
        images=8,
        mean={name: rng.normal(size=size) for name, size in sizes.items()},
        covariance={name: square(size) for name, size in sizes.items()},
        readers_gram={name: square(size) for name, size in sizes.items()},
        power={name: float(rng.uniform(10, 1000)) for name in sizes},
        scores={
            score: {name: rng.random(size) for name, size in sizes.items()}
            for score in ("taylor", "hrank", "chip")
        },
    )


def sensitivity_of(network, seed=0, skip=()):
    """Of all free groups but those to skip, at three widths; 1000 images, 900 right."""
    rng = np.random.default_rng(seed)
    right = {}
    for group in network.free:
        if group.name not in skip:
            widths = sorted({max(1, round(s * group.size)) for s in (0.7, 0.4, 0.1)}, reverse=True)
            widths = [width for width in widths if width < group.size]
            falls = np.cumsum(rng.integers(1, 250, len(widths)))
            right[group.name] = tuple((w, int(900 - f)) for w, f in zip(widths, falls, strict=True))
    sizes = {name: network.group(name).size for name in right}
    return Sensitivity(network.digest, "made up, test", 1000, 900, Recipe(), right, 1.0, sizes)


def table_of(network):
    """Times that grow with both widths, less than in proportion."""
    points = {
        term.owner: tuple(
            (outs, ins, 0.1 + 1e-3 * (outs * max(ins, 1)) ** 0.8)
            for outs, ins in widths_to_measure(network, term)
        )
        for term in network.terms
        if term.macs
    }
    return LatencyTable(network.digest, "made up", 1, 1, points, rest_ms=2.0, whole_ms=9.0)


def evidence_of(network, seed=0, skip=()):
    """All of the above."""
    return Evidence(
        observations_of(network, seed, skip), sensitivity_of(network, seed, skip), table_of(network)
    )


def with_along(network):
    """The network with what goes along with its groups, as 'group_magnitude' needs it."""
    rng = np.random.default_rng(1)
    return replace(network, along={g.name: Along(rng.random(g.size), 3) for g in network.free})


def large(blocks=50):
    """As many terms and groups as a ResNet-50, and its widths; with a dispersion of each group."""
    rng = np.random.default_rng(0)
    widths = [int(64 * 2 ** (i * 6 // blocks)) for i in range(blocks)]
    names = [f"conv{i}" for i in range(blocks)]
    groups = tuple(FilterGroup(n, (n,), w) for n, w in zip(names, widths, strict=True))
    terms = []
    for i, name in enumerate(names):
        ins = ((names[i - 1], 1),) if i else (("", 3),)
        size = 49 * 4 ** (5 - i * 6 // blocks)
        terms.append(CostTerm(name, 9 * size, 9, 0, ((name, 1),), ins, map_size=size))
        terms.append(CostTerm(f"bn{i}", 0, 0, 2, ((name, 1),), (("", 0),)))
    network = Network("large", "large", (3, 224, 224), (), groups, tuple(terms))
    return network, {name: float(rng.uniform(0.3, 1)) for name in names}
