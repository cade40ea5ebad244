"""What the README shows works as it stands."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def test_the_python_example_runs_and_leaves_a_trained_smaller_network(tmp_path, monkeypatch):
    import sfp_viz as sfp

    monkeypatch.chdir(tmp_path)
    example = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), re.S)
    assert example
    exec(compile(example[1], "README.md", "exec"), {})
    small, images = sfp.load_model("slim.safetensors"), sfp.load_data("digits", "test")
    assert small.module.conv2.out_channels < 48
    accuracy = sfp.measure_accuracy(small, images).accuracy
    assert accuracy is not None
    assert accuracy > 0.95
