"""The form of pruning while training lets stripes go from tied layers too."""

from __future__ import annotations

from tests.pages.test_while_training import FIELDS, form, shown


def test_tied_layers_are_a_choice_for_stripes_as_for_the_other_methods(open_page, monkeypatch):
    monkeypatch.setitem(FIELDS, "Also prune tied", "coupled")
    assert {"coupled", "filter_share"} <= shown(form(open_page, "stripes"))
