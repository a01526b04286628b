"""Every error a batch job raises on purpose.

* BatchError (an InferenceError): the job cannot go on as requested
  * FormatError: a file is not what its name says
  * ResumeError: the files beside the output belong to another job
  * BadRowError: a row does not fit, and no file for bad rows was named
"""

from __future__ import annotations

from tridock.inference.errors import InferenceError


class BatchError(InferenceError):
    """The job cannot go on; the message says why and what to do."""


class FormatError(BatchError):
    """A file cannot be read as what its name says it is."""


class ResumeError(BatchError):
    """There is an unfinished job of another kind beside the output."""


class BadRowError(BatchError):
    """A row does not fit the model; names file and line."""
