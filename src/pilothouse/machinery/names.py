"""Validation of names; each function returns upstream's messages, none when the value is valid."""

from __future__ import annotations

import re

LABEL_LIMIT = 63
SUBDOMAIN_LIMIT = 253
PORT_NAME_LIMIT = 15

LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
SUBDOMAIN = rf"{LABEL}(\.{LABEL})*"
LABEL_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
VALUE = f"({QUALIFIED})?"
CONFIG_KEY = "[-._a-zA-Z0-9]+"
PERCENT = "[0-9]+%"
HEADER = "[-A-Za-z0-9]+"
WILDCARD = rf"\*\.{SUBDOMAIN}"

_label = re.compile(LABEL)
_subdomain = re.compile(SUBDOMAIN)
_label_1035 = re.compile(LABEL_1035)
_qualified = re.compile(QUALIFIED)
_value = re.compile(VALUE)
_config_key = re.compile(CONFIG_KEY)
_percent = re.compile(PERCENT)
_header = re.compile(HEADER)
_relaxed_environment_name = re.compile(r"[ -<>-~]+")
_wildcard = re.compile(WILDCARD)
_port_characters = re.compile("[-a-z0-9]+")


def too_long(limit: int, unit: str = "characters") -> str:
    """Upstream counts DNS names in characters, keys and values of labels in bytes; declarative rules always say bytes."""
    return f"must be no more than {limit} {unit}"


def mismatch(message: str, pattern: str, *examples: str) -> str:
    """Upstream's RegexError: the rule, examples, and the expression itself."""
    if not examples:
        return f"{message} (regex used for validation is '{pattern}')"
    shown = " or ".join(f"'{example}', " for example in examples)
    return f"{message} (e.g. {shown}regex used for validation is '{pattern}')"


def dns_label(value: str) -> list[str]:
    """RFC 1123 label: names of Namespaces, Pod host names, containers."""
    messages = [too_long(LABEL_LIMIT)] if len(value) > LABEL_LIMIT else []
    if not _label.fullmatch(value):
        rule = (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
            "and must start and end with an alphanumeric character"
        )
        messages.append("must not contain dots" if _subdomain.fullmatch(value) else mismatch(rule, LABEL, "my-name", "123-abc"))
    return messages


def dns_subdomain(value: str) -> list[str]:
    """RFC 1123 subdomain: the name of most objects."""
    messages = [too_long(SUBDOMAIN_LIMIT)] if len(value) > SUBDOMAIN_LIMIT else []
    if not _subdomain.fullmatch(value):
        rule = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
            "and must start and end with an alphanumeric character"
        )
        messages.append(mismatch(rule, SUBDOMAIN, "example.com"))
    return messages


def dns1035_label(value: str) -> list[str]:
    """RFC 1035 label: names of Services."""
    messages = [too_long(LABEL_LIMIT)] if len(value) > LABEL_LIMIT else []
    if not _label_1035.fullmatch(value):
        rule = (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
            "start with an alphabetic character, and end with an alphanumeric character"
        )
        messages.append(mismatch(rule, LABEL_1035, "my-name", "abc-123"))
    return messages


def wildcard_subdomain(value: str) -> list[str]:
    """`*.` and a subdomain: hosts of an Ingress."""
    messages = [too_long(SUBDOMAIN_LIMIT)] if len(value) > SUBDOMAIN_LIMIT else []
    if not _wildcard.fullmatch(value):
        rule = (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case "
            "alphanumeric characters, '-' or '.' and end with an alphanumeric character"
        )
        messages.append(mismatch(rule, WILDCARD, "*.example.com"))
    return messages


def path_segment(value: str) -> list[str]:
    """Validate a name as a segment of a URL path; the rule for RBAC names."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{char}'" for char in "/%" if char in value]


def qualified_name(value: str) -> list[str]:
    """A label key, an annotation key (in lower case), a finalizer, a resource name: `[prefix/]name`."""
    rule = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    parts = value.split("/")
    if len(parts) > 2:
        whole = mismatch(rule, QUALIFIED, "MyName", "my.name", "123-abc")
        return [f"a valid label key {whole} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"]
    messages: list[str] = []
    if len(parts) == 2:
        prefix = dns_subdomain(parts[0]) if parts[0] else ["must be non-empty"]
        messages += [f"prefix part {message.replace(too_long(SUBDOMAIN_LIMIT), too_long(SUBDOMAIN_LIMIT, 'bytes'))}" for message in prefix]
    name = parts[-1]
    if not name:
        messages.append("name part must be non-empty")
    elif len(name) > LABEL_LIMIT:
        messages.append(f"name part {too_long(LABEL_LIMIT, 'bytes')}")
    if not _qualified.fullmatch(name):
        messages.append(f"name part {mismatch(rule, QUALIFIED, 'MyName', 'my.name', '123-abc')}")
    return messages


def label_value(value: str) -> list[str]:
    """A label's value: empty or up to 63 characters that start and end alphanumeric. As validation.IsValidLabelValue."""
    messages = [too_long(LABEL_LIMIT, "bytes")] if len(value) > LABEL_LIMIT else []
    if not _value.fullmatch(value):
        rule = (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
            "and must start and end with an alphanumeric character"
        )
        messages.append(mismatch(rule, VALUE, "MyValue", "my_value", "12345"))
    return messages


def port_number(value: int) -> list[str]:
    """A port: 1 to 65535. As validation.IsValidPortNum."""
    return [] if 1 <= value <= 65535 else ["must be between 1 and 65535, inclusive"]


def in_range(value: int, low: int, high: int) -> list[str]:
    """An integer from `low` to `high`, both included. As validation.IsInRange."""
    return [] if low <= value <= high else [f"must be between {low} and {high}, inclusive"]


def port_name(value: str) -> list[str]:
    """An IANA service name: the names of ports."""
    messages = [too_long(PORT_NAME_LIMIT)] if len(value) > PORT_NAME_LIMIT else []
    if not _port_characters.fullmatch(value):
        messages.append("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search("[a-z]", value):
        messages.append("must contain at least one letter (a-z)")
    if "--" in value:
        messages.append("must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        messages.append("must not begin or end with a hyphen")
    return messages


def config_map_key(value: str) -> list[str]:
    """A key of a ConfigMap or Secret: it may become a file's name."""
    messages = [too_long(SUBDOMAIN_LIMIT)] if len(value) > SUBDOMAIN_LIMIT else []
    if not _config_key.fullmatch(value):
        rule = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'"
        messages.append(mismatch(rule, CONFIG_KEY, "key.name", "KEY_NAME", "key-name"))
    return messages + _directory_names(value)


def _directory_names(value: str) -> list[str]:
    if value in (".", ".."):
        return [f"must not be '{value}'"]
    return ["must not start with '..'"] if value.startswith("..") else []


def relaxed_environment_name(value: str) -> list[str]:
    """The rule since 1.34: printable ASCII without `=`."""
    if not value:
        return ["environment variable name must be non-empty"]
    if not _relaxed_environment_name.fullmatch(value):
        return ["a valid environment variable name must consist only of printable ASCII characters other than '='"]
    return []


def percentage(value: str) -> list[str]:
    """A percentage as text, `10%`. As validation.IsValidPercent."""
    if _percent.fullmatch(value):
        return []
    return [mismatch("a valid percent string must be a numeric string followed by an ending '%'", PERCENT, "1%", "93%")]


def http_header_name(value: str) -> list[str]:
    """A name of an HTTP header: alphanumeric characters and dashes. As validation.IsHTTPHeaderName."""
    if _header.fullmatch(value):
        return []
    return [mismatch("a valid HTTP header must consist of alphanumeric characters or '-'", HEADER, "X-Header-Name")]
