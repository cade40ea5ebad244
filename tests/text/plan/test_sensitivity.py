from sfp_viz.text.plan.sensitivity import stale_sentence


def test_what_changed_since_the_measurement_is_named():
    assert stale_sentence(()) == ""
    text = stale_sentence((("cluster_rule", "share", "one_each"), ("kappa", 0.5, 0.25)))
    assert "cluster rule was share, now one each; kappa was 0.5, now 0.25." in text
    assert "other weights (a, here b)" in stale_sentence((("digest", "a", "b"),))
