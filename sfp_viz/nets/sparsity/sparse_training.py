"""Training that makes a network sparse: the loop, its history, and the plan it ends in.

What a method does to gradients and weights is in aulm.py (SSR), penalties.py (group lasso) and
gates.py (multi-granularity); the loop is the same for all of them.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.core.training.history import Refresh
from sfp_viz.core.training.sparsification import Sparsification, rate_at
from sfp_viz.errors import RunError
from sfp_viz.nets.data.compatibility import check_images
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model
from sfp_viz.nets.sparsity.batches import Batches
from sfp_viz.nets.sparsity.filter_rows import rows_of
from sfp_viz.nets.sparsity.frozen_rows import FrozenRows
from sfp_viz.nets.sparsity.group_lasso import scales_of
from sfp_viz.nets.sparsity.multi_granularity import Thinning
from sfp_viz.nets.sparsity.solvers import Solver, optimizer_of, solver_of
from sfp_viz.nets.sparsity.sparse_network import harden, live_rows, result_of, standing
from sfp_viz.nets.sparsity.sparse_plan import sparse_groups
from sfp_viz.nets.sparsity.sparsify_state import gather, take_up
from sfp_viz.nets.tracing.read_network import channel_groups, read_network


class SparseTraining:
    """A training in progress: call ``advance`` until ``finished``; then ``result``.

    ``student`` is copied, not written to. ``state`` and ``restore`` carry everything as plain
    tensors, at any step, so that a run can be stopped and go on in another process with the same
    bits (on the CPU: with the same number of threads). ``network`` is the reading of ``student``,
    made when it is not given. Raises PlanError when no group may be made sparse, RecipeError when
    lambda is too large for l2,0 (penalties.lifts_of).
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
        self.settings, self.student = settings, student
        self.test = test.first(settings.test_images)
        if len(self.test):
            check_images(student, self.test)
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._batches = Batches(student, train.first(settings.train_images), settings, self._device)
        self.network = network or read_network(student)
        self.groups = channel_groups(student)
        self.module = copy.deepcopy(student.module).to(memory_format=torch.channels_last)
        self.module = self.module.to(self._device).requires_grad_(True)
        rows = rows_of(self.module, self.groups, sparse_groups(self.network, settings))
        weights = dict(self.module.named_parameters())
        self.scales = scales_of(rows, weights, self.network, settings)
        self.notes = self.scales.notes
        self.optimizer = optimizer_of(self.module, rows, settings)
        self._drops = any(
            isinstance(part, nn.modules.dropout._DropoutNd) for part in self.module.modules()
        )
        self.stages = [[r] for r in rows] if settings.order == "layers" else [list(rows)]
        self._in_stage = self._batches.steps * settings.epochs
        self._decided = self._in_stage - max(1, int(settings.settle * self._in_stage))
        self.steps = self._in_stage * len(self.stages)
        self.step = self.last = 0
        self.loss = torch.zeros((), dtype=torch.float64, device=self._device)
        self.mean = 0.0  # loss of the last line
        self.settled: dict[str, np.ndarray] = {}
        self._told: set[str] = set()
        self.started = time.perf_counter()  # when the work since the last line began
        self.begin()

    @property
    def epochs(self) -> int:
        """Epochs of the whole training: those of the settings, for each group in its turn."""
        return self.steps // self._batches.steps

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
        return result_of(self)

    def state(self) -> dict[str, Tensor]:
        """Everything needed to go on, as tensors by name (sparsify_state.py)."""
        return gather(self)

    def restore(self, state: Mapping[str, Tensor], told: Sequence[str] = ()) -> None:
        """Take up a ``state`` saved earlier; ``told`` are the notes of its lines, which are not
        said again. Raises RunError when it is of another training."""
        take_up(self, state)
        self._told = set(told)

    def begin(self, *, anew: bool = True) -> None:
        """Set up the stage that the current step is in; ``anew``: it begins here."""
        rows = self.stages[min(self.step // self._in_stage, len(self.stages) - 1)]
        if self.settings.order == "layers":
            own = {part.name for r in rows for part in r.parts}
            for name, parameter in self.module.named_parameters():
                parameter.requires_grad_(name in own)
        self.solver: Solver = solver_of(
            self.module, rows, self.scales, self.network, self.settings, self._batches.steps
        )
        thins = isinstance(self.solver, Thinning)
        place = self._in_stage if self.finished else self.step % self._in_stage
        if not anew and place >= self._decided and not thins:
            every = {r.group: np.ones(r.size, dtype=bool) for r in rows}
            self.solver = FrozenRows(self.module, rows, every, every)
        if anew:
            self.notes += self.solver.refresh(0.0)

    def _decide(self) -> None:
        """Set what goes to 0 for good; stripes do so themselves."""
        if isinstance(self.solver, Thinning):
            return
        if self._due():
            self.notes += self.solver.refresh(1.0)
        live, norms = live_rows(self, at_end=True), self.solver.norms()
        harden(self, self.module, live)
        self.solver = FrozenRows(self.module, self.solver.rows, live, norms)

    def _due(self) -> bool:
        """Whether copy and multiplier are set anew before it is decided what goes: not without need
        soon after the last time, where the weights have not followed yet and the multiplier would
        count twice, so that rows at 0 came back. A projection that had not come to its whole target
        then has need."""
        each = self.settings.refresh
        since = self._decided % each or each  # what is due at this very step has not been done
        last = self._decided - since
        rising = self.settings.method == "ssr_projection" and 2 * last < self._in_stage
        return last <= 0 or 2 * since > each or rising

    def _train(self) -> None:
        images, labels = self._batches.at(self.step)
        rate = rate_at(self.settings, self.step % self._in_stage / self._in_stage)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self._batches.skips(self.step):
            return self.solver.stepped(rate, self.step)
        self.module.train()
        loss = F.cross_entropy(self._logits(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        self.solver.pull(rate)
        self.optimizer.step()
        self.solver.stepped(rate, self.step)
        self.loss += loss.detach()
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
        each = self._batches.steps
        trained = sum(not self._batches.skips(step) for step in range(self.last, self.step))
        self.mean = float(self.loss) / trained if trained else self.mean
        if not math.isfinite(self.mean):
            raise RunError(
                f"The loss became infinite before step {self.step}. Lower the learning rate, "
                "lambda or rho and start again."
            )
        seconds = time.perf_counter() - self.started
        images = self._batches.seen(self.step) - self._batches.seen(self.last)
        place = self.step % self._in_stage / self._in_stage
        notes = self.notes + self.solver.refresh(place or 1.0)
        notes = tuple(dict.fromkeys(note for note in notes if note not in self._told))
        self._told |= set(notes)
        record = Refresh(
            step=self.step,
            steps=self.steps,
            epoch=self.step // each,
            epochs=self.epochs,
            loss=self.mean,
            residual=tuple(self.solver.residual().items()),
            rho=self.solver.rho,
            learning_rate=rate_at(self.settings, (self.step - 1) % self._in_stage / self._in_stage),
            images_per_second=images / max(seconds, 1e-9),
            seconds=seconds,
            notes=notes,
            **standing(self, measured=self.step // each > self.last // each),
        )
        self.last, self.notes = self.step, ()
        self.started = time.perf_counter()
        self.loss = torch.zeros_like(self.loss)
        if place == 0 and self.settings.order == "layers":
            self._settle()
        return record

    def _settle(self) -> None:
        """The stage ends: what went stays at 0, and the next group begins."""
        self.settled |= self.solver.live()
        if not self.finished:
            self.begin()
