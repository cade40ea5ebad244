from typing import get_args

import pytest

from sfp_viz.core.plan.edits import Edits
from sfp_viz.core.plan.plan import Plan, Removal, plan_to_json
from sfp_viz.core.plan.reason import Reason, ReasonKind
from sfp_viz.core.plan.recipe import Recipe
from sfp_viz.text.plan import reasons
from sfp_viz.text.plan.reasons import reason_text


@pytest.mark.parametrize("kind", get_args(ReasonKind))
def test_every_reason_is_said_in_words(kind):
    text = reason_text(Reason(kind, other=37, value=0.045, detail="ssr_l21"))
    assert text
    assert "_" not in text or kind == "text"


@pytest.mark.parametrize(
    ("reason", "text"),
    [
        (Reason("redundant", other=37), "redundant with 37"),
        (Reason("silenced", detail="ssr_l21"), "silenced during training (SSR, l2,1)"),
        (
            Reason("small_norm", value=0.045, detail="group_lasso"),
            "4.5 % of the mean norm of the kept filters (group lasso by SGD)",
        ),
        (Reason("text", detail="a sentence"), "a sentence"),
    ],
)
def test_a_reason_is_said_with_its_numbers(reason, text):
    assert reason_text(reason) == text


def test_other_words_change_no_hash_and_no_file(monkeypatch):
    removal = Removal("conv1", (0, 1), (Reason("dead"), Reason("by_hand")))
    plan = Plan("d", Recipe(), Edits("d"), (removal,))
    before = plan.hash, plan.version_1_hash, plan_to_json(plan)
    monkeypatch.setattr(reasons, "_WORDS", {"dead": "without weights", "by_hand": "your choice"})
    assert reason_text(Reason("dead")) == "without weights"
    assert (plan.hash, plan.version_1_hash, plan_to_json(plan)) == before
