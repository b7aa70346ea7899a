"""Distributed claims: a claim that stands in a token of another endpoint (OpenID Connect Core 1.0, 5.6.2). Groups only, as upstream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilothouse.apiserver.auth.credentials import Fetch, FetchFailed
from pilothouse.machinery.quoting import go_quoted

NAMES, SOURCES = "_claim_names", "_claim_sources"
MOST_ISSUERS = 16


@dataclass(frozen=True, slots=True)
class Source:
    """An endpoint that tells a claim, and the token that it wants to see."""

    url: str
    access_token: str


def check_sources(claims: dict[str, Any]) -> None:
    """Check that there is a source for each name. ValueError otherwise."""
    for source in (claims.get(NAMES) or {}).values():
        if not source:
            raise ValueError("oidc: failed to obtain source from claim name")
        if str(source) not in (claims.get(SOURCES) or {}):
            raise ValueError("oidc: source does not exist")


def source_of(claims: dict[str, Any], claim: str) -> Source | None:
    """The endpoint that tells `claim`; None where the token itself does, or nobody. ValueError for names without sources."""
    names = claims.get(NAMES)
    if claim in claims or NAMES not in claims:
        return None
    if not isinstance(names, dict):
        raise ValueError("oidc: error parsing distributed claim names: no JSON object")
    if SOURCES not in claims:
        raise ValueError("oidc: no claim sources")
    sources = claims[SOURCES]
    if not isinstance(sources, dict):
        raise ValueError("oidc: could not parse claim sources: no JSON object")
    if claim not in names:
        return None
    source = sources.get(str(names[claim]))
    if not isinstance(source, dict):
        raise ValueError(f"id token _claim_names contained a source {names[claim]} missing in _claims_sources")
    url = source.get("endpoint") or ""
    return Source(str(url), str(source.get("access_token") or "")) if url else None


async def token_of(source: Source, fetch: Fetch, authorities: str, claim: str) -> str:
    """The token that the endpoint answers with. ValueError for any other answer."""
    failed = f"while getting distributed claim {go_quoted(claim)}:"
    try:
        answer = await fetch(source.url, authorities, source.access_token)
    except FetchFailed as error:
        raise ValueError(f"{failed} {error}") from error
    if not answer.status.startswith("2"):
        raise ValueError(f"{failed} error while getting distributed claim JWT: {answer.status}")
    return answer.body.decode(errors="replace")
