"""Request: what is asked of a network, by a recipe and by hand."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.recipe import Recipe


@dataclass(frozen=True)
class Request:
    """A recipe, and what a person changed by hand on one network; hashable, so it is a cache key.

    Without changes by hand the edits are of no weights in particular and fit every network.
    """

    recipe: Recipe
    edits: Edits = field(default_factory=lambda: Edits(""))

    @classmethod
    def of(cls, recipe: Recipe, edits: Edits | None) -> Request:
        """The request of a recipe and of edits as files and sessions hold them: None for none.

        Args:
            recipe: The recipe.
            edits: Changes by hand, or None.
        """
        return cls(recipe, edits) if edits else cls(recipe)

    def with_recipe(self, **changes) -> Request:
        """The request with these fields of the recipe changed."""
        return replace(self, recipe=replace(self.recipe, **changes))

    def with_edits(self, **changes) -> Request:
        """The request with these fields of the edits changed."""
        return replace(self, edits=replace(self.edits, **changes))
