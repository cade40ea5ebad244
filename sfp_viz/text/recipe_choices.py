"""Each choice of a recipe in short: its formula or rule, range, cost and source.

The formulas are given in full in docs/method.md. 'Our reading': the papers leave it open.
"""

from __future__ import annotations

from collections.abc import Mapping

_WEIGHTS = "Cost: none, the weights are enough"
_IMAGES = "Cost: one calibration on images, which is saved"

CHOICE_MEANINGS: Mapping[str, Mapping[str, str]] = {
    "goal": {
        "macs": "Multiply-accumulate operations of one image, counted exactly: constant × outputs "
        "× inputs of each convolution and linear layer. Cost: none.",
        "params": "Trainable parameters of the network, counted exactly. Cost: none.",
        "memory": "The largest input plus output of any layer in float32 for one image, computed. "
        "One layer alone may decide it. Cost: none.",
        "latency": "Milliseconds for one image, estimated as the sum of each layer's time at "
        "several widths, measured on this machine. Cost: one measurement of a few minutes.",
    },
    "similarity": {
        "cosine": "s = v·w for filters v and w of length 1: −1 to 1, where 1 is the same "
        "direction. Length is ignored, because BatchNorm removes it. " + _WEIGHTS + ". Source: "
        "textbook; its use as the default is our reading.",
        "euclidean": "s = exp(−d² / 2m²), where d is the distance of two filters and m the median "
        "distance in the layer: 0 to 1, where 1 means equal. Length counts, so it suits layers "
        "without BatchNorm. " + _WEIGHTS + ". Source: textbook; the scale is our reading.",
        "correlation": "The cosine after subtracting each filter's mean: −1 to 1. Filters that "
        "differ by a constant are alike; a filter of equal weights resembles none. " + _WEIGHTS
        + ". Source: textbook (Pearson).",
        "activation": "Pearson's correlation of two filters' feature maps over images and "
        "positions, as the next layer reads them: −1 to 1. It also finds filters with different "
        "weights and equal outputs. " + _IMAGES + ". Source: textbook; our reading.",
    },
    "clustering": {
        "kmeans": "Each filter is assigned to the nearest of k means, and the means are updated "
        "until nothing changes; best of 10 starts (3 above 512 filters). Cost: n² steps per "
        "iteration for n filters. Source: as in C-SGD (Ding et al. 2019).",
        "agglomerative": "Each filter starts as its own cluster; the two clusters whose union has "
        "the least variance are merged until k are left (Ward). Deterministic. Cost: about n² "
        "steps. Source: as in REPrune (2024).",
        "average": "Like Ward, but it merges the two clusters with the smallest average distance "
        "between members. Cost: about n² steps. Source: textbook.",
        "complete": "Like Ward, but it uses the largest distance between members, so all members "
        "of a cluster are alike. Cost: about n² steps. Source: textbook.",
        "spectral": "k-means on the k leading eigenvectors of the similarity graph, without its "
        "negative edges. It also finds chains of similar filters. Cost: up to n³ steps. Source: "
        "Ng, Jordan and Weiss 2001.",
        "hdbscan": "Clusters are dense regions; an isolated filter is its own cluster. HDBSCAN "
        "chooses the number of clusters itself, so the rule for it has no effect. Cost: about n² "
        "steps. Source: Campello et al. 2013.",
    },
    "cluster_rule": {
        "share": "k = round(κ · m), at least 1, for m kept filters; κ is the field below. At κ = "
        "1 importance hardly matters; with a small κ each cluster keeps several filters. Cost: "
        "none. Source: our reading.",
        "one_each": "k = m for m kept filters, so each cluster keeps one. Cost: none. Source: as "
        "in C-SGD (Ding et al. 2019).",
        "threshold": "The number at which complete linkage leaves no two members of a cluster "
        "with a similarity below 0.5 (Euclidean: more than half the median distance apart). It "
        "does not depend on the target. Cost: about n² steps. Source: our reading.",
        "silhouette": "The number, out of six from 2 to n − 1, with the largest mean of (b − a) / "
        "max(a, b), −1 to 1, where a is the distance within a filter's cluster and b to the next "
        "one. Cost: six clusterings per layer. Source: Rousseeuw 1987; the six candidates are our "
        "reading.",
    },
    "criterion": {
        "l1": "Σ |w| over the filter's weights: 0 or more. " + _WEIGHTS + ". A small filter still "
        "matters where BatchNorm makes its output large. Source: Li et al. 2017.",
        "l2": "√(Σ w²) over the filter's weights: 0 or more. Single large weights count more than "
        "with L1. " + _WEIGHTS + ". Source: He et al. 2018.",
        "group_magnitude": "Mean of Σ w² over everything that is pruned with the filter: its own "
        "weights, its norm, and the slices of every layer that reads it; 0 or more. " + _WEIGHTS
        + ". Source: Fang et al. 2023, as in Torch-Pruning.",
        "fpgm": "Σ ‖w − w'‖ over all filters w' of the layer: 0 or more. A small sum means near "
        "the center, where others can replace it. Cost: n² · p steps for n filters of p weights. "
        "Source: He et al. 2019.",
        "bn_scale": "|γ| of the BatchNorm after the filter: 0 or more. Most useful where training "
        "pushed γ towards 0; not available where no BatchNorm follows. " + _WEIGHTS
        + ". Source: Liu et al. 2017.",
        "taylor": "Mean of (∂L/∂g)² over batches, where g is a gate of 1 on the filter's output: "
        "how strongly the loss would change; 0 or more. Cost: labeled images, one backward pass "
        "per batch of 128. Source: Molchanov et al. 2019.",
        "hrank": "Mean rank of the filter's feature maps: 0 to the side of a map. Cost: 128 "
        "images, one decomposition per map. Source: Lin et al. 2020; using the maps after pooling "
        "is our reading.",
        "chip": "Decrease of the nuclear norm of all feature maps without the filter's, averaged "
        "over images: 0 or more. A large value means that the others cannot replace it. Cost: 128 "
        "images, one decomposition per filter. Source: Sui et al. 2021; using the maps after "
        "pooling is our reading.",
        "reconstruction": "Position in backward elimination: each step removes the filter whose "
        "loss the others can best compensate in the next layer's output. 0 to n − 1. Cost: one "
        "calibration on images, n³ steps. Source: our design.",
        "random": "A random number from 0 to 1, from the seed and the group's name. Cost: none. "
        "Source: the lower bound of comparisons; a recipe should do better.",
    },
    "selection": {
        "clusters": "Each cluster gets a quota by its size times its spread. It keeps its most "
        "important filter, then those with the largest α · importance + (1 − α) · distance to the "
        "filters kept so far. Cost: none. Source: our reading of Li et al. 2024 (SFP).",
        "ranking": "The m most important filters of the group are kept; clusters are ignored. "
        "Cost: none. Source: as in Li et al. 2017.",
    },
    "allocation": {
        "dispersion": "keep = τ · D^γ, where D is the Kernel Dispersion, 0 to 1, and τ as large "
        "as the target allows: groups of similar filters lose more. On ResNet-20 hardly better "
        "than uniform (measured). " + _WEIGHTS + ". Source: our reading of Li et al. 2024 (SFP).",
        "uniform": "keep = τ in every group, with the largest τ that meets the target. Cost: "
        "none. Source: the usual baseline (Li et al. 2017).",
        "pooled": "One threshold for all filters, on importance divided by the group's mean: "
        "groups with many unimportant filters lose more. " + _WEIGHTS + ", unless the importance "
        "needs images. Source: usual (global pruning).",
        "functional": "Damage −s · ln(1 − e), where e is the share of the output that the kept "
        "filters cannot restore and s the group's share of its stream. Filters are pruned where "
        "the damage rises least per cost saved. " + _IMAGES + ". Source: our design.",
        "sensitivity": "Damage: log-odds of the accuracy lost when one group alone is pruned. "
        "Filters are pruned where it rises least per cost saved. Cost: labeled images, one "
        "measurement per group and width. Source: our design, on an idea of Li et al. 2017.",
    },
    "dispersion": {
        "nearest": "Mean of 1 − cosine to the nearest other filter, divided by its value for "
        "random filters: 0 (copies) to 1 (as diverse as random filters). " + _WEIGHTS
        + ". Source: our reading of Li et al. 2024 (SFP).",
        "effective_rank": "exp(H) / n, where H is the entropy of the eigenvalues of the cosines: "
        "near 0 (one direction) to 1 (all directions). Cost: n³ steps. Source: Roy and Vetterli "
        "2007; its use here is our reading.",
        "mean": "Mean of 1 − cosine over all pairs, at most 1. Near 1 in every layer, because "
        "long filters are nearly orthogonal: it hardly distinguishes layers. " + _WEIGHTS
        + ". Source: the naive measure, for comparison.",
        "activation": "1 − the mean over filters of the largest |r| with another filter, where r "
        "is the correlation of their feature maps: 0 (each has a twin) to 1. " + _IMAGES
        + ". Source: our reading.",
    },
    "coupled": {
        "protect": "Layers tied by a residual addition are not pruned, which limits the saving. "
        "Cost: none. Source: usual for ResNets (Li et al. 2017).",
        "shared": "The filters of all tied layers are concatenated, after scaling each layer to "
        "the same norm, and compared and pruned as one. Cost: none. Source: our reading.",
        "pacesetter": "The filters to prune are chosen in the first tied layer and pruned in all "
        "of them. Cost: none. Source: C-SGD (Ding et al. 2019).",
    },
    "compensation": {
        "none": "The pruned filters are not compensated; only BatchNorm statistics, where there "
        "are any, are re-estimated. Cost: none.",
        "bias": "The next bias absorbs the mean output of the pruned filters: b += Σ W E[a]. A "
        "following BatchNorm cancels this. Cost: one pass over images when pruning. Source: usual.",
        "merge": "The next layer's weights for a pruned filter are added to those of the most "
        "similar kept filter, where s is 0.9 or more. Exact for copies; few filters of trained "
        "ResNets are that similar. Cost: none. Source: C-SGD (Ding et al. 2019).",
        "scale": "Like merging, from s = 0.5 on, but scaled by S, the ratio of the two outputs "
        "after their norms. Cost: one pass over images when pruning. Source: Neuron Merging (Kim "
        "et al. 2020), with our own derivation of S.",
        "lsq_channel": "Each pruned feature map is fitted by all kept ones with least squares on "
        "images, and the next layer's weights are updated with the fit. Cost: one pass over "
        "images when pruning. Source: our reading.",
        "lsq_window": "Each next layer is refitted to its original output by least squares over "
        "the windows it reads, layer by layer. The strongest. Cost: a pass over up to 1,024 "
        "images per layer. Source: our reading.",
    },
}  # fmt: skip
