"""Pictures of kernels."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from sfp_viz.core.network import ConvLayer
from sfp_viz.figures.filters import pictures


def layer(weight: np.ndarray) -> ConvLayer:
    return ConvLayer("a", weight.astype("float32"), (1, 1), 1, (4, 4))


def test_zero_is_in_the_middle_and_the_scale_is_symmetric():
    weight = np.zeros((2, 1, 3, 3))
    weight[0, 0, 0, 0], weight[1, 0, 0, 0] = 1.0, -1.0
    pixels = pictures.filter_pixels(layer(weight))
    assert pixels.shape == (2, 1, 3, 3)
    assert pixels[0, 0, 1, 1] == 128
    assert int(pixels[0, 0, 0, 0]) - 128 == 128 - int(pixels[1, 0, 0, 0])


def test_a_layer_of_zeros_and_one_outlier_do_not_break_the_scale():
    assert (pictures.filter_pixels(layer(np.zeros((1, 1, 3, 3)))) == 128).all()
    weight = np.full((1, 40, 5, 5), 0.1)
    weight[0, 0, 0, 0] = 100
    assert pictures.filter_pixels(layer(weight))[0, 1, 0, 0] == 255


def test_only_the_first_kernels_are_drawn_unless_all_are_asked_for():
    wide = layer(np.ones((2, 20, 3, 3)))
    assert pictures.filter_pixels(wide).shape[1] == 16
    assert pictures.filter_pixels(wide, kernels=None).shape[1] == 20


def test_the_png_opens_elsewhere_with_the_same_pixels_and_a_transparent_gap():
    pixels = np.full((2, 3, 3), 128, np.uint8)
    pixels[1] = 255
    sheet = pictures.contact_sheet(pixels)
    picture = Image.open(io.BytesIO(pictures.png(sheet))).convert("RGBA")
    assert picture.size == (7, 3)
    colors = pictures.palette()
    assert picture.getpixel((0, 0)) == (*colors[128].tolist(), 255)
    assert picture.getpixel((6, 2)) == (*colors[255].tolist(), 255)
    assert picture.getpixel((3, 1))[3] == 0
    assert pictures.data_uri(pixels).startswith("data:image/png;base64,")


def test_inputs_without_places_are_fields_row_by_row_and_the_rest_of_the_last_row_is_nothing():
    weight = np.zeros((2, 7, 1, 1))
    weight[1, 6] = 1.0
    fields = pictures.input_fields(layer(weight))
    assert fields.shape == (2, 1, 3, 3)
    assert fields[1, 0, 2, 0] == 255
    assert (fields[1, 0, 2, 1:] == 0).all()
    assert (fields[0].ravel()[:7] == 128).all()
    assert pictures.input_fields(layer(np.ones((2, 700, 1, 1)))).shape == (2, 1, 16, 16)
