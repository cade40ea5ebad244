"""Gates on the stripes of a module's convolutions: how they act, move and are fixed.

A gate S for every position of every filter's window; W_eff = W * S (docs/method.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from sfp_viz.core.allocation.allocate import allocated_widths
from sfp_viz.core.allocation.problem import Problem
from sfp_viz.core.cost.stripes import stripe_cost
from sfp_viz.core.network import Network
from sfp_viz.core.plan.recipe import uniform_l1
from sfp_viz.core.plan.request import Request
from sfp_viz.core.training.proximal import gate_weights, layer_weight, soft_threshold
from sfp_viz.core.training.sparsification import Stripes

_TENSORS = ("gates", "speed", "since", "masks")


class StripeGates:
    """Gates on the stripes of ``layers`` of ``module``. Values change in place.

    Attributes:
        weights: The weight of each layer; the others are [filters, height, width] by layer.
        gates: S.
        speed: Their momentum.
        since: The step since which each is below the threshold; -1 where it is not.
        masks: Stripes that act once they are fixed.
    """

    def __init__(
        self, module: nn.Module, layers: Sequence[str], network: Network, settings: Stripes
    ) -> None:
        every = dict(module.named_parameters())
        self.weights = {name: every[f"{name}.weight"] for name in layers}
        stripes = {n: w.detach()[:, 0] for n, w in self.weights.items()}
        self.gates = {n: torch.ones_like(x).requires_grad_() for n, x in stripes.items()}
        self.speed = {n: torch.zeros_like(x) for n, x in stripes.items()}
        self.since = {n: torch.full_like(x, -1, dtype=torch.int64) for n, x in stripes.items()}
        self.masks = {n: torch.ones_like(x, dtype=torch.bool) for n, x in stripes.items()}
        self._settings, self._pushes = settings, layer_mac_shares(network, layers)

    def forward_weights(self) -> dict[str, Tensor]:
        """Weights times gates, by parameter name; gates up to the threshold act as 0, and still
        get their gradient (straight-through)."""
        weights = {}
        for name, gate in self.gates.items():
            acting = gate * (gate.detach().abs() > self._settings.dead_gate)
            straight = gate + (acting - gate).detach()
            weights[f"{name}.weight"] = self.weights[name] * straight[:, None]
        return weights

    def above(self, name: str) -> Tensor:
        """Which gates of a layer are above the threshold: bool [filters, height, width]."""
        return self.gates[name].detach().abs() > self._settings.dead_gate

    def quantiles(self, filters: Mapping[str, Tensor]) -> dict[str, tuple[float, ...]]:
        """The 0, 25, 50, 75 and 100 % points of |S| of each layer's kept ``filters``, bool
        [filters] by layer."""
        at = torch.linspace(0, 1, 5)
        return {
            name: tuple(
                round(float(x), 6)
                for x in torch.quantile(gate.detach().abs()[filters[name]].flatten().cpu(), at)
            )
            for name, gate in self.gates.items()
        }

    def train_step(
        self,
        filters: Mapping[str, Tensor],
        *,
        learning_rate: float,
        share: float,
        step: int,
        steps_per_epoch: int,
    ) -> None:
        """SGD with momentum on the gates, then their proximal step.

        Args:
            filters: Filters that are kept: bool [filters] by layer.
            learning_rate: That of the weights.
            share: Share of the gates that is to stay above the threshold, 0..1.
            step: The step of the training, from 0.
            steps_per_epoch: Gates below the threshold for more epochs than the settings'
                ``reactivation`` are 0 for good.
        """
        settings = self._settings
        total_rate = learning_rate / (1 - settings.momentum)  # what a gradient moves in all
        for name, gate in self.gates.items():
            since, kept = self.since[name], filters[name]
            live = float((self.above(name) & kept[:, None, None]).sum())
            live /= max(1, int(kept.sum()) * gate[0].numel())
            lost = (since >= 0) & (step - since >= settings.reactivation * steps_per_epoch)
            if gate.grad is not None:
                self.speed[name].mul_(settings.momentum).add_(gate.grad)
                gate.grad = None
            self.speed[name].masked_fill_(lost, 0)
            gate.sub_(learning_rate * self.speed[name])
            push = float(settings.strength or 0) * self._pushes[name]
            push *= total_rate * layer_weight(live, share)
            if push:
                gate.copy_(soft_threshold(gate, push * gate_weights(gate)))
            gate.masked_fill_(lost, 0)
            is_dead = gate.abs() <= settings.dead_gate
            dead_since = torch.where(since < 0, step, since)
            self.since[name] = torch.where(is_dead, dead_since, -1)

    def fix(self, filters: Mapping[str, Tensor], share: float) -> None:
        """Keep in each layer the stripes with the largest |S| ||W||, and fold the gates into the
        weights.

        Args:
            filters: Filters that are kept: bool [filters] by layer.
            share: The share of their stripes to keep, 0..1; at least one stripe is kept.
        """
        for name, gate in self.gates.items():
            acting = self.above(name) & filters[name][:, None, None]
            size = gate.abs() * self.weights[name].norm(dim=1) * acting
            stripes = int(filters[name].sum()) * gate[0].numel()
            count = max(1, int(share * stripes + 1e-6))
            order = size.flatten().argsort(descending=True, stable=True)[:count]
            mask = torch.zeros(size.numel(), dtype=torch.bool, device=size.device)
            mask[order] = True
            self.masks[name] = mask.view(size.shape) & (size > 0)
            self.weights[name].mul_((gate * self.masks[name])[:, None])

    def hold(self) -> None:
        """Set stripes that are fixed at 0 to 0 again."""
        for name, mask in self.masks.items():
            self.weights[name].mul_(mask[:, None])

    def state_dict(self) -> dict[str, Tensor]:
        """All values but the weights, as tensors by name."""
        return {
            f"{kind}.{n}": x.detach() for kind in _TENSORS for n, x in getattr(self, kind).items()
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over a ``state_dict``. Raises KeyError or RuntimeError when it does not fit."""
        for kind in _TENSORS:
            for name, tensor in getattr(self, kind).items():
                tensor.copy_(state[f"{kind}.{name}"])


def gated_layers(module: nn.Module, network: Network) -> tuple[str, ...]:
    """Layers that get gates: convolutions with a window above 1 x 1 that mix channels.

    Args:
        module: The network.
        network: Its reading.
    """
    return tuple(
        layer.name
        for layer in network.layers
        if type(module.get_submodule(layer.name)) is nn.Conv2d
        and layer.weight[0, 0].size > 1
        and layer.weight.shape[1] > 1
    )


def layer_mac_shares(network: Network, layers: Sequence[str]) -> dict[str, float]:
    """MACs of each layer over their mean, 0.25 to 4.

    Args:
        network: The network.
        layers: The layers.
    """
    none = stripe_cost(network, {}, {}).macs
    macs = {name: none - stripe_cost(network, {name: 0}, {}).macs for name in layers}
    mean = sum(macs.values()) / max(1, len(macs)) or 1.0
    return {name: min(4.0, max(0.25, x / mean)) for name, x in macs.items()}


def filter_targets(network: Network, groups: Sequence[str], settings: Stripes) -> dict[str, float]:
    """Share of each group's filters that the first phase of multi-granularity pruning keeps, 0..1:
    the same everywhere, so that MACs come to (1 - reduction) ** filter_part.

    Args:
        network: The network.
        groups: The groups whose filters may be pruned.
        settings: Their target, and the part of it that filters take.
    """
    macs_share = (1 - settings.target_reduction) ** settings.filter_part
    if not groups or macs_share >= 1:
        return dict.fromkeys(groups, 1.0)
    tied = "shared" if settings.coupled else "protect"
    recipe = uniform_l1(1 - macs_share, coupled=tied, max_ratio=0.99)
    kept = allocated_widths(Problem(network, Request(recipe)))
    return {name: kept[name] / network.group(name).size for name in groups}
