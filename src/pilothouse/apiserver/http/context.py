"""State shared by all requests of a server: registry, authentication, authorization, clock, limits, metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pilothouse.apiserver.auth.authenticator import Authenticators
from pilothouse.apiserver.auth.authorizer import Authorizer
from pilothouse.apiserver.auth.failed_logins import FailedLogins
from pilothouse.apiserver.auth.impersonation import Impersonation
from pilothouse.apiserver.auth.user import ANONYMOUS, User
from pilothouse.apiserver.http.counters import Counters
from pilothouse.apiserver.http.flows import Flows
from pilothouse.apiserver.http.in_flight import InFlight
from pilothouse.apiserver.http.large_bodies import LargeBodies
from pilothouse.apiserver.http.request_metrics import RequestMetrics
from pilothouse.client.dialing import Network
from pilothouse.kit.clock import Clock, SystemClock
from pilothouse.kit.entropy import Entropy

if TYPE_CHECKING:
    from pilothouse.apiserver.registry.registry import Registry


@dataclass(frozen=True, slots=True)
class KubeletClient:
    """Files with which the server makes itself known to kubelets, and knows them by."""

    certificate_file: str
    key_file: str
    ca_file: str


@dataclass(slots=True)
class ApiContext:
    """Shared by all requests; made once by the server."""

    registry: Registry
    authenticators: Authenticators
    authorizer: Authorizer
    clock: Clock
    entropy: Entropy
    kubelet_client: KubeletClient | None = None
    kubelet_urls: Mapping[str, str] = field(default_factory=dict)
    """Where the kubelets answer that are not reached at their node's address, by the node's name: those of simulated nodes."""
    dialable: Sequence[Network] = ()
    """Where proxy subresources may lead beside proxyable addresses: only tests have backends on loopback."""
    default_user: User = ANONYMOUS
    """Who a request without any credential is from."""
    is_extension: Callable[[str, str], bool] = lambda group, version: False
    """Whether an extension API server answers for a group and version: bodies of requests for it are passed on as they come."""
    streams: set[Callable[[], None]] = field(default_factory=set)
    """How to end each watch and stream: all are called when the server stops."""
    in_flight: InFlight = field(default_factory=InFlight)
    large_bodies: LargeBodies = field(default_factory=LargeBodies)
    failed_logins: FailedLogins = field(init=False)
    flows: Flows = field(init=False)
    impersonation: Impersonation = field(init=False)
    counters: Counters = field(default_factory=Counters)
    metrics: RequestMetrics = field(default_factory=RequestMetrics)

    def __post_init__(self) -> None:
        self.failed_logins = FailedLogins(SystemClock())  # clients live in the machine's own time
        self.impersonation = Impersonation.of_level(self.registry.catalogue.level)
        self.flows = Flows(self.registry.store.caches)
