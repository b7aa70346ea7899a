"""Validation of `windowsOptions` in security contexts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pilothouse.api.core.validation.fields import report
from pilothouse.api.types.core_v1 import PodSpec, WindowsSecurityContextOptions
from pilothouse.machinery import names
from pilothouse.machinery.problems import Problems

LONGEST_CREDENTIAL_SPEC_BYTES = 64 * 1024
LONGEST_DOMAIN, LONGEST_USER = 256, 104
CONTROL = re.compile(r"[\x00-\x1f\x7f]")
NETBIOS = re.compile(r'[^\\/:*?"<>|.][^\\/:*?"<>|]{0,14}')
DNS_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?"
DNS = re.compile(rf"{DNS_LABEL}(?:\.{DNS_LABEL})*")
NOT_FOR_USERS = re.compile(r'["/\\:;|=,+*?<>@\[\]]')
DOTS_AND_SPACES = re.compile(r"[. ]+")


def validate_windows_options(options: WindowsSecurityContextOptions | None, problems: Problems) -> None:
    """Names of credentials and of the user."""
    if options is None:
        return
    if options.gmsaCredentialSpecName is not None:
        report(names.dns_subdomain(options.gmsaCredentialSpecName), options.gmsaCredentialSpecName, problems, "gmsaCredentialSpecName")
    spec = options.gmsaCredentialSpec
    if spec == "":
        problems.at("gmsaCredentialSpec").invalid(spec, "gmsaCredentialSpec cannot be an empty string")
    elif spec is not None and len(spec.encode()) > LONGEST_CREDENTIAL_SPEC_BYTES:
        problems.at("gmsaCredentialSpec").invalid(spec, "gmsaCredentialSpec size must be under 64 KiB")
    if options.runAsUserName is not None:
        for message in user_name_errors(options.runAsUserName):
            problems.at("runAsUserName").invalid(options.runAsUserName, f"runAsUserName{message}")


def user_name_errors(name: str) -> Iterator[str]:
    r"""Errors in `DOMAIN\user` or `user`, in the words after "runAsUserName"."""
    if not name:
        yield " cannot be an empty string"
    elif CONTROL.search(name):
        yield " cannot contain control characters"
    elif name.count("\\") > 1:
        yield " cannot contain more than one backslash"
    else:
        domain, backslash, user = name.rpartition("\\")
        if len(domain.encode()) >= LONGEST_DOMAIN:
            yield "'s Domain length must be under 256 characters"
        if backslash and not NETBIOS.fullmatch(domain) and not DNS.fullmatch(domain):
            yield "'s Domain doesn't match the NetBios nor the DNS format"
        if not user:
            yield "'s User cannot be empty"
        elif len(user.encode()) > LONGEST_USER:
            yield "'s User length must not be longer than 104 characters"
        if DOTS_AND_SPACES.fullmatch(user):
            yield "'s User cannot contain only periods or spaces"
        if NOT_FOR_USERS.search(user):
            yield "'s User cannot contain the following characters: \"/\\:;|=,+*?<>@[]"


def validate_host_process(spec: PodSpec, problems: Problems) -> None:
    """Either all containers of a Pod run as processes of the host or none, and then in its network."""
    options = spec.securityContext.windowsOptions if spec.securityContext else None
    of_pod = options.hostProcess if options else None
    count = host_processes = 0
    for field in ("initContainers", "containers", "ephemeralContainers"):
        for index, container in enumerate(getattr(spec, field)):
            own = container.securityContext.windowsOptions if container.securityContext else None
            of_container = own.hostProcess if own else None
            if of_pod is not None and of_container is not None and of_pod != of_container:
                here = problems.at(field, index, "securityContext", "windowsOptions", "hostProcess")
                here.invalid(of_container, f"pod hostProcess value must be identical if both are specified, was {str(of_pod).lower()}")
            count += 1
            host_processes += bool(of_pod if of_container is None else of_container)
    if host_processes:
        if host_processes != count:
            problems.invalid("", "If pod contains any hostProcess containers then all containers must be HostProcess containers")
        if not spec.hostNetwork:
            problems.at("hostNetwork").invalid(False, "hostNetwork must be true if pod contains any hostProcess containers")
