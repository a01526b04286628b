"""What an update keeps of the variants that it replaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tridock.emulators.aws.dataplane.configs import Members

_PROPERTIES = ("DesiredWeight", "DesiredInstanceCount", "DataCaptureConfig")


@dataclass(frozen=True)
class Retention:
    """Properties that stay although the configuration says otherwise.

    Attributes
    ----------
    properties : frozenset of str
        Some of ``DesiredWeight``, ``DesiredInstanceCount``, ``DataCaptureConfig``.
    """

    properties: frozenset[str] = frozenset()

    @classmethod
    def read(cls, asked: Callable[[str], Any]) -> Retention:
        """Read UpdateEndpoint's ``RetainAllVariantProperties`` and its exceptions.

        Parameters
        ----------
        asked : callable
            Returns a member of the request, or None.
        """
        if not asked("RetainAllVariantProperties"):
            return cls()
        excluded = asked("ExcludeRetainedVariantProperties") or []
        kept = set(_PROPERTIES) - {item["VariantPropertyType"] for item in excluded}
        return cls(frozenset(kept))

    def capture(self, fresh: Members | None, old: Members | None) -> Members | None:
        """Return the data capture that holds after the update."""
        return old if "DataCaptureConfig" in self.properties else fresh

    def variants(self, fresh: Sequence[Members], old: Sequence[Members]) -> list[dict[str, Any]]:
        """Return the summaries `fresh` with what stays of those in `old` of the same name."""
        by_name = {variant["VariantName"]: variant for variant in old}
        return [{**one, **self._kept(by_name.get(one["VariantName"], {}))} for one in fresh]

    def _kept(self, old: Members) -> dict[str, Any]:
        kept: dict[str, Any] = {}
        for name in self.properties & old.keys():
            kept |= {name: old[name], name.replace("Desired", "Current"): old[name]}
        return kept
