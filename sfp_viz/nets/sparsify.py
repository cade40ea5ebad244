"""Training that makes a network sparse: the loop, its history, and the plan it ends in.

What a method does to gradients and weights is in aulm.py (SSR), penalties.py (group lasso) and
gates.py (multi-granularity); the loop is the same for all of them.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from sfp_viz.core.cost import Cost, cost_of_widths
from sfp_viz.core.network import Network
from sfp_viz.core.plan import Plan
from sfp_viz.core.proximal import rows_within
from sfp_viz.core.sparsification import Refresh, Sparsification, rate_at
from sfp_viz.errors import RunError
from sfp_viz.nets.batches import Batches, check_images
from sfp_viz.nets.channels import silence
from sfp_viz.nets.data import Images
from sfp_viz.nets.gates import PHASES, Thinning
from sfp_viz.nets.held import Held
from sfp_viz.nets.measure import count_right
from sfp_viz.nets.model import Model
from sfp_viz.nets.penalties import scales_of
from sfp_viz.nets.reading import channel_groups, read_network
from sfp_viz.nets.rows import rows_of
from sfp_viz.nets.solvers import Solver, optimizer_of, solver_of
from sfp_viz.nets.sparse_plan import sparse_groups, sparse_plan


class Sparsifying:
    """A training in progress: call ``advance`` until ``finished``; then ``result``.

    ``student`` is copied, not written to. ``state`` and ``restore`` carry everything as plain
    tensors, at any step, so that a run can be stopped and go on in another process with the same
    bits (on the CPU: with the same number of threads). ``network`` is the reading of ``student``,
    made when it is not given. Raises PlanError when no group may be made sparse.
    """

    def __init__(
        self,
        student: Model,
        *,
        train: Images,
        test: Images,
        settings: Sparsification,
        network: Network | None = None,
    ) -> None:
        self.settings, self._student = settings, student
        self.test = test.first(settings.test_images)
        check_images(student, self.test)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._batches = Batches(student, train.first(settings.train_images), settings, self._device)
        self.network = network or read_network(student)
        self._groups = channel_groups(student)
        self.module = copy.deepcopy(student.module).to(memory_format=torch.channels_last)
        self.module = self.module.to(self._device).requires_grad_(True)
        rows = rows_of(self.module, self._groups, sparse_groups(self.network, settings))
        weights = dict(self.module.named_parameters())
        self._scales = scales_of(rows, weights, self.network, settings)
        self._optimizer = optimizer_of(self.module, rows, settings)
        self._drops = any(
            isinstance(part, nn.modules.dropout._DropoutNd) for part in self.module.modules()
        )
        self._stages = [[r] for r in rows] if settings.order == "layers" else [list(rows)]
        self._in_stage = self._batches.steps * settings.epochs
        self._decided = self._in_stage - max(1, int(settings.settle * self._in_stage))
        self.steps = self._in_stage * len(self._stages)
        self.step = self._last = 0
        self._loss = torch.zeros((), dtype=torch.float64, device=self._device)
        self._settled: dict[str, np.ndarray] = {}
        self._notes: tuple[str, ...] = ()
        self._told: set[str] = set()
        self._started = time.perf_counter()
        self._begin()

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.steps

    def advance(self, stop: Callable[[], bool] = lambda: False) -> Refresh | None:
        """Train until the next refresh and record it; None when ``stop``, asked before each
        step, said so: everything is in ``state`` then. RunError when the loss becomes infinite."""
        while not self.finished:
            if stop():
                return None
            self._train()
            self.step += 1
            if self.step % self._in_stage == self._decided:
                self._decide()
            if self.step % self._in_stage % self.settings.refresh == 0:
                return self._refresh()
        return None

    def records(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Refresh]:
        """One Refresh after another until the training is finished, or ``stop`` says so."""
        while not self.finished:
            record = self.advance(stop)
            if record is None:
                return
            yield record

    def result(self) -> tuple[Model, Plan]:
        """The trained network with all that goes at 0, uncut, and the plan that cuts it.

        ``surgery.prune(model, plan)`` gives the small network. Before the end: as if it ended now.
        """
        live = self._live(at_end=True)
        model = self._student.with_module(self._hard(live))
        network = replace(self.network, digest=model.digest)
        norms = {name: np.where(stays, 1.0, 0.0) for name, stays in self._settled.items()}
        norms |= self.solver.norms()
        early = self.solver.early() if isinstance(self.solver, Thinning) else {}
        return model, sparse_plan(network, live, norms, self.settings, early)

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on, as tensors by name."""
        state = {f"module.{k}": v for k, v in self.module.state_dict().items()}
        for index, held in self._optimizer.state_dict()["state"].items():
            if held.get("momentum_buffer") is not None:
                state[f"momentum.{index}"] = held["momentum_buffer"]
        state |= {f"solver.{name}": tensor for name, tensor in self.solver.state().items()}
        state |= {f"settled.{g}": torch.from_numpy(x) for g, x in self._settled.items()}
        state |= {"loss": self._loss, "step": torch.tensor([self.step, self._last])}
        return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Take up a ``state`` saved earlier. Raises RunError when it is of another training."""

        def under(prefix: str) -> dict[str, Tensor]:
            found = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
            return {name: tensor.to(self._device) for name, tensor in found.items()}

        try:
            self.step, self._last = (int(x) for x in state["step"])
            self.module.load_state_dict(under("module."))
            self._settled = {g: x.cpu().numpy().copy() for g, x in under("settled.").items()}
            self._begin(anew=False)
            saved = self._optimizer.state_dict()
            held = under("momentum.").items()
            saved["state"] = {int(index): {"momentum_buffer": m.clone()} for index, m in held}
            self._optimizer.load_state_dict(saved)
            self.solver.restore(under("solver."))
            self._loss = state["loss"].to(self._device).clone()
        except (KeyError, RuntimeError, ValueError) as problem:
            raise RunError(f"The checkpoint does not fit this run: {problem}") from problem
        self._notes, self._started = (), time.perf_counter()

    def _begin(self, *, anew: bool = True) -> None:
        """Set up the stage that the current step is in; ``anew``: it begins here."""
        rows = self._stages[min(self.step // self._in_stage, len(self._stages) - 1)]
        if self.settings.order == "layers":
            own = {part.name for r in rows for part in r.parts}
            for name, parameter in self.module.named_parameters():
                parameter.requires_grad_(name in own)
        self.solver: Solver = solver_of(
            self.module, rows, self._scales, self.network, self.settings, self._batches.steps
        )
        thins = isinstance(self.solver, Thinning)
        place = self._in_stage if self.finished else self.step % self._in_stage
        if not anew and place >= self._decided and not thins:
            every = {r.group: np.ones(r.size, dtype=bool) for r in rows}
            self.solver = Held(self.module, rows, every, every)
        if anew:
            self._notes += self.solver.refresh(0.0)

    def _decide(self) -> None:
        """Set what goes to 0 for good; stripes do so themselves."""
        if isinstance(self.solver, Thinning):
            return
        self._notes += self.solver.refresh(self._decided / self._in_stage)
        live, norms = self._live(at_end=True), self.solver.norms()
        self._harden(self.module, live)
        self.solver = Held(self.module, self.solver.rows, live, norms)

    def _train(self) -> None:
        images, labels = self._batches.at(self.step)
        rate = rate_at(self.settings, self.step % self._in_stage / self._in_stage)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        if len(labels) == 1 < len(self._batches):  # BatchNorm has no statistics of one image
            return self.solver.stepped(rate, self.step)
        self.module.train()
        loss = F.cross_entropy(self._logits(images), labels)
        self._optimizer.zero_grad()
        loss.backward()
        self.solver.pull(rate)
        self._optimizer.step()
        self.solver.stepped(rate, self.step)
        self._loss += loss.detach()
        return None

    def _logits(self, images: Tensor) -> Tensor:
        changed = self.solver.running() if isinstance(self.solver, Thinning) else {}
        if not self._drops:
            return functional_call(self.module, changed, (images,))
        with torch.random.fork_rng():  # dropout's stream is a function of (seed, step)
            drawn = np.random.default_rng([self.settings.seed, self.step])
            torch.manual_seed(int(drawn.integers(2**31)))
            return functional_call(self.module, changed, (images,))

    def _refresh(self) -> Refresh:
        count, mean = self.step - self._last, float(self._loss) / (self.step - self._last)
        if not math.isfinite(mean):
            raise RunError(
                f"The loss became infinite before step {self.step}. Lower the learning rate or "
                "lambda and start again."
            )
        seconds = time.perf_counter() - self._started
        place = self.step % self._in_stage / self._in_stage
        notes = self._notes + self.solver.refresh(place or 1.0)
        notes = tuple(dict.fromkeys(note for note in notes if note not in self._told))
        self._told |= set(notes)
        epoch = self.step // self._batches.steps
        live, right = self._live(at_end=self.finished), None
        if epoch > self._last // self._batches.steps:
            right = count_right(self._student.with_module(self._hard(live)), self.test)
        gates = self.solver if isinstance(self.solver, Thinning) else None
        counted = gates.counted() if gates else self._counted(live)
        record = Refresh(
            step=self.step,
            steps=self.steps,
            epoch=epoch,
            epochs=self.steps // self._batches.steps,
            phase=PHASES[gates.phase] if gates else self._phase(),
            loss=mean,
            residual=tuple(self.solver.residual().items()),
            live=tuple((name, float(stays.mean())) for name, stays in live.items()),
            stripes=gates.stripes() if gates else (),
            gates=gates.gates() if gates else (),
            macs=counted.macs,
            params=counted.params,
            activation_bytes=counted.peak_activation_bytes,
            rho=self.solver.rho,
            learning_rate=rate_at(self.settings, (self.step - 1) % self._in_stage / self._in_stage),
            images_per_second=count * self.settings.batch_size / max(seconds, 1e-9),
            seconds=seconds,
            test_accuracy=None if right is None else right / max(1, len(self.test)),
            test_images=0 if right is None else len(self.test),
            notes=notes,
        )
        self._last, self._notes, self._started = self.step, (), time.perf_counter()
        self._loss = torch.zeros_like(self._loss)
        if place == 0 and self.settings.order == "layers":
            self._settle()
        return record

    def _settle(self) -> None:
        """The stage ends: what went stays at 0, and the next group begins."""
        self._settled |= self.solver.live()
        if not self.finished:
            self._begin()

    def _phase(self) -> str:
        """'whole', or the group that is at work."""
        at = self.solver.rows[0].group if self.settings.order == "layers" else "whole"
        return f"{at}, settling" if isinstance(self.solver, Held) else at

    def _live(self, *, at_end: bool) -> dict[str, np.ndarray]:
        """Filters that stay: bool [units] by group; ``at_end``, so that the target is met."""
        live = {r.group: np.ones(r.size, dtype=bool) for stage in self._stages for r in stage}
        live |= self.solver.live() | self._settled
        if (
            at_end
            and self.settings.finish == "target"
            and not isinstance(self.solver, Thinning | Held)
        ):
            units = self._scales.units
            scores = {name: norm / units[name] for name, norm in self.solver.norms().items()}
            target, tied = self.settings.target_reduction, self.settings.coupled
            live = rows_within(self.network, scores, target, coupled=tied)
        return live

    def _counted(self, live: dict[str, np.ndarray]) -> Cost:
        return cost_of_widths(self.network, {n: int(stays.sum()) for n, stays in live.items()})

    def _hard(self, live: dict[str, np.ndarray]) -> nn.Module:
        """A copy in evaluation mode with all that goes at 0."""
        module = copy.deepcopy(self.module).requires_grad_(True)
        self._harden(module, live)
        return module.to("cpu").to(memory_format=torch.contiguous_format).eval()

    def _harden(self, module: nn.Module, live: dict[str, np.ndarray]) -> None:
        """Set ``module``, of the shape of ours, to what acts: in place."""
        with torch.no_grad():
            for name, value in self.solver.hardened().items():
                module.get_parameter(name).copy_(value)
        silence(module, self._groups, _gone(live))


def _gone(live: dict[str, np.ndarray]) -> dict[str, list[int]]:
    """Units that go, by group."""
    return {name: np.flatnonzero(~stays).tolist() for name, stays in live.items()}
