"""Problem: a request on a network, with what is known of the network besides its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sfp_viz.core.cost.objective import Objective, objective_of
from sfp_viz.core.evidence.evidence import Evidence
from sfp_viz.core.network import Network
from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.core.plan.request import Request
from sfp_viz.core.redundancy.dispersion import dispersions


@dataclass(frozen=True, eq=False)
class Problem:
    """How many units each group of ``network`` keeps is asked for by ``request``.

    ``evidence`` holds what was observed and measured; a recipe that needs a part that is missing
    is refused where it is used. ``dispersions``: Kernel Dispersion 0..1 by group, of the recipe's
    kind; only the allocation 'dispersion' needs them, and takes a group without one for 1.
    """

    network: Network
    request: Request
    evidence: Evidence = field(default_factory=Evidence)
    dispersions: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, network: Network, request: Request, evidence: Evidence | None = None) -> Problem:
        """The problem with its dispersions worked out: seconds for large networks.

        Args:
            network: The network.
            request: Recipe and edits.
            evidence: What is known besides the weights; None for nothing.

        Raises:
            RecipeError: Evidence that the recipe needs is missing or belongs to other weights.
        """
        evidence = evidence or Evidence()
        return cls(network, request, evidence, dispersions(network, request.recipe, evidence))

    @property
    def recipe(self) -> Recipe:
        return self.request.recipe

    @property
    def edits(self) -> Edits:
        """The changes by hand; where there are none, empty ones for these weights."""
        return self.request.edits or Edits(self.network.digest)

    @property
    def objective(self) -> Objective:
        """The recipe's goal as a function of the widths; RecipeError where latency has no table."""
        return objective_of(self.network, self.recipe.goal, self.evidence.latency)

    def with_recipe(self, **changes) -> Problem:
        """The problem with these fields of the recipe changed."""
        return replace(self, request=self.request.with_recipe(**changes))

    def with_edits(self, **changes) -> Problem:
        """The problem with these fields of the edits changed."""
        return replace(self, request=Request(self.recipe, replace(self.edits, **changes)))
