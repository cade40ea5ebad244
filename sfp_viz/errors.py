"""The tree of errors. Catch ``SfpError`` to catch them all.

    SfpError
    ├── ModelError      a network cannot be opened, traced or rebuilt
    ├── DataError       images or labels are missing or of the wrong shape
    ├── RecipeError     settings that make no sense, or need what was not observed
    ├── PlanError       a plan or edit that does not fit its network, or cannot be reached
    ├── SurgeryError    the cut network does not work
    └── RunError        a run folder or its worker is not as it should be

Each message says what happened, where, why, and what to do next, in plain sentences.
"""

# makes a file of any network that opens here; shown by the app, and at the end of the error of a
# file that cannot be opened
EXPORT_LINES = """\
shapes = ({0: torch.export.Dim("batch")},)
program = torch.export.export(model.eval(), (torch.zeros(2, 3, 224, 224),), dynamic_shapes=shapes)
torch.export.save(program, "model.pt2")"""
EXPORT_ADVICE = "Any convolutional network opens as a .pt2 file. Write one where its code runs:"


class SfpError(Exception):
    """A problem that a person can understand and mend; its text is shown as it is."""


class ModelError(SfpError):
    """A network cannot be opened, traced or rebuilt."""


class DataError(SfpError):
    """Images or labels are missing, unreadable or of the wrong shape."""


class RecipeError(SfpError):
    """Settings that make no sense together, or need something that was not observed."""


class PlanError(SfpError):
    """A plan or an edit that does not fit its network, or a goal that cannot be reached."""


class SurgeryError(SfpError):
    """The network that was cut does not work, so it was not handed out."""


class RunError(SfpError):
    """A run folder, or the worker in it, is not as it should be."""


class RoundingWarning(UserWarning):
    """A plan keeps a number of filters that is no multiple of the recipe's rounding."""
