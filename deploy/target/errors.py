"""Every error `deploy` raises on purpose, and the exit code each gives.

* DeployError (1)
  * ConfigError (2)
    * MissingDependencyError (also ImportError)
    * UnsupportedError
  * GateError (3)
  * DeploymentError (1)
  * DeadlineError (5, also TimeoutError)
  * TargetError (4)
    * CredentialsError (6)
    * PermissionDeniedError
    * NotFoundError
    * ConflictError
      * LockedError
      * BusyError (5, also UnavailableError)
    * QuotaError
    * UnavailableError (the only one that is retried)
      * UnsentError
    * InvokeError (1)
    * RolledBackError
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DeployError(Exception):
    """Root: the command line prints its message without a traceback and exits with `exit_code`."""

    exit_code = 1


class ConfigError(DeployError):
    """The configuration or the command is wrong; the message names the file and the key."""

    exit_code = 2


class MissingDependencyError(ConfigError, ImportError):
    """A cloud's SDK is not installed; the message says the command that installs it."""


class UnsupportedError(ConfigError):
    """The target cannot do this; the message says why."""


class GateError(DeployError):
    """A gate said no. Traffic has been put back before this is raised."""

    exit_code = 3


class DeploymentError(DeployError):
    """The deployment did not come up; the message carries its reason and its last log lines."""


class DeadlineError(DeployError, TimeoutError):
    """The wanted state was not reached before the deadline."""

    exit_code = 5


class TargetError(DeployError):
    """The cloud refused, or failed.

    Parameters
    ----------
    message : str
        What failed and what to do next.
    operation : str
        The cloud's own name of the call, e.g. ``"sagemaker:CreateEndpoint"``.
    code : str
        The cloud's own error code, unaltered, so that it can be searched for.
    """

    exit_code = 4

    def __init__(self, message: str, *, operation: str = "", code: str = "") -> None:
        where = f"{operation} {code}".strip()
        super().__init__(f"{message} [{where}]" if where else message)
        self.operation = operation
        self.code = code


class CredentialsError(TargetError):
    """Credentials are missing, wrong or expired; the message says how to get good ones."""

    exit_code = 6


class PermissionDeniedError(TargetError):
    """The credentials lack a permission; the message names it where the cloud does."""


class NotFoundError(TargetError):
    """No such endpoint, deployment, bucket or role."""


class ConflictError(TargetError):
    """The thing exists already with other settings, or another change to it is under way."""


class LockedError(ConflictError):
    """Another command changes the endpoint; the message says whose, what for, and since when."""


class QuotaError(TargetError):
    """The account's quota is used up."""


class UnavailableError(TargetError):
    """Throttled or briefly down: the same call may succeed later.

    Parameters
    ----------
    message, operation, code : str
        See `TargetError`.
    retry_after : float, optional
        Seconds that the cloud wants us to wait, where it says so.
    """

    def __init__(
        self,
        message: str,
        *,
        operation: str = "",
        code: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, operation=operation, code=code)
        self.retry_after = retry_after


class BusyError(ConflictError, UnavailableError):
    """Another change to the same thing is under way: the same call may succeed once it is done."""

    exit_code = 5


class UnsentError(UnavailableError):
    """The address or key that a request needs could not be read. No request was sent."""


@contextmanager
def before_sending() -> Iterator[None]:
    """Let what is briefly unavailable in the block mean that no request was sent."""
    try:
        yield
    except UnavailableError as error:
        raise UnsentError(str(error), retry_after=error.retry_after) from error


class InvokeError(TargetError):
    """The model server answered a request with an error; the message carries what it said.

    Parameters
    ----------
    message, operation, code : str
        See `TargetError`.
    status : int
        HTTP status the model server answered, 0 if it did not answer.
    """

    exit_code = 1

    def __init__(
        self, message: str, *, operation: str = "", code: str = "", status: int = 0
    ) -> None:
        super().__init__(message, operation=operation, code=code)
        self.status = status


class RolledBackError(TargetError):
    """The cloud, or another client, took back what we had set; carries the reason."""


def of_cloud(
    kind: type[TargetError],
    message: str,
    *,
    advice: str,
    retry_after: float | None = None,
    **call: str,
) -> TargetError:
    """Return an error of the kind that a cloud's answer means.

    Parameters
    ----------
    kind : type
        Of `TargetError`.
    message : str
        The cloud's own.
    advice : str
        Advice on getting credentials, for a `CredentialsError`.
    retry_after : float, optional
        Seconds that the cloud wants us to wait, for an `UnavailableError`.
    **call : str
        Operation and code, see `TargetError`.
    """
    if issubclass(kind, UnavailableError):
        return kind(message, retry_after=retry_after, **call)
    message += f". {advice}" if issubclass(kind, CredentialsError) else ""
    return kind(message, **call)
