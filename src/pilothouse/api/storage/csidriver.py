"""CSIDriver: a storage driver that is installed."""

from __future__ import annotations

from pilothouse.api.core.columns import NONE, UNSET
from pilothouse.api.core.validation.fields import immutable, optional_one_of
from pilothouse.api.types.storage_v1 import CSIDriver
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, Column, Resource
from pilothouse.machinery.strategy import Strategy


def _tokens(driver: CSIDriver) -> str:
    return ",".join(request.audience for request in driver.spec.tokenRequests) if driver.spec.tokenRequests else UNSET


FS_GROUP_POLICIES = ("File", "None", "ReadWriteOnceWithFSType")
MODES = ("Persistent", "Ephemeral")
SHORTEST_PERIOD_SECONDS = 10
SHORTEST_TOKEN_SECONDS, LONGEST_TOKEN_SECONDS = 600, 1 << 32

CSIDRIVER = Resource(
    CSIDriver,
    plural="csidrivers",
    namespaced=False,
    columns=(
        Column("AttachRequired", lambda driver: driver.spec.attachRequired is not False, type="boolean"),
        Column("PodInfoOnMount", lambda driver: bool(driver.spec.podInfoOnMount), type="boolean"),
        Column("StorageCapacity", lambda driver: bool(driver.spec.storageCapacity), type="boolean"),
        Column("TokenRequests", _tokens),
        Column("RequiresRepublish", lambda driver: bool(driver.spec.requiresRepublish), type="boolean"),
        Column("Modes", lambda driver: ",".join(driver.spec.volumeLifecycleModes) or NONE),
        AGE,
    ),
    strategy=Strategy(allow_unconditional_update=False, first_generation=None, returns_deleted_object=True),
)


@CSIDRIVER.default
def default(driver: CSIDriver) -> None:
    """Attaching required, mode Persistent, fsGroup by access mode. Upstream: SetDefaults_CSIDriver."""
    spec = driver.spec
    if spec.attachRequired is None:
        spec.attachRequired = True
    for field in ("podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount", "preventPodSchedulingIfMissing"):
        setattr(spec, field, bool(getattr(spec, field)))
    if spec.fsGroupPolicy is None:
        spec.fsGroupPolicy = "ReadWriteOnceWithFSType"
    spec.volumeLifecycleModes = spec.volumeLifecycleModes or ["Persistent"]


@CSIDRIVER.validate
def validate(driver: CSIDriver, problems: Problems) -> None:
    """Policies, token requests and modes. Upstream: ValidateCSIDriver."""
    spec, here = driver.spec, problems.at("spec")
    optional_one_of(spec.fsGroupPolicy, FS_GROUP_POLICIES, here, "fsGroupPolicy")
    _validate_tokens(driver, here.at("tokenRequests"))
    for mode in spec.volumeLifecycleModes:
        if mode not in MODES:
            here.at("volumeLifecycleModes").not_supported(mode, MODES)
    period = spec.nodeAllocatableUpdatePeriodSeconds
    if period is not None and period < SHORTEST_PERIOD_SECONDS:
        message = f"must be greater than or equal to {SHORTEST_PERIOD_SECONDS} seconds"
        here.at("nodeAllocatableUpdatePeriodSeconds").invalid(period, message)
    in_secrets = getattr(spec, "serviceAccountTokenInSecrets", None)
    if in_secrets is not None and not spec.tokenRequests:
        message = "serviceAccountTokenInSecrets is set but no tokenRequests are specified"
        here.at("serviceAccountTokenInSecrets").invalid(in_secrets, message)


def _validate_tokens(driver: CSIDriver, problems: Problems) -> None:
    seen: set[str] = set()
    for index, request in enumerate(driver.spec.tokenRequests):
        here, seconds = problems.at(index), request.expirationSeconds
        if request.audience in seen:
            here.at("audience").duplicate(request.audience)
            continue
        seen.add(request.audience)
        if seconds is not None and seconds < SHORTEST_TOKEN_SECONDS:
            here.at("expirationSeconds").invalid(seconds, "may not specify a duration less than 10 minutes")
        if seconds is not None and seconds > LONGEST_TOKEN_SECONDS:
            here.at("expirationSeconds").invalid(seconds, "may not specify a duration larger than 2^32 seconds")


@CSIDRIVER.validate_update
def validate_update(old: CSIDriver, new: CSIDriver, problems: Problems) -> None:
    """attachRequired and volumeLifecycleModes never change. Upstream: ValidateCSIDriverUpdate."""
    here = problems.at("spec")
    immutable(new.spec.attachRequired, old.spec.attachRequired, here, "attachedRequired")
    immutable(new.spec.volumeLifecycleModes, old.spec.volumeLifecycleModes, here, "volumeLifecycleModes")
