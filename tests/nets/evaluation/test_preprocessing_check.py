"""Preprocessings are measured, not guessed."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from sfp_viz.core.measurement import (
    Measured,
    MeasuredPreprocessing,
    PreprocessingCheck,
    wilson,
)
from sfp_viz.errors import DataError, ModelError
from sfp_viz.nets.data.datasets import Images, load_data
from sfp_viz.nets.evaluation.preprocessing_check import check_preprocessing
from sfp_viz.nets.io.load import load_model
from sfp_viz.nets.model import Model
from sfp_viz.nets.zoo.preprocessing import candidates, name_of, preprocessing_named
from sfp_viz.text.preprocessing import check_rows, check_summary


class Brighter(nn.Module):
    """Class 1 where the first pixel is above 0: right only where it is shifted by a half."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 1)
        self.conv.weight.data = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
        self.conv.bias.data.zero_()

    def forward(self, images):
        return self.conv(images)[:, :, 0, 0]


def images(count=200):
    pixels = np.tile(np.arange(count) % 256, (1, 1, 1, 1)).reshape(count, 1, 1, 1)
    return Images("x", "test", pixels.astype(np.uint8), (pixels.ravel() > 127).astype(int))


def test_the_preprocessing_that_fits_is_the_best_and_is_proposed():
    model = Model(Brighter(), name="a", input_shape=(1, 1, 1), mean=(0.0,), std=(1.0,), classes=2)
    check = check_preprocessing(model, images())
    assert check.current.name == "raw"
    assert (check.best.name, check.best.accuracy) == ("half", 1.0)
    assert check.is_better
    assert "0.5 / 0.5 fits better: 100.0 %" in check_summary(check)
    assert check_rows(check)[0][0].endswith("(now)")
    fitting = check_preprocessing(replace(model, mean=(0.5,), std=(0.5,)), images())
    assert not fitting.is_better
    assert "fits: 100.0 %" in check_summary(fitting)


def test_accuracy_at_chance_is_said_with_likely_causes():
    model = load_model("lenet5")
    check = check_preprocessing(model, load_data("digits", "test"))
    assert check.is_chance
    assert "guessing" in check_summary(check)
    assert "not trained" in check_summary(check)


def test_images_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="takes images of"):
        check_preprocessing(load_model("lenet5"), images())


@pytest.mark.parametrize(
    ("chosen", "values"),
    [("half", (0.5, 0.5)), ("0.1/0.2", (0.1, 0.2)), (([0.3], [0.4]), (0.3, 0.4))],
)
def test_a_preprocessing_is_named_or_written(chosen, values):
    mean, std = preprocessing_named(chosen, 3)
    assert (mean, std) == ((values[0],) * 3, (values[1],) * 3)


@pytest.mark.parametrize("chosen", ["", "x", "0.5", "0.5/0", "1,2/1,2", ((1,), (1, 1)), "nan/1"])
def test_what_is_no_preprocessing_says_what_is(chosen):
    with pytest.raises(ModelError, match="imagenet"):
        preprocessing_named(chosen, 3)


def test_names_are_found_again_from_their_numbers():
    for channels in (1, 3):
        for name, values in candidates(channels).items():
            assert name_of(*values) == name
    assert name_of((0.123,), (0.9,)) == ""


def test_a_network_opens_with_the_preprocessing_that_is_asked_for():
    model = load_model("lenet5_digits", preprocessing="0.25/0.75")
    assert (model.mean, model.std) == ((0.25,), (0.75,))


def test_the_luckiest_of_several_tries_is_still_guessing():
    def measured(right, total=400):
        return Measured(accuracy=right / total, interval=wilson(right, total), images=total)

    current = MeasuredPreprocessing("imagenet", (0.5,), (0.5,), measured(44))
    lucky = MeasuredPreprocessing("255", (0.0,), (1 / 255,), measured(57))
    good = MeasuredPreprocessing("raw", (0.0,), (1.0,), measured(120))
    assert PreprocessingCheck(current, (lucky,), classes=10).is_chance
    assert not PreprocessingCheck(current, (good, lucky), classes=10).is_chance
