"""Multi-granularity pruning with adaptive l1: filters first, then stripes, then fixed stripes.

Our reading of Liu & Chen 2023 (docs/method.md). 'filters': a proximal step on rows, weighted
by 1 / (norm + 0.1) and by how far the group is above its target. 'stripes': a gate S on every
position of every filter's window, with the same penalty; W_eff = W * S. 'frozen': the gates are
folded into W, and what is 0 stays 0. Layers whose filters are tied keep all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.cost.cost import cost_of_widths
from sfp_viz.core.cost.stripes import share_for
from sfp_viz.core.network import Network
from sfp_viz.core.training.proximal import gate_weights, layer_weight, soft_threshold
from sfp_viz.core.training.sparsification import Stripes
from sfp_viz.nets.sparsity.filter_rows import Rows, mac_shares
from sfp_viz.nets.sparsity.scales import Scales
from sfp_viz.nets.sparsity.solver import Solver
from sfp_viz.nets.sparsity.stripe_gates import StripeGates, filter_targets, gated_layers

PHASES = ("filters", "stripes", "frozen")


class MultiGranularity(Solver):
    """Filters, then stripes, of ``module``; ``steps_per_epoch`` steps make an epoch."""

    selects_rows = True

    def __init__(
        self,
        module: nn.Module,
        rows: Sequence[Rows],
        scales: Scales,
        network: Network,
        settings: Stripes,
        steps_per_epoch: int,
    ) -> None:
        self.rows, self._network, self._settings = rows, network, settings
        self._units, self._steps_per_epoch = scales.units, steps_per_epoch
        self._weights = dict(module.named_parameters())
        layers = gated_layers(module, network)
        self.stripe_gates = StripeGates(module, layers, network, settings)
        steps = steps_per_epoch * settings.epochs
        self._filter_steps = int(settings.filter_share * steps) if rows else 0
        self._freeze = steps - int(settings.settle * steps)
        self._device = device = next(iter(self._weights.values())).device
        self._live = {r.group: torch.ones(r.size, dtype=torch.bool, device=device) for r in rows}
        self._live_early = {name: x.clone() for name, x in self._live.items()}
        names = [r.group for r in rows]
        self._shares = mac_shares(network, names)
        self._targets = filter_targets(network, names if self._filter_steps else (), settings)
        self._phase, self._stripe_share = 0, 1.0
        if not self._filter_steps:
            self._start_stripes()

    def forward_weights(self) -> dict[str, Tensor]:
        return self.stripe_gates.forward_weights() if self._phase == 1 else {}

    def after_step(self, learning_rate: float, step: int) -> None:
        """The proximal step, and the next phase when it is due. With momentum a gradient moves by
        learning rate / (1 - momentum) in all, and so does the penalty.

        Args:
            learning_rate: That of the step.
            step: The number of the step, from 0.
        """
        with torch.no_grad():
            if self._phase == 0:
                self._shrink_rows(learning_rate / (1 - self._settings.momentum))
                if step + 1 >= self._filter_steps:
                    self._drop_rows()
                    self._start_stripes()
            elif self._phase == 1:
                self.stripe_gates.train_step(
                    self._live_filters(),
                    learning_rate=learning_rate,
                    share=self._stripe_share,
                    step=step,
                    steps_per_epoch=self._steps_per_epoch,
                )
            self._hold()
            if self._phase == 1 and step + 1 >= self._freeze:
                self._freeze_stripes()

    def live(self) -> dict[str, np.ndarray]:
        if self._phase:
            return {name: live.cpu().numpy() for name, live in self._live.items()}
        live = {}
        for r in self.rows:
            norms = r.norms(self._weights)
            above = (norms > self._settings.dead_gate * self._units[r.group]).cpu().numpy()
            above[int(norms.argmax())] = True
            live[r.group] = above
        return live

    def removed_early(self) -> dict[str, np.ndarray]:
        return {name: ~live.cpu().numpy() for name, live in self._live_early.items()}

    def norms(self) -> dict[str, np.ndarray]:
        return {r.group: r.norms(self._weights).cpu().numpy() for r in self.rows}

    def phase(self, stage: str) -> str:
        return PHASES[self._phase]

    def live_stripes(self) -> dict[str, int]:
        return {n: int(m.sum()) for n, m in self._masks().items()} if self._phase else {}

    def stripe_shares(self) -> dict[str, float]:
        filters = self._live_filters()
        return {
            name: float(mask.sum()) / max(1, int(filters[name].sum()) * mask[0].numel())
            for name, mask in self._masks().items()
        }

    def gate_quantiles(self) -> dict[str, tuple[float, ...]]:
        return self.stripe_gates.quantiles(self._live_filters())

    def hardened(self) -> dict[str, Tensor]:
        weights = {}
        for name, mask in self._masks().items():
            weight = self.stripe_gates.weights[name].detach()
            gate = self.stripe_gates.gates[name].detach()[:, None]
            acting = weight * gate if self._phase == 1 else weight
            weights[f"{name}.weight"] = acting.masked_fill(~mask[:, None], 0)  # 0, and not -0
        return weights

    def state_dict(self) -> dict[str, Tensor]:
        state = {f"stays.{n}": x for n, x in self._live.items()}
        state |= {f"early.{n}": x for n, x in self._live_early.items()}
        numbers = torch.tensor([self._phase, self._stripe_share], dtype=torch.float64)
        return state | self.stripe_gates.state_dict() | {"numbers": numbers}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            self.stripe_gates.load_state_dict(state)
            for kind, tensors in (("stays", self._live), ("early", self._live_early)):
                for name, tensor in tensors.items():
                    tensor.copy_(state[f"{kind}.{name}"])
        self._phase, self._stripe_share = int(state["numbers"][0]), float(state["numbers"][1])

    def _masks(self) -> dict[str, Tensor]:
        """Stripes that act, bool [filters, height, width] by layer; those of pruned filters do
        not."""
        gates = self.stripe_gates
        return {
            name: (gates.above(name) if self._phase == 1 else gates.masks[name])
            & filters[:, None, None]
            for name, filters in self._live_filters().items()
        }

    def _live_filters(self) -> dict[str, Tensor]:
        """Filters that are kept: bool [filters], by layer with gates."""
        filters = {
            name: torch.ones(len(weight), dtype=torch.bool, device=self._device)
            for name, weight in self.stripe_gates.weights.items()
        }
        for r in self.rows:
            for s in r.slices:
                layer = s.name.removesuffix(".weight")
                if layer != s.name and layer in filters:
                    filters[layer][s.channels] &= self._live[r.group][s.units]
        return filters

    def _shrink_rows(self, rate: float) -> None:
        """A proximal step on the rows, in units of each group's mean norm at the start."""
        for r in self.rows:
            unit, target = self._units[r.group], self._targets[r.group]
            sizes = r.norms(self._weights) / unit
            live_share = float((sizes > self._settings.dead_gate).double().mean())
            push = float(self._settings.strength or 0) * self._shares[r.group]
            push *= rate * layer_weight(live_share, target)
            if push:
                shrunk = soft_threshold(sizes, push * gate_weights(sizes))
                factors = torch.where(sizes > 0, shrunk / sizes.clamp(min=1e-30), 0.0)
                r.scale(self._weights, factors)

    def _drop_rows(self) -> None:
        """Keep the largest rows, as many as the target says: the end of the filter level."""
        for r in self.rows:
            norms = r.norms(self._weights)
            count = max(1, round(self._targets[r.group] * r.size))
            live = torch.zeros_like(self._live[r.group])
            live[norms.argsort(descending=True, stable=True)[:count]] = True
            self._live[r.group], self._live_early[r.group] = live, live.clone()

    def _start_stripes(self) -> None:
        """Begin the second phase: one live share for all layers that reaches the target."""
        widths = {name: int(live.sum()) for name, live in self._live.items()}
        unpruned_macs = cost_of_widths(self._network, {}).macs
        budget = (1 - self._settings.target_reduction) * unpruned_macs
        filters = {name: int(live.sum()) for name, live in self._live_filters().items()}
        self._stripe_share = share_for(self._network, widths, filters, budget)
        self._phase = 1

    def _freeze_stripes(self) -> None:
        """Begin the last phase: stripes are fixed, as many as the target says."""
        self.stripe_gates.fix(self._live_filters(), self._stripe_share)
        self._phase = 2
        self._drop_empty()
        self._hold()

    def _drop_empty(self) -> None:
        """Drop filters without a stripe in any layer of their group; each group keeps one."""
        for r in self.rows:
            slices = {s.name.removesuffix(".weight"): s for s in r.slices}
            layers = self._network.group(r.group).layers
            if any(name not in self.stripe_gates.masks for name in layers):
                continue  # a window of 1 x 1 has no stripes to lose
            live = torch.zeros(r.size, dtype=torch.bool, device=self._device)
            for name in layers:
                s = slices[name]
                live_filters = self.stripe_gates.masks[name].flatten(1).any(1)[s.channels]
                live[s.units[live_filters]] = True
            if bool(live.any()):
                self._live[r.group] &= live

    def _hold(self) -> None:
        """Set pruned rows and stripes to 0 again."""
        for r in self.rows:
            if self._phase and not bool(self._live[r.group].all()):
                r.scale(self._weights, self._live[r.group].double())
        if self._phase == 2:
            self.stripe_gates.hold()
