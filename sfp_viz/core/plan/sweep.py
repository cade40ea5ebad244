"""Sweep: the same network pruned by several recipes to several targets, each with some seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sfp_viz.core.plan.recipe import NAMED, Recipe
from sfp_viz.errors import RecipeError

FLOORS = ("uniform_l1", "random")  # what each comparison should hold: the plain way, and the floor
MOST = 500  # runs of one sweep


@dataclass(frozen=True)
class Member:
    """One run of a sweep: the recipe by its ``name``, with target and seed filled in."""

    target: float
    name: str
    recipe: Recipe
    seed: int

    @property
    def task(self) -> tuple[float, str, int]:
        """What identifies it in its sweep."""
        return self.target, self.name, self.seed


@dataclass(frozen=True)
class Sweep:
    """``targets`` (shares of the goal to remove, above 0, up to 0.99) x ``recipes`` (a name and a
    recipe each; its own target and seed play no part) x ``seeds``, which draw both the plan and
    the training's order of images. The training's settings lie with the run."""

    targets: tuple[float, ...] = (0.3, 0.5, 0.7)
    recipes: tuple[tuple[str, Recipe], ...] = ()
    seeds: tuple[int, ...] = (0,)

    def __post_init__(self) -> None:
        targets = tuple(sorted({round(float(target), 6) for target in self.targets}))
        if not targets or not 0 < targets[0] <= targets[-1] <= 0.99:
            raise RecipeError("A sweep needs targets above 0 and up to 0.99, such as 0.3 and 0.5.")
        object.__setattr__(self, "targets", targets)
        recipes = self.recipes or tuple(
            (n, comparable_recipe(n, Recipe())) for n in ("similarity", *FLOORS)
        )
        object.__setattr__(self, "recipes", tuple((str(n), recipe) for n, recipe in recipes))
        names = [name for name, _ in self.recipes]
        if len(set(names)) < len(names):
            raise RecipeError("Each recipe of a sweep needs a name of its own; one comes twice.")
        seeds = tuple(dict.fromkeys(int(seed) for seed in self.seeds))
        if not seeds or min(seeds) < 0 or max(seeds) >= 2**31:
            raise RecipeError("A sweep needs seeds: whole numbers from 0 on, such as 0 and 1.")
        object.__setattr__(self, "seeds", seeds)
        if len(self) > MOST:
            raise RecipeError(
                f"That would be {len(self):,} runs; a sweep has at most {MOST}. Take fewer "
                "targets, recipes or seeds."
            )

    def __len__(self) -> int:
        return len(self.targets) * len(self.recipes) * len(self.seeds)

    @property
    def members(self) -> tuple[Member, ...]:
        """All runs, in the order they are started: the first seed of everything comes first."""
        return tuple(
            Member(target, name, replace(recipe, target_reduction=target, seed=seed), seed)
            for seed in self.seeds
            for target in self.targets
            for name, recipe in self.recipes
        )


def comparable_recipe(name: str, like: Recipe) -> Recipe:
    """The recipe called ``name``, with the goal of ``like`` and its way with coupled groups, so
    that all members count and cut the same. Those that thin every group alike may do so as far as
    the target asks.

    Args:
        name: One of ``recipe.NAMED``.
        like: The recipe that says the goal, and how coupled groups are pruned.
    """
    recipe = replace(NAMED[name](), goal=like.goal, coupled=like.coupled)
    return replace(recipe, max_ratio=0.99) if recipe.allocation == "uniform" else recipe


def sweep_to_dict(sweep: Sweep) -> dict[str, Any]:
    """The sweep as JSON values."""
    return {
        "targets": list(sweep.targets),
        "recipes": [[name, asdict(recipe)] for name, recipe in sweep.recipes],
        "seeds": list(sweep.seeds),
    }


def sweep_from_dict(value: Mapping[str, Any]) -> Sweep:
    """The sweep that ``sweep_to_dict`` wrote; KeyError, TypeError, ValueError if it is none."""
    recipes = tuple((str(name), Recipe(**recipe)) for name, recipe in value["recipes"])
    return Sweep(tuple(value["targets"]), recipes, tuple(value["seeds"]))
