"""Every error the model server and its bundles raise on purpose.

* InferenceError
  * BundleError: what is on disk cannot be served
    * BundleMissingError (also FileNotFoundError)
    * TamperedError
    * VersionError
    * ScriptError
    * TargetFolderError
    * PackagingError (also ValueError)
      * ArgumentError
        * ModelFileError
  * RequestError: one request cannot be answered; web.error_responses maps each kind to a status
    * InvalidInputError (also ValueError)
    * NoRouteError
    * WrongMethodError
    * DisconnectedError
    * UnsupportedMediaTypeError
    * NotAcceptableError
    * TooLargeError
    * TimedOutError
    * NotReadyError
    * OverloadedError
    * ScoringError
  * BatchError: a batch job cannot go on
    * FormatError
    * ResumeError
    * BadRowError
"""

from __future__ import annotations


class InferenceError(Exception):
    """Base class: catch it to catch every error this room raises on purpose."""


class BundleError(InferenceError):
    """The bundle cannot be used; the message says why and how to mend it."""


class BundleMissingError(BundleError, FileNotFoundError):
    """There is no bundle where one was looked for."""


class TamperedError(BundleError):
    """A file is missing, altered or extra: the bundle is not what was packaged."""


class VersionError(BundleError):
    """The bundle needs another version of a library, or of this program, than is installed."""


class ScriptError(BundleError):
    """The user's scoring script cannot be used; the message names its line or its fault."""


class TargetFolderError(BundleError):
    """A bundle cannot be written to the folder that was named; nothing was written."""


class PackagingError(BundleError, ValueError):
    """A bundle cannot be made of this model, sample, name or target directory."""


class ArgumentError(PackagingError):
    """An option is missing or wrong, or the file that it names is."""


class ModelFileError(ArgumentError):
    """The file named as the model is not one; the message says what it is and what to do."""


class RequestError(InferenceError):
    """A request that cannot be answered; the message is safe to send to the caller."""


class InvalidInputError(RequestError, ValueError):
    """The rows do not fit the model; says which row and field, what was expected, what came."""


class NoRouteError(RequestError):
    """The server has nothing at this path."""


class WrongMethodError(RequestError):
    """The path is there, and is called by another method; `allowed` says by which."""

    def __init__(self, message: str, allowed: str) -> None:
        super().__init__(message)
        self.allowed = allowed


class DisconnectedError(RequestError):
    """The caller left before the end of its request: no caller is left to answer."""


class UnsupportedMediaTypeError(RequestError):
    """The body's content type is none that we read."""


class NotAcceptableError(RequestError):
    """The caller accepts no content type that we write."""


class TooLargeError(RequestError):
    """The body is larger than the server reads."""


class TimedOutError(RequestError):
    """The rest of the body did not come in time."""


class NotReadyError(RequestError):
    """The model is not loaded (yet), or the server is draining."""


class OverloadedError(RequestError):
    """More requests wait than can be answered soon; try again later."""


class ScoringError(RequestError):
    """The model or the user's script failed on a request that was in order: our side's fault."""


class BatchError(InferenceError):
    """The job cannot go on; the message says why and what to do."""


class FormatError(BatchError):
    """A file cannot be read as what its name says it is."""


class ResumeError(BatchError):
    """There is an unfinished job of another kind beside the output."""


class BadRowError(BatchError):
    """A row does not fit the model; names file and line."""
