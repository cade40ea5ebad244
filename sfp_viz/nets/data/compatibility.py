"""Whether a network, its teacher and its images belong together; said before the first step."""

from __future__ import annotations

from sfp_viz.errors import DataError, RunError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model


def fits(model: Model, images: Images) -> bool:
    """Whether the network takes images of this size."""
    return images.pixels.shape[1:] == model.input_shape


def check_shape(model: Model, images: Images, *, purpose: str = "", least: int = 0) -> None:
    """Raise DataError unless the network takes images of this size and there are enough of them.

    Args:
        model: The network that is run on the images.
        images: The images to check.
        purpose: What the images are for, such as 'Calibration'; opens the message.
        least: How many images that needs.

    Raises:
        DataError: The size is wrong, or there are fewer than ``least`` images.
    """
    if fits(model, images) and len(images) >= least:
        return
    what = f"{purpose} of '{model.name}' needs" if purpose else f"The network '{model.name}' takes"
    many = f"at least {least} images" if least else "images"
    held = f"{len(images):,} of" if least else "images of"
    raise DataError(
        f"{what} {many} of {model.input_shape} (channels, height, width); '{images.name}' has "
        f"{held} {images.pixels.shape[1:]}."
    )


def check_images(student: Model, images: Images) -> None:
    """Raise DataError when the network cannot take ``images``, or has too few classes."""
    if len(images) == 0:
        raise DataError(f"The data '{images.name}' hold no images.")
    check_shape(student, images)
    if int(images.labels.max()) >= student.classes:
        raise DataError(
            f"'{images.name}' has the class {int(images.labels.max())}, but the network only "
            f"{student.classes} classes."
        )


def check_teacher(student: Model, teacher: Model) -> None:
    """Raise RunError when teacher and student differ in their classes or image size."""
    if (teacher.classes, teacher.input_shape) != (student.classes, student.input_shape):
        raise RunError(
            f"The teacher '{teacher.name}' knows {teacher.classes} classes of "
            f"{teacher.input_shape} images, the student '{student.name}' {student.classes} of "
            f"{student.input_shape}. Choose the network that the student was cut from."
        )
