"""kube-apiserver's flags of auditing: values, validation in upstream's words, and what is made of them (upstream: options/audit.go)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pilothouse.apiserver.audit import backends, logfile, policy, webhook
from pilothouse.apiserver.audit.auditor import Auditor
from pilothouse.apiserver.audit.backends import BATCH, BLOCKING, BLOCKING_STRICT, MODES, BatchConfig, TruncateConfig
from pilothouse.apiserver.audit.metrics import AuditMetrics
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy
from pilothouse.machinery import strconv, time
from pilothouse.machinery.configfile import BadConfiguration

log = logging.getLogger(__name__)

VERSION = "audit.k8s.io/v1"
DEFAULTS: Mapping[str, str] = {
    "audit-policy-file": "",
    "audit-log-path": "",
    "audit-log-maxsize": "100",
    "audit-log-maxage": "366",
    "audit-log-maxbackup": "100",
    "audit-log-compress": "false",
    "audit-log-format": "json",
    "audit-log-version": VERSION,
    "audit-log-mode": BLOCKING,
    "audit-log-batch-buffer-size": "10000",
    "audit-log-batch-max-size": "1",
    "audit-log-batch-max-wait": "0s",
    "audit-log-batch-throttle-enable": "false",
    "audit-log-batch-throttle-qps": "0",
    "audit-log-batch-throttle-burst": "0",
    "audit-log-truncate-enabled": "false",
    "audit-log-truncate-max-batch-size": "10485760",
    "audit-log-truncate-max-event-size": "102400",
    "audit-webhook-config-file": "",
    "audit-webhook-initial-backoff": "10s",
    "audit-webhook-version": VERSION,
    "audit-webhook-mode": BATCH,
    "audit-webhook-batch-buffer-size": "10000",
    "audit-webhook-batch-max-size": "400",
    "audit-webhook-batch-max-wait": "30s",
    "audit-webhook-batch-throttle-enable": "true",
    "audit-webhook-batch-throttle-qps": "10",
    "audit-webhook-batch-throttle-burst": "15",
    "audit-webhook-truncate-enabled": "false",
    "audit-webhook-truncate-max-batch-size": "10485760",
    "audit-webhook-truncate-max-event-size": "102400",
}
SWITCHES = frozenset(name for name, value in DEFAULTS.items() if value in ("true", "false"))


@dataclass(slots=True)
class AuditOptions:
    """The flags' values as texts; those that were not given have upstream's defaults."""

    given: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A flag's value."""
        return self.given.get(name) or DEFAULTS[name]

    def number(self, name: str) -> int:
        """A whole number. BadConfiguration for what is none."""
        text = self.text(name)
        number = strconv.integer(text)
        if number is None:
            raise BadConfiguration(f'invalid argument "{text}" for "--{name}" flag: strconv.ParseInt: parsing "{text}": invalid syntax')
        return number

    def decimal(self, name: str) -> float:
        """A number. BadConfiguration for what is none."""
        number = strconv.number(self.text(name))
        if number is None:
            text = self.text(name)
            raise BadConfiguration(f'invalid argument "{text}" for "--{name}" flag: strconv.ParseFloat: parsing "{text}": invalid syntax')
        return number

    def seconds(self, name: str) -> float:
        """A duration. BadConfiguration for what is none."""
        try:
            return time.duration(self.text(name))
        except ValueError as error:
            raise BadConfiguration(f'invalid argument "{self.text(name)}" for "--{name}" flag: {error}') from error

    def switch(self, name: str) -> bool:
        """A flag that is true or false. BadConfiguration for another word."""
        text = self.text(name)
        if text.lower() not in ("true", "false", "1", "0", "t", "f"):
            raise BadConfiguration(f'invalid argument "{text}" for "--{name}" flag: strconv.ParseBool: parsing "{text}": invalid syntax')
        return text.lower() in ("true", "1", "t")

    def batch(self, plugin: str) -> BatchConfig:
        """Of the mode `batch`."""
        at = f"audit-{plugin}-batch"
        return BatchConfig(
            self.number(f"{at}-buffer-size"),
            self.number(f"{at}-max-size"),
            self.seconds(f"{at}-max-wait"),
            self.switch(f"{at}-throttle-enable"),
            self.decimal(f"{at}-throttle-qps"),
            self.number(f"{at}-throttle-burst"),
        )

    def truncate(self, plugin: str) -> TruncateConfig:
        """How large events may be."""
        at = f"audit-{plugin}-truncate"
        return TruncateConfig(self.switch(f"{at}-enabled"), self.number(f"{at}-max-batch-size"), self.number(f"{at}-max-event-size"))

    def rotation(self) -> logfile.Rotation:
        """Of the log file."""
        size, age, backups = (self.number(f"audit-log-max{name}") for name in ("size", "age", "backup"))
        return logfile.Rotation(size, age, backups, self.switch("audit-log-compress"))

    def problems(self) -> list[str]:
        """All that is wrong, in upstream's words and order. BadConfiguration for values of the wrong type."""
        problems = []
        if self.text("audit-log-path"):
            problems += self._plugin_problems("log")
            form = self.text("audit-log-format")
            if form not in logfile.FORMATS:
                problems.append(f'invalid audit log format {form}, allowed formats are "{",".join(logfile.FORMATS)}"')
            for name in ("maxage", "maxbackup", "maxsize"):
                if (number := self.number(f"audit-log-{name}")) < 0:
                    problems.append(f"--audit-log-{name} {number} can't be a negative number")
        if self.text("audit-webhook-config-file"):
            problems += self._plugin_problems("webhook")
        return problems

    def _plugin_problems(self, plugin: str) -> list[str]:
        mode, version = self.text(f"audit-{plugin}-mode"), self.text(f"audit-{plugin}-version")
        batch, truncate = self.batch(plugin), self.truncate(plugin)
        problems = []
        if mode not in MODES:
            problems.append(f'invalid audit {plugin} mode {mode}, allowed modes are "{",".join(MODES)}"')
        elif mode == BATCH and (wrong := _batch_problem(plugin, batch)):
            problems.append(wrong)
        if truncate.max_event_bytes <= 0:
            problems.append(f"invalid audit truncate {plugin} max event size {truncate.max_event_bytes}, must be a positive number")
        elif truncate.max_batch_bytes < truncate.max_event_bytes:
            sizes = f"max batch size {truncate.max_batch_bytes}, must be greater than max event size ({truncate.max_event_bytes})"
            problems.append(f"invalid audit truncate {plugin} {sizes}")
        if version != VERSION:
            problems.append('invalid group version, allowed versions are [{"audit.k8s.io" "v1"}]')
        return problems


def _batch_problem(plugin: str, batch: BatchConfig) -> str:
    checks: tuple[tuple[str, Any, bool], ...] = (
        ("buffer size", batch.buffer_size, True),
        ("max batch size", batch.max_size, True),
        ("throttle QPS", batch.qps, batch.throttles),
        ("throttle burst", batch.burst, batch.throttles),
    )
    wrong = next(((name, value) for name, value, counts in checks if counts and value <= 0), None)
    return f"invalid audit batch {plugin} {wrong[0]} {wrong[1]:g}, must be a positive number" if wrong else ""


def auditor_of(options: AuditOptions, clock: Clock, entropy: Entropy, metrics: AuditMetrics) -> Auditor | None:
    """The auditor that the flags ask for, None when they ask for none. BadConfiguration or OSError. Made in a running loop."""
    if problems := options.problems():
        raise BadConfiguration("; ".join(problems))
    file = options.text("audit-policy-file")
    if not file:
        return None
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        reason = f'failed to read file path "{file}": open {file}: {(error.strerror or "").lower()}'
        raise BadConfiguration(f"loading audit policy file: {reason}") from error
    parsed, warning = policy.parse(data, file)
    if warning:
        log.warning(warning)
    made: list[backends.Backend] = []
    if path := options.text("audit-log-path"):
        lines = logfile.LogFile(logfile.opened(path, options.rotation(), clock), options.text("audit-log-format"), metrics)
        made.append(_wrapped("log", lines, options, clock, metrics))
    if config := options.text("audit-webhook-config-file"):
        initial = options.seconds("audit-webhook-initial-backoff")
        made.append(
            _wrapped("webhook", webhook.Webhook(webhook.Target(Path(config)), clock, entropy, metrics, initial), options, clock, metrics)
        )
    return Auditor(policy.Verdicts(parsed), made, clock, entropy, metrics) if made else None


def _wrapped(plugin: str, delegate: backends.Delegate, options: AuditOptions, clock: Clock, metrics: AuditMetrics) -> backends.Backend:
    """A delegate in its mode, behind what cuts events."""
    truncate = options.truncate(plugin)
    if truncate.enabled:
        delegate = backends.Truncating(delegate, truncate, metrics)
    mode = options.text(f"audit-{plugin}-mode")
    if mode == BATCH:
        return backends.Buffered(delegate, options.batch(plugin), clock, metrics, at_once=plugin == "log")
    return backends.Direct(delegate, mode == BLOCKING_STRICT)
