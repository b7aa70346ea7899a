"""Hostname, /etc/hosts and resolv.conf of a Pod. Pure.

- ClusterFirst asks the cluster's DNS with its search domains; a host-network pod needs ClusterFirstWithHostNet for that.
- At most 3 servers, 32 search domains of 2048 characters together, as upstream; what exceeds is cut, with a warning.
"""

from __future__ import annotations

from collections.abc import Sequence

from pilothouse.api.types.core_v1 import Pod
from pilothouse.kubelet.runtime.sandboxes import DnsConfig

HOSTNAME_LIMIT = 63
FQDN_LIMIT = 64
SERVERS_LIMIT, SEARCHES_LIMIT, SEARCH_CHARACTERS_LIMIT = 3, 32, 2048
DEFAULT_OPTIONS = ("ndots:5",)
HOSTS_NOTE = "# Kubernetes-managed hosts file.\n"
HOST_NETWORK_NOTE = "# Kubernetes-managed hosts file (host network).\n"


def hostname(pod: Pod, node_hostname: str, cluster_domain: str) -> tuple[str, str]:
    """(hostname, domain) of a Pod; the domain is "" without a subdomain. A host-network Pod has the node's name."""
    name = pod.spec.hostname or pod.metadata.name[:HOSTNAME_LIMIT].rstrip("-.")
    domain = f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{cluster_domain}" if pod.spec.subdomain else ""
    if pod.spec.hostnameOverride:
        return pod.spec.hostnameOverride, ""
    if pod.spec.hostNetwork:
        return node_hostname, ""
    if domain and pod.spec.setHostnameAsFQDN:
        return f"{name}.{domain}", domain
    return name, domain


def fqdn_error(pod: Pod, name: str) -> str:
    """Why the name is too long for the kernel; "" when it is not."""
    if pod.spec.setHostnameAsFQDN and len(name) > FQDN_LIMIT:
        return (
            f"failed to construct FQDN from pod hostname and cluster domain, FQDN {name} is too long "
            f"({FQDN_LIMIT} characters is the max, {len(name)} characters requested)"
        )
    return ""


def hosts_file(pod: Pod, ips: Sequence[str], name: str, domain: str, node_hosts: str = "") -> bytes:
    """Content of the managed /etc/hosts; for a host-network Pod it begins with the node's file."""
    if pod.spec.hostNetwork:
        lines = [HOST_NETWORK_NOTE + node_hosts]
    else:
        lines = [HOSTS_NOTE, "127.0.0.1\tlocalhost\n", "::1\tlocalhost ip6-localhost ip6-loopback\n"]
        lines += ["fe00::0\tip6-localnet\n", "fe00::0\tip6-mcastprefix\n", "fe00::1\tip6-allnodes\n", "fe00::2\tip6-allrouters\n"]
        short = name.partition(".")[0] if domain else name
        lines += [f"{ip}\t{short}.{domain}\t{short}\n" if domain else f"{ip}\t{name}\n" for ip in ips]
    if pod.spec.hostAliases:
        lines.append("\n# Entries added by HostAliases.\n")
        lines += ["\t".join((alias.ip, *alias.hostnames)) + "\n" for alias in pod.spec.hostAliases]
    return "".join(lines).encode()


def parse_resolv_conf(text: str) -> DnsConfig:
    """Parse nameserver, search and options; the last `search` wins, options add up."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and len(words) > 1:
            servers.append(words[1])
        elif words[0] == "search":
            searches = [word if word == "." else word.rstrip(".") for word in words[1:]]
        elif words[0] == "options":
            options += words[1:]
    return DnsConfig(tuple(servers), tuple(searches), tuple(options))


def dns_config(pod: Pod, host: DnsConfig, cluster_dns: Sequence[str], cluster_domain: str) -> DnsConfig:
    """DNS configuration of the Pod by its dnsPolicy and dnsConfig."""
    return _limited(_wanted_dns(pod, host, cluster_dns, cluster_domain))


def dns_warnings(pod: Pod, host: DnsConfig, cluster_dns: Sequence[str], cluster_domain: str) -> list[str]:
    """Upstream's warnings about DNS settings that exceed the limits."""
    wanted = _wanted_dns(pod, host, cluster_dns, cluster_domain)
    given, warnings = _limited(wanted), []
    if given.searches != wanted.searches:
        text = "Search Line limits were exceeded, some search paths have been omitted, the applied search line is"
        warnings.append(f"{text}: {' '.join(given.searches)}")
    if given.servers != wanted.servers:
        text = "Nameserver limits were exceeded, some nameservers have been omitted, the applied nameserver line is"
        warnings.append(f"{text}: {' '.join(given.servers)}")
    return warnings


def _wanted_dns(pod: Pod, host: DnsConfig, cluster_dns: Sequence[str], cluster_domain: str) -> DnsConfig:
    policy = pod.spec.dnsPolicy or "ClusterFirst"
    cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.hostNetwork)
    if policy == "None":
        base = DnsConfig()
    elif cluster and cluster_dns:
        own = _cluster_searches(pod.metadata.namespace, cluster_domain)
        base = DnsConfig(tuple(cluster_dns), _unique([*own, *host.searches]), DEFAULT_OPTIONS)
    else:
        base = host
    return _with_own(pod, base)


def _cluster_searches(namespace: str, domain: str) -> list[str]:
    return [f"{namespace}.svc.{domain}", f"svc.{domain}", domain] if domain else []


def _with_own(pod: Pod, base: DnsConfig) -> DnsConfig:
    own = pod.spec.dnsConfig
    if own is None:
        return base
    options = dict(_option(option) for option in base.options)
    options.update({option.name: option.value or "" for option in own.options})
    written = tuple(f"{name}:{value}" if value else name for name, value in options.items())
    return DnsConfig(_unique([*base.servers, *own.nameservers]), _unique([*base.searches, *own.searches]), written)


def _option(text: str) -> tuple[str, str]:
    name, _, value = text.partition(":")
    return name, value


def _limited(config: DnsConfig) -> DnsConfig:
    searches: list[str] = []
    for search in config.searches[:SEARCHES_LIMIT]:
        if len(" ".join([*searches, search])) > SEARCH_CHARACTERS_LIMIT:
            break
        searches.append(search)
    return DnsConfig(config.servers[:SERVERS_LIMIT], tuple(searches), config.options)


def _unique(values: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
