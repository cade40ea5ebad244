"""Whether a student, its teacher and its images belong together; said before the first step."""

from __future__ import annotations

from sfp_viz.errors import DataError, RunError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.model import Model


def check_images(student: Model, images: Images) -> None:
    """Raise DataError when the network cannot take ``images``, or has too few classes."""
    if len(images) == 0:
        raise DataError(f"The data '{images.name}' hold no images.")
    if images.pixels.shape[1:] != student.input_shape:
        raise DataError(
            f"The network takes images of {student.input_shape} (channels, height, width), "
            f"'{images.name}' has {images.pixels.shape[1:]}."
        )
    if int(images.labels.max()) >= student.classes:
        raise DataError(
            f"'{images.name}' has the class {int(images.labels.max())}, but the network only "
            f"{student.classes} classes."
        )


def check_teacher(student: Model, teacher: Model) -> None:
    """Raise RunError when the two answer different questions."""
    if (teacher.classes, teacher.input_shape) != (student.classes, student.input_shape):
        raise RunError(
            f"The teacher '{teacher.name}' knows {teacher.classes} classes of "
            f"{teacher.input_shape} images, the student '{student.name}' {student.classes} of "
            f"{student.input_shape}. Choose the network that the student was cut from."
        )
