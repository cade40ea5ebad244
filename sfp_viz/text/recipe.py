"""Names for people of recipes, of their fields and of the choices in each field."""

from __future__ import annotations

from collections.abc import Mapping

from sfp_viz.core.plan.recipe import WITHOUT_IMAGES, Compensation

RECIPE_NAMES: Mapping[str, str] = {
    "similarity": "Similarity (weights only)",
    "paper_sfp": "SFP, as we read the paper",
    "functional": "Functional redundancy (default with images)",
    "uniform_l1": "Uniform L1 (baseline)",
    "global_l1": "Global L1 (baseline)",
    "group_magnitude": "Group magnitude (baseline)",
    "fpgm": "FPGM (baseline)",
    "bn_scale": "BatchNorm scale (baseline)",
    "taylor": "Taylor (baseline, images)",
    "hrank": "HRank (baseline, images)",
    "chip": "CHIP (baseline, images)",
    "random": "Random (baseline)",
}
SHORT_NAMES: Mapping[str, str] = {
    "similarity": "similarity",
    "paper_sfp": "SFP",
    "functional": "functional redundancy",
    "uniform_l1": "uniform L1",
    "global_l1": "global L1",
    "group_magnitude": "group magnitude",
    "fpgm": "FPGM",
    "bn_scale": "BatchNorm scale",
    "taylor": "Taylor",
    "hrank": "HRank",
    "chip": "CHIP",
    "random": "random",
}  # of named recipes, in the middle of a sentence
FIELD_LABELS: Mapping[str, str] = {
    "similarity": "Filter similarity",
    "clustering": "Clustering method",
    "cluster_rule": "Number of clusters",
    "criterion": "Importance criterion",
    "selection": "Filter selection",
    "allocation": "Allocation across groups",
    "dispersion": "Kernel Dispersion measure",
    "compensation": "Compensation",
    "coupled": "Layers tied by additions",
    "goal": "Reduce",
}
FIELD_HELP: Mapping[str, str] = {
    "similarity": "How two filters are compared. Cosine ignores the length of a filter; Euclidean "
    "distance does not. 'Activations' compares what the filters output on images.",
    "clustering": "How similar filters are grouped into clusters.",
    "cluster_rule": "How many clusters each layer gets: tied to the number of kept filters, or to "
    "how similar the filters are.",
    "criterion": "How the importance of a filter is scored: the most important filters are kept. "
    "Criteria marked 'images' need calibration on images.",
    "selection": "Representatives keep some filters of every cluster; ranking uses importance "
    "alone.",
    "allocation": "How the target is divided among the groups.",
    "dispersion": "How diverse the filters of a layer are: 0 for copies, 1 for random filters.",
    "compensation": "How the next layer is corrected for the pruned filters. Some methods need "
    "calibration images when the network is pruned.",
    "coupled": "A residual addition ties the filters of several layers: they can only be pruned "
    "together.",
    "goal": "Which cost the target reduces.",
}
CHOICE_NAMES: Mapping[str, Mapping[str, str]] = {
    "goal": {"macs": "MACs", "params": "Params", "memory": "Memory", "latency": "Latency"},
    "similarity": {
        "cosine": "Cosine",
        "euclidean": "Euclidean distance",
        "correlation": "Correlation (cosine without the mean)",
        "activation": "Activations (images)",
    },
    "clustering": {
        "kmeans": "k-means",
        "agglomerative": "Agglomerative (Ward)",
        "average": "Agglomerative (average linkage)",
        "complete": "Agglomerative (complete linkage)",
        "spectral": "Spectral",
        "hdbscan": "HDBSCAN (by density)",
    },
    "cluster_rule": {
        "share": "A share of the kept filters",
        "one_each": "One per kept filter",
        "threshold": "Similarity of at least 0.5",
        "silhouette": "Best silhouette score",
    },
    "selection": {
        "clusters": "Representatives of clusters",
        "ranking": "Most important of the group",
    },
    "criterion": {
        "l1": "L1 norm",
        "l2": "L2 norm",
        "group_magnitude": "Magnitude over all tied layers",
        "fpgm": "Distance to the other filters (FPGM)",
        "bn_scale": "Scale of the following BatchNorm",
        "taylor": "Effect on the loss (Taylor, images)",
        "hrank": "Rank of the feature maps (HRank, images)",
        "chip": "Independence of the feature maps (CHIP, images)",
        "reconstruction": "Reconstruction error of the next layer (images)",
        "random": "Random",
    },
    "allocation": {
        "dispersion": "Kernel Dispersion",
        "uniform": "Uniform",
        "pooled": "One threshold for all filters",
        "functional": "Functional redundancy (images)",
        "sensitivity": "Sensitivity (measured accuracy)",
    },
    "dispersion": {
        "nearest": "Nearest filter",
        "effective_rank": "Effective rank",
        "mean": "Mean distance",
        "activation": "Activations (images)",
    },
    "coupled": {
        "protect": "Do not prune them",
        "shared": "Prune them together",
        "pacesetter": "Prune them as the first layer decides",
    },
    "compensation": {
        "none": "None",
        "bias": "Bias correction",
        "merge": "Merging into similar filters",
        "scale": "Merging with rescaling",
        "lsq_channel": "Least squares per channel",
        "lsq_window": "Least squares per window",
    },
}
EVIDENCE_NAMES: Mapping[str, str] = {
    "observations": "image evidence",
    "sensitivity": "the sensitivity of each group",
    "latency": "the latency of each layer on this machine",
}
_GOALS = {
    "macs": "MACs",
    "params": "params",
    "memory": "peak activation memory",
    "latency": "latency (estimated)",
}


NORMS_KEPT = "BatchNorm keeps its old statistics."  # without images, whatever the recipe


def uncompensated_sentence(compensation: Compensation) -> str:
    """What pruning without calibration images does not do; '' for what needs none."""
    if compensation in WITHOUT_IMAGES:
        return ""
    return (
        "The pruned filters are not compensated: the recipe's "
        f"'{CHOICE_NAMES['compensation'][compensation]}' needs images, and none were given."
    )


def goal_name(goal: str) -> str:
    """The cost that a goal reduces, in the middle of a sentence."""
    return _GOALS[goal]
