"""Each choice of a recipe in short: its formula or rule, range, cost and source.

The formulas stand in full in docs/method.md. 'Our reading': the papers leave it open to us.
"""

from __future__ import annotations

from collections.abc import Mapping

_WEIGHTS = "Cost: none, the weights are enough"
_LOOK = "Cost: one look at images, which is kept"

ABOUT: Mapping[str, Mapping[str, str]] = {
    "goal": {
        "macs": "Multiply-accumulate operations of one image, counted exactly: constant × outputs "
        "× inputs of each convolution and linear layer. Cost: none.",
        "params": "Trainable numbers of the network, counted exactly. Cost: none.",
        "memory": "The most that the input and output of one layer take in float32 for one image, "
        "computed. One layer alone may decide it. Cost: none.",
        "latency": "Milliseconds of one image, estimated: each layer's time at several widths, "
        "measured on this machine, summed. Cost: a measurement of some minutes, once.",
    },
    "similarity": {
        "cosine": "s = v·w for filters v and w made length 1: −1 to 1, where 1 is the same "
        "direction. Length plays no part, because BatchNorm takes it out. " + _WEIGHTS + ". "
        "Source: textbook; as the default our reading.",
        "euclidean": "s = exp(−d² / 2m²), d the distance of two filters, m the median distance in "
        "the layer: 0 to 1, where 1 means equal. Length counts, so it suits layers without "
        "BatchNorm. " + _WEIGHTS + ". Source: textbook; the scale is our reading.",
        "correlation": "The cosine after each filter's mean is taken off: −1 to 1. Filters that "
        "differ by a constant are alike; one whose weights are all equal is like none. "
        + _WEIGHTS + ". Source: textbook (Pearson).",
        "activation": "Pearson's correlation of two filters' maps, over images and positions, as "
        "the next layer reads them: −1 to 1. Finds different filters that say the same. " + _LOOK
        + ". Source: textbook; our reading.",
    },
    "clustering": {
        "kmeans": "Each filter goes to the nearest of k means, which move until nothing changes; "
        "the best of 10 starts (3 above 512 filters). Cost: n² steps a round for n filters. "
        "Source: as in C-SGD (Ding et al. 2019).",
        "agglomerative": "Each filter starts alone; the two clusters whose union spreads least are "
        "joined until k are left (Ward). No chance in it. Cost: about n² steps. Source: as in "
        "REPrune (2024).",
        "average": "As Ward's, but those two are joined whose members are nearest to each other on "
        "average. Cost: about n² steps. Source: textbook.",
        "complete": "As Ward's, but by the two members farthest apart, so that all members of a "
        "cluster are alike. Cost: about n² steps. Source: textbook.",
        "spectral": "k-means on the k leading eigenvectors of the graph of similarities; those "
        "below 0 are no ties. Finds chains of likeness too. Cost: up to n³ steps. Source: Ng, "
        "Jordan and Weiss 2001.",
        "hdbscan": "Clusters lie where filters are dense; one that lies alone is its own. It finds "
        "its own number, so the rule for the number does nothing. Cost: about n² steps. Source: "
        "Campello et al. 2013.",
    },
    "cluster_rule": {
        "share": "k = round(κ · m), at least 1, for m kept filters; κ is the field below. At κ = 1 "
        "importance has hardly a say; with a small κ each cluster keeps several. Cost: none. "
        "Source: our reading.",
        "one_each": "k = m for m kept filters, so each cluster keeps one. Cost: none. Source: as "
        "in C-SGD (Ding et al. 2019).",
        "threshold": "As many as complete linkage has when no two members of a cluster are less "
        "alike than 0.5 (Euclidean: farther apart than half the median distance). The target plays "
        "no part. Cost: about n² steps. Source: our reading.",
        "silhouette": "Of six numbers from 2 to n − 1 the one with the largest mean of "
        "(b − a) / max(a, b), −1 to 1: a the distance inside the own cluster, b to the next one. "
        "Cost: six clusterings a layer. Source: Rousseeuw 1987; the six are our reading.",
    },
    "criterion": {
        "l1": "Σ |w| over the filter's weights: 0 or more. " + _WEIGHTS + ". A small filter "
        "matters all the same where BatchNorm makes its output large. Source: Li et al. 2017.",
        "l2": "√(Σ w²) over the filter's weights: 0 or more. Single large weights count more than "
        "with L1. " + _WEIGHTS + ". Source: He et al. 2018.",
        "group_magnitude": "Mean of Σ w² over all that goes with the filter: itself, its norm, and "
        "the slices of every layer that reads it; 0 or more. " + _WEIGHTS + ". Source: Fang et "
        "al. 2023, as in Torch-Pruning.",
        "fpgm": "Σ ‖w − w'‖ over all filters w' of the layer: 0 or more. Small means near the "
        "middle, where others can stand in. Cost: n² · p steps for n filters of p weights. Source: "
        "He et al. 2019.",
        "bn_scale": "|γ| of the BatchNorm after the filter: 0 or more. Says most where training "
        "pushed γ towards 0; refused where no BatchNorm follows. " + _WEIGHTS + ". Source: Liu et "
        "al. 2017.",
        "taylor": "Mean of (∂L/∂g)² over batches, g a gate of 1 on the filter's output: how "
        "steeply the loss would change; 0 or more. Cost: labeled images, one backward pass a "
        "batch of 128. Source: Molchanov et al. 2019.",
        "hrank": "Mean rank of the filter's maps: 0 to the side of a map. Cost: 128 images, one "
        "decomposition a map. Source: Lin et al. 2020; the maps after pooling are our reading.",
        "chip": "By how much the nuclear norm of all maps falls without the filter's, mean over "
        "images: 0 or more. Large means that the others cannot imitate it. Cost: 128 images, one "
        "decomposition each. Source: Sui et al. 2021; the maps after pooling are our reading.",
        "reconstruction": "Place in the order in which filters can be spared: each time the one "
        "goes whose loss the others best make up for in the next layer's output. 0 to n − 1. "
        "Cost: one look at images, n³ steps. Source: our design.",
        "random": "A number from 0 to 1, drawn by the seed and the group's name. Cost: none. "
        "Source: the floor of comparisons; a recipe that is no better is worth nothing.",
    },
    "selection": {
        "clusters": "Each cluster gets a quota by size times spread. In it the most important "
        "filter stays, then those with the largest α · importance + (1 − α) · distance to what "
        "stays. Cost: none. Source: our reading of Li et al. 2024 (SFP).",
        "ranking": "The m most important filters of the group stay; clusters play no part. Cost: "
        "none. Source: as in Li et al. 2017.",
    },
    "allocation": {
        "dispersion": "keep = τ · D^γ, D the Kernel Dispersion, 0 to 1, τ as large as the target "
        "allows: groups of like filters lose more. On ResNet-20 hardly better than the same "
        "everywhere (measured). " + _WEIGHTS + ". Source: our reading of Li et al. 2024 (SFP).",
        "uniform": "keep = τ in every group, the largest τ that meets the target. Cost: none. "
        "Source: the usual baseline (Li et al. 2017).",
        "pooled": "One threshold for all filters, on importance divided by its group's mean: "
        "groups with many weak filters lose more. " + _WEIGHTS + ", unless the importance needs "
        "images. Source: usual, called global pruning.",
        "functional": "Damage −s · ln(1 − e): e the share of its output that a group cannot make "
        "up for, s the group's weight in its stream. Filters go where the damage rises least for "
        "what is saved. " + _LOOK + ". Source: our design.",
        "sensitivity": "Damage: log-odds of the accuracy lost when one group alone is thinned. "
        "Filters go where it rises least for what is saved. Cost: labeled images, a measurement "
        "for each group and width. Source: our design, on an idea of Li et al. 2017.",
    },
    "dispersion": {
        "nearest": "Mean of 1 − cosine to the nearest other filter, over the same for random "
        "filters: 0 (copies) to 1 (as spread as random). " + _WEIGHTS + ". Source: our reading of "
        "Li et al. 2024 (SFP).",
        "effective_rank": "exp(H) / n, H the entropy of the eigenvalues of the filters' cosines: "
        "near 0 (one direction) to 1 (all directions). Cost: n³ steps. Source: Roy and Vetterli "
        "2007; its use here is our reading.",
        "mean": "Mean of 1 − cosine over all pairs, cut off at 1. Near 1 in every layer, because "
        "long rows are nearly orthogonal: it tells layers hardly apart. " + _WEIGHTS + ". "
        "Source: the naive measure, for comparison.",
        "activation": "1 − the mean, over filters, of the largest |r| with another one, r the "
        "correlation of their maps: 0 (each has a twin) to 1. " + _LOOK + ". Source: our reading.",
    },
    "coupled": {
        "protect": "Layers that a residual addition ties lose nothing. Less can be saved. Cost: "
        "none. Source: usual for ResNets (Li et al. 2017).",
        "shared": "The filters of all tied layers are joined, each layer made the same size first, "
        "and compared and cut as one. Cost: none. Source: our reading.",
        "pacesetter": "All tied layers lose the filters that the first of them can spare. Cost: "
        "none. Source: C-SGD (Ding et al. 2019).",
    },
    "compensation": {
        "none": "The filters go and nothing makes up for them, except that BatchNorm is estimated "
        "anew. Cost: none.",
        "bias": "The next bias takes over what the filters answered on average: b += Σ W E[a]. "
        "BatchNorm behind it undoes that. Cost: one pass over images when pruned. Source: usual.",
        "merge": "The next layer's weights of a filter that goes are added to the kept one most "
        "like it, where s is 0.9 or more. Exact for copies; in trained ResNets few are so alike. "
        "Cost: none. Source: C-SGD (Ding et al. 2019).",
        "scale": "As merge, from s = 0.5 on, but times S, how much larger the one answers than the "
        "other after their norms. Cost: one pass over images when pruned. Source: Neuron Merging "
        "(Kim et al. 2020), S derived anew.",
        "lsq_channel": "Each map that goes is expressed by all kept ones, by least squares on "
        "images, and the next layer's weights take that over. Cost: one pass over images when "
        "pruned. Source: our reading.",
        "lsq_window": "Each next layer is refitted to its old output by least squares, over the "
        "windows it reads, layer after layer. The strongest. Cost: a pass over up to 1,024 images "
        "a layer. Source: our reading.",
    },
}  # fmt: skip
