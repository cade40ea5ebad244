from sfp_viz.core.comparison.published import published
from sfp_viz.text.published import CAVEATS, row_caveats


def test_every_row_says_who_reports_it_and_what_could_not_be_checked():
    for row in published():
        origin, *rest = row_caveats(row)
        assert origin.startswith(("Reported by", "Reprinted by"))
        assert row.as_printed <= any("alone" in text for text in rest)


def test_the_caveats_say_what_is_missing():
    assert "similarity-based SFP has no row" in " ".join(CAVEATS)
