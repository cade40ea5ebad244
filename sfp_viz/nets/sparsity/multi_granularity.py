"""Multi-granularity pruning with adaptive l1: filters first, then stripes, then fixed stripes.

Our reading of Liu & Chen 2023 (docs/method.md). 'filters': a proximal step on rows, weighted
by 1 / (norm + 0.1) and by how far the group is above its target. 'stripes': a gate S on every
position of every filter's window, with the same penalty; W_eff = W * S. 'frozen': the gates are
folded into W, and what is 0 stays 0. Layers whose filters are tied keep their number.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from sfp_viz.core.cost.cost import Cost, cost_of_widths
from sfp_viz.core.cost.stripes import share_for, stripe_cost
from sfp_viz.core.network import Network
from sfp_viz.core.training.proximal import gate_weights, layer_weight, soft_threshold
from sfp_viz.core.training.sparsification import Sparsification
from sfp_viz.nets.sparsity.filter_rows import Rows, shares_of
from sfp_viz.nets.sparsity.group_lasso import Scales
from sfp_viz.nets.sparsity.stripe_gates import StripeGates, filter_targets, gated_layers

PHASES = ("filters", "stripes", "frozen")


class Thinning:
    """Gates and masks of ``module``; ``in_epoch`` steps make an epoch."""

    def __init__(
        self,
        module: nn.Module,
        rows: Sequence[Rows],
        scales: Scales,
        network: Network,
        settings: Sparsification,
        in_epoch: int,
    ) -> None:
        self.rows, self._network, self._settings = rows, network, settings
        self._units, self._in_epoch, self.rho = scales.units, in_epoch, 0.0
        self._least = settings.dead_gate
        self._all = dict(module.named_parameters())
        layers = gated_layers(module, network)
        self.held = StripeGates(module, layers, network, settings)
        steps = in_epoch * settings.epochs
        self._switch = int(settings.filter_share * steps) if rows else 0
        self._freeze = steps - int(settings.settle * steps)
        self._device = device = next(iter(self._all.values())).device
        self._stays = {r.group: torch.ones(r.size, dtype=torch.bool, device=device) for r in rows}
        self._early = {name: x.clone() for name, x in self._stays.items()}
        names = [r.group for r in rows]
        self._shares = shares_of(network, names)
        self._targets = filter_targets(network, names if self._switch else (), settings)
        self.phase, self._share = 0, 1.0
        if not self._switch:
            self._to_stripes()

    def running(self) -> dict[str, Tensor]:
        """Weights times gates, by parameter name; gates up to the threshold act as 0, and still
        get their gradient."""
        return self.held.running() if self.phase == 1 else {}

    def pull(self, rate: float) -> None:
        """Proximal steps need no change of the gradients."""

    def stepped(self, rate: float, step: int) -> None:
        """After step ``step`` of SGD: the proximal step, and the next phase when it is due. With
        momentum a gradient moves by rate / (1 - momentum) in all, and so does the penalty."""
        whole = rate / (1 - self._settings.momentum)
        with torch.no_grad():
            if self.phase == 0:
                self._shrink_rows(whole)
                if step + 1 >= self._switch:
                    self._drop_rows()
                    self._to_stripes()
            elif self.phase == 1:
                kept = self._kept()
                self.held.move(
                    kept, rate=rate, share=self._share, step=step, in_epoch=self._in_epoch
                )
            self._hold()
            if self.phase == 1 and step + 1 >= self._freeze:
                self._fix()

    def refresh(self, progress: float) -> tuple[str, ...]:
        """Nothing to set anew."""
        return ()

    def live(self) -> dict[str, np.ndarray]:
        """Filters that stay: bool [units] by group."""
        if self.phase == 0:
            found = {}
            for r in self.rows:
                norms = r.norms(self._all)
                above = (norms > self._least * self._units[r.group]).cpu().numpy()
                found[r.group] = above | _top(norms)
            return found
        return {name: stays.cpu().numpy() for name, stays in self._stays.items()}

    def early(self) -> dict[str, np.ndarray]:
        """Filters that went at filter level: bool [units] by group."""
        return {name: ~stays.cpu().numpy() for name, stays in self._early.items()}

    def norms(self) -> dict[str, np.ndarray]:
        """Norm of each row, by group."""
        return {r.group: r.norms(self._all).cpu().numpy() for r in self.rows}

    def counted(self) -> Cost:
        """Cost when only filters and stripes that act count; computed."""
        kept = {name: int(stays.sum()) for name, stays in self.live().items()}
        stripes = {n: int(m.sum()) for n, m in self.masks().items()} if self.phase else {}
        return stripe_cost(self._network, stripes, kept)

    def residual(self) -> dict[str, float]:
        """There is no copy."""
        return {}

    def masks(self) -> dict[str, Tensor]:
        """Stripes that act, bool [filters, height, width] by layer; those of filters that go do
        not."""
        return {
            name: (mask if self.phase != 1 else self.held.above(name)) & kept[:, None, None]
            for (name, mask), kept in zip(
                self.held.masks.items(), self._kept().values(), strict=True
            )
        }

    def stripes(self) -> tuple[tuple[str, float], ...]:
        """Share of the stripes of each layer's kept filters that act."""
        return tuple(
            (name, float(mask.sum()) / max(1, int(self._filters(name).sum()) * mask[0].numel()))
            for name, mask in self.masks().items()
        )

    def gates(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """Five points of |S| of each layer's kept filters: least, quarters, most."""
        return self.held.points(self._kept())

    def hardened(self) -> dict[str, Tensor]:
        """The weights as they act, by parameter name."""
        found = {}
        for name, mask in self.masks().items():
            weight = self.held.weights[name].detach()
            gate = self.held.gates[name].detach()[:, None]
            acting = weight * gate if self.phase == 1 else weight
            found[f"{name}.weight"] = acting.masked_fill(~mask[:, None], 0)  # 0, and not -0
        return found

    def state(self) -> dict[str, Tensor]:
        """Gates, masks and phase, as tensors by name."""
        state = {f"stays.{n}": x for n, x in self._stays.items()}
        state |= {f"early.{n}": x for n, x in self._early.items()}
        state |= self.held.state()
        numbers = torch.tensor([self.phase, self._share], dtype=torch.float64)
        return state | {"numbers": numbers}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a ``state``; KeyError or RuntimeError when it does not fit."""
        with torch.no_grad():
            self.held.restore(state)
            for kind in ("stays", "early"):
                for name, tensor in getattr(self, f"_{kind}").items():
                    tensor.copy_(state[f"{kind}.{name}"])
        self.phase, self._share = int(state["numbers"][0]), float(state["numbers"][1])

    def _filters(self, layer: str) -> Tensor:
        """Filters of a layer that stay: bool [filters]."""
        keep = torch.ones(len(self.held.weights[layer]), dtype=torch.bool, device=self._device)
        for r in self.rows:
            for part in r.parts:
                if part.name == f"{layer}.weight":
                    keep[part.channels] &= self._stays[r.group][part.units]
        return keep

    def _kept(self) -> dict[str, Tensor]:
        """The same of all layers with gates."""
        return {name: self._filters(name) for name in self.held.weights}

    def _shrink_rows(self, rate: float) -> None:
        """A proximal step on the rows, in units of each group's mean norm at the start."""
        for r in self.rows:
            unit, stays = self._units[r.group], self._targets[r.group]
            sizes = r.norms(self._all) / unit
            above = float((sizes > self._least).double().mean())
            push = float(self._settings.strength or 0) * self._shares[r.group]
            push *= rate * layer_weight(above, stays)
            if push:
                kept = soft_threshold(sizes, push * gate_weights(sizes))
                r.scale(self._all, torch.where(sizes > 0, kept / sizes.clamp(min=1e-30), 0.0))

    def _drop_rows(self) -> None:
        """The end of the filter level: the largest rows stay, as many as the target says."""
        for r in self.rows:
            norms = r.norms(self._all)
            count = max(1, round(self._targets[r.group] * r.size))
            stays = torch.zeros_like(self._stays[r.group])
            stays[norms.argsort(descending=True, stable=True)[:count]] = True
            self._stays[r.group], self._early[r.group] = stays, stays.clone()

    def _to_stripes(self) -> None:
        """Begin the second phase: one live share for all layers that reaches the target."""
        left = {name: int(stays.sum()) for name, stays in self._stays.items()}
        whole = cost_of_widths(self._network, {}).macs
        budget = (1 - self._settings.target_reduction) * whole
        filters = {name: int(kept.sum()) for name, kept in self._kept().items()}
        self._share = share_for(self._network, left, filters, budget)
        self.phase = 1

    def _fix(self) -> None:
        """Begin the last phase: stripes are fixed, as many as the target says."""
        self.held.fix(self._kept(), self._share)
        self.phase = 2
        self._drop_empty()
        self._hold()

    def _drop_empty(self) -> None:
        """Filters without a stripe in any layer of their group go; each group keeps one."""
        for r in self.rows:
            weights = {part.name.removesuffix(".weight"): part for part in r.parts}
            layers = self._network.group(r.group).layers
            if any(name not in self.held.masks for name in layers):
                continue  # a window of 1 x 1 has no stripes to lose
            full = torch.zeros(r.size, dtype=torch.bool, device=self._device)
            for name in layers:
                part = weights[name]
                has = self.held.masks[name].flatten(1).any(1)[part.channels]
                full[part.units[has]] = True
            if bool(full.any()):
                self._stays[r.group] &= full

    def _hold(self) -> None:
        """What is gone stays at 0."""
        for r in self.rows:
            if self.phase and not bool(self._stays[r.group].all()):
                r.scale(self._all, self._stays[r.group].double())
        if self.phase == 2:
            self.held.hold()


def _top(norms: Tensor) -> np.ndarray:
    """Whether a row is the largest: bool [units]."""
    found = np.zeros(len(norms), dtype=bool)
    found[int(norms.argmax())] = True
    return found
