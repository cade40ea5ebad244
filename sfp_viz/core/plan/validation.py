"""Whether a plan fits a network, and the units it keeps."""

from __future__ import annotations

from sfp_viz.core.network import Network
from sfp_viz.core.plan.plan import Plan
from sfp_viz.errors import PlanError


def kept_units(network: Network, plan: Plan | None) -> dict[str, int]:
    """Units that each group keeps, by name.

    Args:
        network: The network.
        plan: What to remove; None for nothing.

    Raises:
        PlanError: The plan does not fit the network.
    """
    kept = {group.name: group.size for group in network.groups}
    if plan is not None:
        check_plan(network, plan)
        for removal in plan.removals:
            kept[removal.group] -= len(removal.filters)
    return kept


def check_plan(network: Network, plan: Plan) -> None:
    """Check that the plan was made for these weights and cuts what may be cut.

    Args:
        network: The network.
        plan: The plan.

    Raises:
        PlanError: The plan was made for other weights, or removes what the network does not have or
            what cannot be removed.
    """
    if plan.digest != network.digest:
        raise PlanError(
            f"The plan was made for other weights ({plan.digest}, here {network.digest}). "
            "Make it again from its recipe."
        )
    pruned: set[str] = set()
    for removal in plan.removals:
        group = network.group(removal.group)
        if removal.group in pruned:
            raise PlanError(f"The plan cuts '{group.name}' twice. Make it again.")
        if group.protected and removal.filters:
            raise PlanError(
                f"The plan cuts '{group.name}', which cannot be cut ({group.protection})."
            )
        if any(not 0 <= unit < group.size for unit in removal.filters):
            raise PlanError(
                f"The plan prunes filters that '{group.name}' does not have; it has filters 0 to "
                f"{group.size - 1}. Make it again."
            )
        if len(removal.filters) >= group.size:
            raise PlanError(f"The plan leaves '{group.name}' no filter; at least one must be kept.")
        pruned.add(removal.group)
