"""Training that makes a network sparse: the loop, its history, and the plan it ends in.

What a method does to gradients and weights is its solver's (solver.py): AULM for SSR, group lasso,
multi-granularity. The loop is the same for all of them.
"""

from __future__ import annotations

import json
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
from sfp_viz.core.training.sparsification import SparseSettings, learning_rate
from sfp_viz.errors import RunError
from sfp_viz.nets.data.compatibility import check_images
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.evaluation.measure import count_right
from sfp_viz.nets.model import Model
from sfp_viz.nets.sparsity.batches import Batches
from sfp_viz.nets.sparsity.sparse_network import sgd, sparse_network
from sfp_viz.nets.tracing.read_network import read_network
from sfp_viz.nets.training.train_state import below, load_momentum


class SparseTraining:
    """A sparse training: call ``advance`` until ``finished``; then ``result``.

    ``state_dict`` and ``load_state_dict`` carry everything as plain tensors, at any step, so that a
    run can be stopped and resumed in another process with the same bits (on the CPU: with the same
    number of threads).

    Args:
        student: The network to make sparse; it is copied, not changed.
        train: Images to train on; the settings may take fewer.
        test: Images to measure the accuracy on after each epoch; the settings may take fewer.
        settings: How to make it sparse.
        network: The reading of ``student``, if there is one already.

    Attributes:
        sparse: The network as it is being made sparse.
        optimizer: Its optimizer.
        steps: Steps of the whole training.
        step: Steps done.

    Raises:
        DataError: The images do not fit the student.
        PlanError: No group may be made sparse.
        RecipeError: Lambda is too large for l2,0 (``rho_factors``).
    """

    def __init__(
        self,
        student: Model,
        *,
        train: Images,
        test: Images,
        settings: SparseSettings,
        network: Network | None = None,
    ) -> None:
        self.settings = settings
        self.test = test.first(settings.test_images)
        if len(self.test):
            check_images(student, self.test)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self._batches = Batches(student, train.first(settings.train_images), settings, device)
        self.sparse = sparse_network(student, network or read_network(student), settings, device)
        self.optimizer = sgd(self.sparse)
        self._has_dropout = any(
            isinstance(layer, nn.modules.dropout._DropoutNd) for layer in self.module.modules()
        )
        self._stage_steps = self._batches.steps * settings.epochs
        self._freeze_step = self._stage_steps - max(1, int(settings.settle * self._stage_steps))
        self.steps = self._stage_steps * len(self.sparse.stages)
        self.step = self._last_refresh = 0
        self._loss = torch.zeros((), dtype=torch.float64, device=device)  # sum since that refresh
        self._mean_loss = 0.0  # of the last line
        self._notes = self.sparse.scales.notes  # for the next line
        self._noted: set[str] = set()  # notes of earlier lines
        self._started = time.perf_counter()  # when the work since the last line began
        self._start_stage()

    @property
    def module(self) -> nn.Module:
        """The network being trained."""
        return self.sparse.module

    @property
    def network(self) -> Network:
        """The reading of the student."""
        return self.sparse.network

    @property
    def epochs(self) -> int:
        """Epochs of the whole training: those of the settings for each stage."""
        return self.steps // self._batches.steps

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self.step >= self.steps

    def advance(self, stop: Callable[[], bool] = lambda: False) -> Refresh | None:
        """Train until the next refresh.

        Args:
            stop: Called before each step, when ``state_dict()`` is whole; True ends the call.

        Returns:
            The line of the history, or None when stopped or finished.

        Raises:
            RunError: The loss is no longer finite.
            PlanError: The target cannot be met.
        """
        while not self.finished:
            if stop():
                return None
            self._train_step()
            self.step += 1
            if self.step % self._stage_steps == self._freeze_step:
                self._freeze()
            if self.step % self._stage_steps % self.settings.refresh == 0:
                return self._refresh()
        return None

    def records(self, stop: Callable[[], bool] = lambda: False) -> Iterator[Refresh]:
        """One Refresh after another until the training is finished, or ``stop()`` is True."""
        while not self.finished:
            record = self.advance(stop)
            if record is None:
                return
            yield record

    def result(self) -> tuple[Model, Plan]:
        """The trained network with all that is pruned at 0, not cut, and the plan that cuts it.

        ``prune(model, plan)`` gives the small network. Before the end: as if it ended now.
        """
        return self.sparse.plan()

    def state_dict(self) -> dict[str, Tensor]:
        """Everything needed to resume, as tensors on the CPU by the names used in checkpoints.

        Returns:
            ``module.*`` weights and buffers, ``momentum.*``, ``solver.*``, ``settled.*`` (bool
            [units] of groups whose stage is over), ``step`` (steps done, steps at the last line),
            ``loss`` summed and ``seconds`` spent since the last line, ``mean`` loss of that line,
            and ``notes`` for the next one (JSON as bytes).

        Raises:
            RunError: The loss, the weights or the solver's tensors are no longer finite.
        """
        state = {f"module.{k}": v for k, v in self.module.state_dict().items()}
        acting = [self._loss, *self.module.parameters()]
        for index, values in self.optimizer.state_dict()["state"].items():
            if values.get("momentum_buffer") is not None:
                state[f"momentum.{index}"] = values["momentum_buffer"]
                acting.append(values["momentum_buffer"])
        for name, tensor in self.sparse.solver.state_dict().items():
            state[f"solver.{name}"] = tensor
            acting.append(tensor)
        if not all(bool(torch.isfinite(tensor).all()) for tensor in acting):
            raise RunError(
                f"The loss or the weights became infinite before step {self.step}. Lower the "
                "learning rate, lambda or rho and start again."
            )
        state |= {f"settled.{g}": torch.from_numpy(x) for g, x in self.sparse.settled.items()}
        state |= {"loss": self._loss, "step": torch.tensor([self.step, self._last_refresh])}
        seconds = time.perf_counter() - self._started
        for name, value in (("mean", self._mean_loss), ("seconds", seconds)):
            state[name] = torch.tensor(value, dtype=torch.float64)
        state["notes"] = torch.tensor(list(json.dumps(self._notes).encode()), dtype=torch.uint8)
        return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in state.items()}

    def load_state_dict(self, state: Mapping[str, Tensor], noted: Sequence[str] = ()) -> None:
        """Take over a ``state_dict``. One of an earlier version has no ``mean`` and ``seconds``.

        Args:
            state: The tensors.
            noted: Notes of the lines so far, which are not repeated.

        Raises:
            RunError: The state is of another training.
        """
        try:
            self.step, self._last_refresh = (int(x) for x in state["step"])
            self.module.load_state_dict(below(state, "module."))
            settled = below(state, "settled.")
            self.sparse.settled = {g: x.cpu().numpy().copy() for g, x in settled.items()}
            self._start_stage(resumed=True)
            load_momentum(self.optimizer, state)
            self.sparse.solver.load_state_dict(below(state, "solver."))
            self._notes = tuple(json.loads(bytes(state["notes"].tolist())))
            self._loss = state["loss"].to(self._loss.device).clone()
            self._mean_loss = float(state.get("mean", 0.0))
            self._started = time.perf_counter() - float(state.get("seconds", 0.0))
        except (KeyError, RuntimeError, ValueError) as problem:
            raise RunError(
                f"The checkpoint does not fit this run: {problem}. Delete it to start the run from "
                "its first epoch."
            ) from problem
        self._noted = set(noted)

    def _start_stage(self, *, resumed: bool = False) -> None:
        """Set up the solver of the stage that the current step is in."""
        stage = min(self.step // self._stage_steps, len(self.sparse.stages) - 1)
        self.sparse.start_stage(stage, self._batches.steps)
        if not resumed:
            self._notes += self.sparse.solver.refresh(0.0)
        elif self._stage_steps_done() >= self._freeze_step and not self.sparse.solver.selects_rows:
            self.sparse.resume_frozen()

    def _stage_steps_done(self) -> int:
        return self._stage_steps if self.finished else self.step % self._stage_steps

    def _freeze(self) -> None:
        """Set to 0 for good what is pruned, unless the solver does so itself."""
        if self.sparse.solver.selects_rows:
            return
        if self._needs_refresh():
            self._notes += self.sparse.solver.refresh(1.0)
        self.sparse.freeze()

    def _needs_refresh(self) -> bool:
        """Whether copy and multiplier are updated before pruned rows are frozen.

        Not soon after the last update: the weights have not followed yet and the multiplier would
        count twice, so that rows at 0 came back. Always when a projection has not come to its whole
        target yet.
        """
        every = self.settings.refresh
        since = self._freeze_step % every or every  # what is due at this very step was not done
        last = self._freeze_step - since
        rising = self.settings.method == "ssr_projection" and 2 * last < self._stage_steps
        return last <= 0 or 2 * since > every or rising

    def _train_step(self) -> None:
        """One step of SGD."""
        solver = self.sparse.solver
        images, labels = self._batches.at(self.step)
        rate = learning_rate(self.settings, self.step % self._stage_steps / self._stage_steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if self._batches.skips(self.step):
            solver.after_step(rate, self.step)
            return
        self.module.train()
        loss = F.cross_entropy(self._logits(images), labels)
        self.optimizer.zero_grad()
        loss.backward()
        solver.add_gradients()
        self.optimizer.step()
        solver.after_step(rate, self.step)
        self._loss += loss.detach()

    def _logits(self, images: Tensor) -> Tensor:
        weights = self.sparse.solver.forward_weights()
        if not self._has_dropout:
            return functional_call(self.module, weights, (images,))
        with torch.random.fork_rng():  # dropout's stream is a function of (seed, step)
            generator = np.random.default_rng([self.settings.seed, self.step])
            torch.manual_seed(int(generator.integers(2**31)))
            return functional_call(self.module, weights, (images,))

    def _refresh(self) -> Refresh:
        """Update what the solver updates now and then, and record the steps since the last time."""
        self._update_mean_loss()
        seconds = time.perf_counter() - self._started
        progress = self.step % self._stage_steps / self._stage_steps
        notes = self._notes + self.sparse.solver.refresh(progress or 1.0)
        notes = tuple(dict.fromkeys(note for note in notes if note not in self._noted))
        self._noted |= set(notes)
        record = self._record(seconds, notes)
        self._last_refresh, self._notes = self.step, ()
        self._started = time.perf_counter()
        self._loss = torch.zeros_like(self._loss)
        if progress == 0 and self.settings.order == "layers":
            self.sparse.settled |= self.sparse.solver.live()  # the stage is over
            if not self.finished:
                self._start_stage()
        return record

    def _update_mean_loss(self) -> None:
        """Take the mean over the steps since the last refresh; RunError when it is not finite."""
        steps = range(self._last_refresh, self.step)
        trained = sum(not self._batches.skips(step) for step in steps)
        self._mean_loss = float(self._loss) / trained if trained else self._mean_loss
        if not math.isfinite(self._mean_loss):
            raise RunError(
                f"The loss became infinite before step {self.step}. Lower the learning rate, "
                "lambda or rho and start again."
            )

    def _record(self, seconds: float, notes: tuple[str, ...]) -> Refresh:
        """The line of the history for the steps since the last refresh, which took ``seconds``;
        measures the accuracy where an epoch has ended."""
        sparse, batches, last = self.sparse, self._batches, self._last_refresh
        images = batches.seen(self.step) - batches.seen(last)
        live = sparse.live_rows(at_end=self.finished)
        right = None
        if self.step // batches.steps > last // batches.steps:
            right = count_right(sparse.hardened(live), self.test)
        cost = sparse.cost(live)
        at = (self.step - 1) % self._stage_steps / self._stage_steps
        return Refresh(
            step=self.step,
            steps=self.steps,
            epoch=self.step // batches.steps,
            epochs=self.epochs,
            phase=sparse.phase(),
            loss=self._mean_loss,
            residual=tuple(sparse.solver.residual().items()),
            live=tuple((name, float(rows.mean())) for name, rows in live.items()),
            stripes=tuple(sparse.solver.stripe_shares().items()),
            gates=tuple(sparse.solver.gate_quantiles().items()),
            macs=cost.macs,
            params=cost.params,
            activation_bytes=cost.peak_activation_bytes,
            rho=sparse.solver.rho,
            learning_rate=learning_rate(self.settings, at),
            images_per_second=images / max(seconds, 1e-9),
            seconds=seconds,
            test_accuracy=None if right is None else right / max(1, len(self.test)),
            test_images=0 if right is None else len(self.test),
            notes=notes,
        )
