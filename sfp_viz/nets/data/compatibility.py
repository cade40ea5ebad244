"""Whether a network, its teacher and its images belong together; said before the first step."""

from __future__ import annotations

from sfp_viz.errors import DataError, RunError
from sfp_viz.nets.data.datasets import Images
from sfp_viz.nets.forward import check_logits, foreign_code, outputs_of
from sfp_viz.nets.model import Model


def fits(model: Model, images: Images) -> bool:
    """Whether the images have the size that the network takes; a gray network takes color
    (``Model.normalize``).

    Args:
        model: The network.
        images: The images to check.
    """
    (channels, *size), (wanted, *needed) = images.pixels.shape[1:], model.input_shape
    return size == needed and (channels == wanted or (channels, wanted) == (3, 1))


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
    if not isinstance(images, Images):
        raise DataError(f"This takes Images, as load_data gives them, not {type(images).__name__}.")
    if fits(model, images) and len(images) >= least:
        return
    user = f"{purpose} of '{model.name}' needs" if purpose else f"The network '{model.name}' takes"
    needed = f"at least {least} images" if least else "images"
    present = f"{len(images):,} of" if least else "images of"
    raise DataError(
        f"{user} {needed} of {model.input_shape} (channels, height, width); '{images.name}' has "
        f"{present} {images.pixels.shape[1:]}. Choose the images that it was trained on."
    )


def check_images(student: Model, images: Images) -> None:
    """Raise DataError unless ``student`` can be trained or tested on ``images``.

    Args:
        student: The network.
        images: The images to check.

    Raises:
        DataError: There are no images, their size is wrong, or a label is not below the network's
            number of classes.
        ModelError: The network gives no logits.
    """
    if not student.classes:
        check_output(student)
    if len(images) == 0:
        raise DataError(f"The data '{images.name}' contain no images. Choose other data.")
    check_shape(student, images)
    if int(images.labels.max()) >= student.classes:
        raise DataError(
            f"'{images.name}' has the class {int(images.labels.max())}, but the network "
            f"'{student.name}' has only {student.classes} classes. Choose the images that it was "
            "trained on."
        )


def check_output(model: Model, *, training: bool = False) -> None:
    """Raise ModelError unless the network gives logits, [N, classes]; found out without data.

    Args:
        model: The network.
        training: Run it as in training, where some networks give more.

    Raises:
        ModelError: It gives something else, or does not run.
    """
    with foreign_code(f"The network '{model.name}' does not run{' in training' * training}"):
        output = outputs_of(model.module, model.input_shape, training=training)
    check_logits(output, model.name, training=training)


def check_teacher(student: Model, teacher: Model) -> None:
    """Raise RunError unless ``student`` can learn from ``teacher``.

    Args:
        student: The network to be trained.
        teacher: The network whose logits it learns.

    Raises:
        RunError: They differ in their number of classes or in the size of their images.
        ModelError: The teacher gives no logits.
    """
    if not teacher.classes:
        check_output(teacher)
    if (teacher.classes, teacher.input_shape) != (student.classes, student.input_shape):
        raise RunError(
            f"The teacher '{teacher.name}' has {teacher.classes} classes for images of "
            f"{teacher.input_shape}, but the student '{student.name}' has {student.classes} for "
            f"images of {student.input_shape}. Choose the network that the student was pruned from "
            "as its teacher."
        )
