import numpy as np
import pytest
import torch

from sfp_viz.errors import ModelError
from sfp_viz.nets.io.parity import check_parity, relative_difference
from sfp_viz.nets.model import Model
from tests.tiny import Plain, randomize


class Heads(torch.nn.Module):
    """Boxes and classes, in a dict."""

    def __init__(self) -> None:
        super().__init__()
        self.body = randomize(Plain())

    def forward(self, images):
        logits = self.body(images)
        return {"box": 1000 * logits[:, :2], "class": logits}


def test_each_output_is_compared_on_its_own_scale():
    box, scores = np.full((2, 2), 1000.0), np.full((2, 5), 1.0)
    assert relative_difference([box, scores], [box, scores + 0.01]) == pytest.approx(0.01)
    assert relative_difference([box, scores], [box + 0.01, scores]) == pytest.approx(1e-5)
    assert relative_difference([box, scores], [box, scores[:1]]) == float("inf")
    assert relative_difference([box], [box, scores]) == float("inf")
    assert np.isnan(relative_difference([box], [box * np.nan]))
    assert relative_difference([np.zeros(3)], [np.zeros(3)]) == 0


def test_a_file_is_compared_at_three_batches():
    model, batches = Model(Heads(), name="heads", input_shape=(3, 8, 8)), []

    def run(images):
        batches.append(len(images))
        return model.module.eval()(images)

    assert check_parity(model, run, file="file") == 0
    assert batches == [1, 3, 32]
    with pytest.raises(ModelError, match=r"The file of 'heads' differs .* with a batch of 1,"):
        check_parity(model, lambda images: [1.1 * t for t in run(images).values()], file="file")
