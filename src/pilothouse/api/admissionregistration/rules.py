"""Rules of what a webhook or a policy applies to, and of where a webhook is reached.

The words are upstream's (pkg/apis/admissionregistration/validation and apiserver's pkg/util/webhook).
"""

from __future__ import annotations

from urllib.parse import urlsplit

from pilothouse.api.core.validation.fields import optional_one_of
from pilothouse.api.types.admissionregistration_v1 import (
    NamedRuleWithOperations,
    RuleWithOperations,
    ServiceReference,
    WebhookClientConfig,
)
from pilothouse.api.types.apiextensions_v1 import ServiceReference as ConversionService
from pilothouse.machinery import names
from pilothouse.machinery import url as urls
from pilothouse.machinery.problems import Problems

OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
SCOPES = ("*", "Cluster", "Namespaced")
FORM = "; desired format: https://host[/path]"


def validate_rule(rule: RuleWithOperations | NamedRuleWithOperations, problems: Problems) -> None:
    """Operations, groups, versions, resources and scope of one rule. Upstream: validateRule, validateRuleWithOperations."""
    operations = problems.at("operations")
    _alone(rule.operations, "operations", operations)
    for index, operation in enumerate(rule.operations):
        if operation not in OPERATIONS:
            operations.at(index).not_supported(operation, OPERATIONS)
    _alone(rule.apiGroups, "API groups", problems.at("apiGroups"))
    _alone(rule.apiVersions, "API versions", problems.at("apiVersions"))
    for index, version in enumerate(rule.apiVersions):
        if not version:
            problems.at("apiVersions", index).required()
    _validate_resources(rule.resources, problems.at("resources"))
    optional_one_of(rule.scope, SCOPES, problems, "scope")


def _alone(values: list[str], called: str, problems: Problems) -> None:
    """Something is there, and where it is everything there is nothing else."""
    if not values:
        problems.required()
    elif len(values) > 1 and "*" in values:
        problems.invalid(values, f"if '*' is present, must not specify other {called}")


def _validate_resources(resources: list[str], problems: Problems) -> None:
    if not resources:
        problems.required()
    whole: set[str] = set()
    everywhere: set[str] = set()
    last_without = False
    for index, named in enumerate(resources):
        here = problems.at(index)
        resource, slash, part = named.partition("/")
        if not named:
            here.required()
        elif not slash:
            last_without = named != "*"  # the last one decides, as in upstream
        else:
            if resource in whole:
                here.invalid(named, f"if '{resource}/*' is present, must not specify {named}")
            if part in everywhere:
                here.invalid(named, f"if '*/{part}' is present, must not specify {named}")
            if part == "*":
                whole.add(resource)
            if resource == "*":
                everywhere.add(part)
    if len(resources) > 1 and "*/*" in resources:
        problems.invalid(resources, "if '*/*' is present, must not specify other resources")
    if "*" in resources and last_without:
        problems.invalid(resources, "if '*' is present, must not specify other resources without subresources")


def validate_client(config: WebhookClientConfig, problems: Problems) -> None:
    """A webhook's address: exactly one of `url` and `service`, and that one valid.

    Upstream: webhook.ValidateWebhookURL, ValidateWebhookService.
    """
    if (config.url is None) == (config.service is None):
        problems.required("exactly one of url or service is required")
    elif config.service:
        validate_service(config.service, problems.at("service"))
    else:
        validate_url(config.url or "", problems.at("url"))


def validate_url(text: str, problems: Problems) -> None:
    """The URL of a webhook: https, a host, and a path at most."""
    try:
        urls.parse(text)
        url = urlsplit(text)
    except ValueError as error:
        problems.required(f"url must be a valid URL: {error}{FORM}")
        return
    if url.scheme != "https":
        problems.invalid(url.scheme, f"'https' is the only allowed URL scheme{FORM}")
    user, at, host = url.netloc.rpartition("@")
    if not host:
        problems.invalid(host, f"host must be specified{FORM}")
    if at:
        problems.invalid(user, "user information is not permitted in the URL")
    if url.fragment:
        problems.invalid(url.fragment, "fragments are not permitted in the URL")
    if url.query:
        problems.invalid(url.query, "query parameters are not permitted in the URL")


def validate_service(service: ServiceReference | ConversionService, problems: Problems) -> None:
    """The Service of a webhook, of admission or of conversion."""
    for said, shown in (("namespace", "name"), ("name", "namespace")):  # upstream shows one for the other
        if not getattr(service, said):
            problems.at(shown).required()
    wrong = names.port_number(service.port or 0)
    if wrong:
        problems.at("port").invalid(service.port or 0, f"port is not valid: {', '.join(wrong)}")
    here, path = problems.at("path"), service.path
    if not path or path == "/":
        return
    if path == "//":
        here.invalid(path, "segment[0] may not be empty")
    else:
        if not path.startswith("/"):
            here.invalid(path, "must start with a '/'")
        for index, segment in enumerate(path[1:].removesuffix("/").split("/")):
            if not segment:
                here.invalid(path, f"segment[{index}] may not be empty")
            for message in names.dns_subdomain(segment) if segment else ():
                here.invalid(path, f"segment[{index}]: {message}")
