"""Changes of an endpoint: to other variants, and of the traffic among those it has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from tridock.deploy.aws import names
from tridock.deploy.aws.account import Account
from tridock.deploy.aws.errors import translated
from tridock.deploy.aws.reading import Reading
from tridock.deploy.target.errors import ConfigError, ConflictError

#: Beyond its bake time, seconds an update may take: new instances come up in it.
LONGEST = 3600
MOST_ALARMS, MOST_SECONDS = 10, 3600

Variants = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Guard:
    """CloudWatch alarms that take a move of traffic back.

    Attributes
    ----------
    alarms : tuple of str
        Names; none for no guard.
    seconds : int
        How long they are watched after the move.
    """

    alarms: tuple[str, ...] = ()
    seconds: int = 300

    @classmethod
    def of(cls, alarms: str, seconds: str) -> Guard:
        """Read the two settings.

        Raises
        ------
        ConfigError
            If SageMaker would not take them.
        """
        listed = tuple(alarms.replace(",", " ").split())
        if len(listed) > MOST_ALARMS:
            raise ConfigError(f"aws.alarms has {len(listed)} names: SageMaker takes {MOST_ALARMS}")
        if not seconds.isdecimal() or int(seconds) > MOST_SECONDS:
            raise ConfigError(
                f"aws.alarm_seconds is {seconds!r}: give whole seconds from 0 to {MOST_SECONDS}"
            )
        return cls(listed, int(seconds))

    def config(self) -> Mapping[str, Any]:
        """Return UpdateEndpoint's ``DeploymentConfig``: all at once, then watched."""
        routing = {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 0}
        return {
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": routing,
                "TerminationWaitInSeconds": self.seconds,
                "MaximumExecutionTimeoutInSeconds": self.seconds + LONGEST,
            },
            "AutoRollbackConfiguration": {
                "Alarms": [{"AlarmName": alarm} for alarm in self.alarms]
            },
        }


@dataclass(frozen=True)
class Updates:
    """Changes of the endpoints of an account.

    Attributes
    ----------
    account : Account
        The clients.
    guard : Guard
        Alarms that take a move of traffic back.
    capture : Mapping or None
        What configurations say of data capture; None leaves it as it is.
    """

    account: Account
    guard: Guard = field(default_factory=Guard)
    capture: Mapping[str, Any] | None = None

    def configure(
        self, endpoint: str, reading: Reading | None, variants: Variants, shadows: Variants = ()
    ) -> None:
        """Bring an endpoint to these variants.

        Those that stay keep their weights, and as many instances as they have by now. No alarms
        guard it: that takes the same variants before and after ("Exclusions" of the deployment
        guardrails, developer guide).
        """
        config = self._make(endpoint, variants, shadows)
        with translated("sagemaker"):
            if reading:
                self._update(endpoint, config)
            else:
                tags = _tags(endpoint)
                self.account.sagemaker.create_endpoint(
                    EndpointName=endpoint, EndpointConfigName=config, **tags
                )
        self.account.facts.changed(endpoint, reading.description if reading else None)

    def weigh(self, endpoint: str, reading: Reading, traffic: Mapping[str, int]) -> None:
        """Move traffic among the variants that an endpoint has.

        Where there are alarms and the newest variant gets more, by an update that they guard,
        which brings all variants up anew. Otherwise by the weights, soon: the way back waits for
        nothing.
        """
        if self.guard.alarms and not reading.shadows and _is_advance(reading, traffic):
            weighted = [
                {**variant, "InitialVariantWeight": float(traffic.get(variant["VariantName"], 0))}
                for variant in reading.variants
            ]
            config = self._make(endpoint, weighted)
            with translated("sagemaker"):
                self._update(
                    endpoint, config, "DesiredWeight", DeploymentConfig=self.guard.config()
                )
        else:
            weights: Any = [
                {"VariantName": name, "DesiredWeight": float(traffic.get(name, 0))}
                for name in reading.weights
            ]
            with translated("sagemaker"):
                self.account.sagemaker.update_endpoint_weights_and_capacities(
                    EndpointName=endpoint, DesiredWeightsAndCapacities=weights
                )
        self.account.facts.changed(endpoint, reading.description)

    def resize(self, endpoint: str, reading: Reading, counts: Mapping[str, int]) -> None:
        """Set the numbers of instances of variants; weights stay."""
        desired: Any = [
            {"VariantName": name, "DesiredInstanceCount": count} for name, count in counts.items()
        ]
        with translated("sagemaker"):
            self.account.sagemaker.update_endpoint_weights_and_capacities(
                EndpointName=endpoint, DesiredWeightsAndCapacities=desired
            )
        self.account.facts.changed(endpoint, reading.description)

    def _make(self, endpoint: str, variants: Variants, shadows: Variants = ()) -> str:
        """Make a configuration, unless it is there, and return its name."""
        content = [*variants, *({"shadow": shadow} for shadow in shadows)]
        content += [self.capture] if self.capture else []
        config = names.config(endpoint, content)
        made: Any = {"ProductionVariants": list(variants), **_tags(endpoint)}
        made |= {"ShadowProductionVariants": list(shadows)} if shadows else {}
        made |= {"DataCaptureConfig": self.capture} if self.capture else {}
        with suppress(ConflictError), translated("sagemaker"):  # by content: what exists is equal
            self.account.sagemaker.create_endpoint_config(EndpointConfigName=config, **made)
        return config

    def _update(self, endpoint: str, config: str, *renewed: str, **more: Any) -> None:
        changed = [*renewed, *(["DataCaptureConfig"] if self.capture is not None else [])]
        excluded: Any = [{"VariantPropertyType": name} for name in changed]
        more |= {"ExcludeRetainedVariantProperties": excluded} if excluded else {}
        self.account.sagemaker.update_endpoint(
            EndpointName=endpoint,
            EndpointConfigName=config,
            RetainAllVariantProperties=True,
            **more,
        )


def _is_advance(reading: Reading, traffic: Mapping[str, int]) -> bool:
    """Tell whether the newest variant gets more traffic than it has."""
    made = {
        variant["VariantName"]: reading.facts.model(variant["ModelName"])
        for variant in reading.variants
    }
    newest = max(made, key=lambda name: (made[name].created, name))
    return traffic.get(newest, 0) > reading.traffic.get(newest, 0)


def _tags(endpoint: str) -> Any:
    return {"Tags": [{"Key": names.ENDPOINT, "Value": endpoint}]}
