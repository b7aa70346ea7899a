"""CronJob: Jobs on a schedule."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pilothouse.api.batch.jobspec import of_job_spec, validate_job_spec
from pilothouse.api.core.columns import NONE, bool_text, selector_column, template_columns
from pilothouse.api.core.defaults.podspec import default_pod_spec
from pilothouse.api.core.validation.fields import nonnegative, one_of
from pilothouse.api.core.warnings.names import of_name
from pilothouse.api.types.batch_v1 import CronJob
from pilothouse.machinery import cron
from pilothouse.machinery.problems import Problems
from pilothouse.machinery.resource import AGE, STATUS, Column, Resource, Since

SUCCESSFUL, FAILED = 3, 1
NAME_LIMIT = 52
ZONE_PART = re.compile(r"[A-Za-z._0-9+-]{1,14}")

CRONJOB = Resource(
    CronJob,
    plural="cronjobs",
    short_names=("cj",),
    categories=("all",),
    subresources=(STATUS,),
    columns=(
        Column("Schedule", lambda cron_job: cron_job.spec.schedule),
        Column("Timezone", lambda cron_job: cron_job.spec.timeZone or NONE),
        Column("Suspend", lambda cron_job: bool_text(cron_job.spec.suspend), type="boolean"),
        Column("Active", lambda cron_job: len(cron_job.status.active), type="integer"),
        Column("Last Schedule", lambda cron_job: Since(cron_job.status.lastScheduleTime) if cron_job.status.lastScheduleTime else NONE),
        AGE,
        *template_columns(lambda cron_job: cron_job.spec.jobTemplate.spec.template),
        selector_column(lambda cron_job: cron_job.spec.jobTemplate.spec.selector),
    ),
)


@CRONJOB.default
def default(cron_job: CronJob) -> None:
    """Concurrency Allow, not suspended, three successful Jobs and one failed one kept. Upstream: SetDefaults_CronJob."""
    spec = cron_job.spec
    spec.concurrencyPolicy = spec.concurrencyPolicy or "Allow"
    spec.suspend = bool(spec.suspend)
    if spec.successfulJobsHistoryLimit is None:
        spec.successfulJobsHistoryLimit = SUCCESSFUL
    if spec.failedJobsHistoryLimit is None:
        spec.failedJobsHistoryLimit = FAILED
    default_pod_spec(spec.jobTemplate.spec.template.spec)


@CRONJOB.validate
def validate(cron_job: CronJob, problems: Problems) -> None:
    """Schedule, time zone, concurrency, history limits and the Job template. Upstream: ValidateCronJobCreate, ValidateCronJobUpdate."""
    spec, here = cron_job.spec, problems.at("spec")
    if not cron_job.metadata.resourceVersion and len(cron_job.metadata.name) > NAME_LIMIT:
        # The controller adds eleven characters to name a Job. Upstream asks only when it is new.
        problems.at("metadata", "name").invalid(cron_job.metadata.name, f"must be no more than {NAME_LIMIT} characters")
    wrong = schedule_error(spec.schedule) if spec.schedule else ""
    if wrong:
        here.at("schedule").invalid(spec.schedule, wrong)
    if spec.timeZone is not None:
        _validate_zone(spec.timeZone, here.at("timeZone"))
    nonnegative(spec.startingDeadlineSeconds, here, "startingDeadlineSeconds")
    one_of(spec.concurrencyPolicy, ("Allow", "Forbid", "Replace"), here, "concurrencyPolicy")
    template = here.at("jobTemplate", "spec")
    validate_job_spec(spec.jobTemplate.spec, template)
    if spec.jobTemplate.spec.selector is not None:
        template.at("selector").invalid(spec.jobTemplate.spec.selector, "`selector` will be auto-generated")
    if spec.jobTemplate.spec.manualSelector:
        template.at("manualSelector").not_supported(True, ("nil", "false"))
    nonnegative(spec.successfulJobsHistoryLimit, here, "successfulJobsHistoryLimit")
    nonnegative(spec.failedJobsHistoryLimit, here, "failedJobsHistoryLimit")
    if not spec.schedule:  # declared, and so after the rest
        here.at("schedule").required()


@CRONJOB.warn
def warn(new: CronJob, old: CronJob | None) -> Iterator[str]:
    """Warnings for the name on creation, the Job template, and a time zone inside the schedule."""
    if old is None:
        yield from of_name(new.metadata.name)
    if old is None or new.metadata.generation != old.metadata.generation:
        yield from of_job_spec(new.spec.jobTemplate.spec, "spec", "jobTemplate", "spec")
    if old is not None and "TZ" in new.spec.schedule:
        # The path is upstream's own.
        yield (
            "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see "
            "https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
        )


def schedule_error(schedule: str) -> str:
    """Error of a cron schedule; "" when it is valid."""
    if "TZ" in schedule:
        return "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
    try:
        cron.parse(schedule)
    except ValueError as error:
        return str(error)
    return ""


def _is_zone(name: str) -> bool:
    from zoneinfo import ZoneInfo  # only here, not at every start

    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return False
    return True


def _validate_zone(zone: str, problems: Problems) -> None:
    unknown = f"unknown time zone {zone}"
    if not zone:
        problems.invalid(zone, "timeZone must be nil or non-empty string")
    elif any(part in (".", "..") or part.startswith("-") or not ZONE_PART.fullmatch(part) for part in zone.split("/")):
        problems.invalid(zone, unknown)
    else:
        if zone.lower() == "local":
            problems.invalid(zone, "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones")
        if zone != "Local" and not _is_zone(zone):
            problems.invalid(zone, unknown)
