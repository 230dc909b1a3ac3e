"""Every error a caller may want to catch.

Wrong arguments raise ``TypeError`` or ``ValueError``; what is wrong with the *data* raises a child of `InsarError`.
Each message names the thing, its value and the way out.
"""


class InsarError(Exception):
    """Base class of all errors about data, files and models."""


class SchemaError(InsarError):
    """A dataset does not follow the stack contract of `insarflow.schema`."""


class MissingVariableError(SchemaError):
    """An operation needs a variable that the dataset does not hold."""


class UnknownPairError(InsarError, LookupError):
    """A stack holds no interferogram of that name."""


class SelectionError(InsarError):
    """A selection names what the stack does not hold, or leaves nothing of it."""


class NetworkError(InsarError):
    """The interferograms of a stack do not join its dates, or the dates are too few for what is asked."""


class ProductError(InsarError):
    """A source file or folder is missing, damaged, or of no known product."""


class AbsentDataError(ProductError):
    """A published data set is not where it is looked for.

    Attributes
    ----------
    lines
        The message: what is wrong and where to get it, then the expected tree and what was found.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class GridMismatchError(ProductError):
    """Rasters that must share one grid do not."""


class StoreError(InsarError):
    """A path is not a stack store that this version can read."""


class OutputExistsError(InsarError):
    """The output is already there and ``overwrite`` was not asked for."""


class ModelError(InsarError):
    """A model file is missing, damaged, unsafe, or does not fit the data."""


class WorkerError(InsarError):
    """Workers of a dask cluster cannot do what is asked, or were lost while they did it."""


class RecipeWarning(UserWarning):
    """A model is applied to data that were processed differently from those it was trained on."""


class ProductWarning(UserWarning):
    """A file of a product is bad and was left out, as asked."""
