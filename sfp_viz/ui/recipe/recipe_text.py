"""The recipe's choices in words, each with what it means and when it is worth choosing."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, str] = {
    "similarity": "Similarity, from weights alone",
    "paper_sfp": "SFP, our reading of the paper",
    "functional": "Redundancy by function (default with images)",
    "uniform_l1": "Uniform L1 (baseline)",
    "global_l1": "L1, one threshold for all (baseline)",
    "group_magnitude": "Group magnitude (baseline)",
    "fpgm": "FPGM (baseline)",
    "bn_scale": "BatchNorm scale (baseline)",
    "taylor": "Taylor (baseline, images)",
    "hrank": "HRank (baseline, images)",
    "chip": "CHIP (baseline, images)",
    "random": "Random (baseline)",
}
LABELS: Mapping[str, str] = {
    "similarity": "Filters are compared by",
    "clustering": "Clusters are found by",
    "cluster_rule": "Number of clusters",
    "criterion": "A filter matters by",
    "selection": "Kept are",
    "allocation": "Each group's share",
    "dispersion": "Kernel Dispersion from",
    "compensation": "Make up for what went",
    "coupled": "Layers tied by an addition",
    "goal": "The target counts",
}
HELP: Mapping[str, str] = {
    "similarity": "Direction ignores how large a filter is; distance does not. 'What they answer' "
    "compares filters by their activations on images.",
    "clustering": "How filters that are alike are put together.",
    "cluster_rule": "How many clusters each layer gets: tied to the filters that stay, or to how "
    "alike the filters are.",
    "criterion": "Which filters of a cluster stay. Those marked 'images' need to have seen some.",
    "selection": "Representatives keep some of every cluster; the ranking knows importance only.",
    "allocation": "How the target is shared out among the groups.",
    "dispersion": "How spread the filters of a layer are: 0 for copies, 1 for random ones.",
    "compensation": "What the next layer is given so that it misses less. Needs images to "
    "calibrate with when the network is pruned.",
    "coupled": "A residual addition ties the filters of several layers: they can only go together.",
    "goal": "What the target is a share of.",
}
WORDS: Mapping[str, Mapping[str, str]] = {
    "goal": {"macs": "MACs", "params": "Params", "memory": "Memory", "latency": "Latency"},
    "similarity": {
        "cosine": "Direction (cosine)",
        "euclidean": "Distance (Euclidean)",
        "correlation": "Direction without the mean (correlation)",
        "activation": "What they answer (activations, images)",
    },
    "clustering": {
        "kmeans": "k-means",
        "agglomerative": "Agglomerative (Ward)",
        "average": "Agglomerative (average distance)",
        "complete": "Agglomerative (largest distance)",
        "spectral": "Spectral",
        "hdbscan": "By density (HDBSCAN)",
    },
    "cluster_rule": {
        "share": "A share of the kept filters",
        "one_each": "One for each kept filter",
        "threshold": "Until likeness falls below 0.5",
        "silhouette": "The best separated",
    },
    "selection": {
        "clusters": "Representatives of clusters",
        "ranking": "The most important of the whole group",
    },
    "criterion": {
        "l1": "Sum of absolute weights (L1)",
        "l2": "Length of the filter (L2)",
        "group_magnitude": "Length over all tied layers",
        "fpgm": "Distance to the other filters (FPGM)",
        "bn_scale": "Scale of the BatchNorm after it",
        "taylor": "Effect on the loss (Taylor, images)",
        "hrank": "Rank of its maps (HRank, images)",
        "chip": "Independence of its maps (CHIP, images)",
        "reconstruction": "What the next layer loses (images)",
        "random": "Drawn at random",
    },
    "allocation": {
        "dispersion": "By Kernel Dispersion",
        "uniform": "The same everywhere",
        "pooled": "One threshold for all filters",
        "functional": "By what the next layer loses (functional, images)",
        "sensitivity": "By sensitivity (measured accuracy)",
    },
    "dispersion": {
        "nearest": "Nearest filter",
        "effective_rank": "Effective rank",
        "mean": "Mean distance",
        "activation": "Activations (images)",
    },
    "coupled": {
        "protect": "Leave them whole",
        "shared": "Cut them together",
        "pacesetter": "Cut them, the first layer chooses",
    },
    "compensation": {
        "none": "None",
        "bias": "Into the next bias",
        "merge": "Into the filters that stand for them",
        "scale": "Rescaled channels",
        "lsq_channel": "Least squares, by channel",
        "lsq_window": "Least squares, by window",
    },
}
EVIDENCE: Mapping[str, str] = {
    "observations": "a look at images",
    "sensitivity": "the sensitivity of each group",
    "latency": "the time of each layer on this machine",
}


_SAVED = {
    "macs": "MACs",
    "params": "params",
    "memory": "peak activation memory",
    "latency": "latency (estimated)",
}


def words(goal: str) -> str:
    """What a goal counts, in the middle of a sentence."""
    return _SAVED[goal]
