"""Status of a cluster as data: state file, processes, nodes and Pods."""

from __future__ import annotations

from typing import Any

from pilothouse.cluster import launch, store
from pilothouse.cluster.readiness import Api, is_ready_node
from pilothouse.cluster.state import SIMULATED, ClusterState, Places
from pilothouse.node.processes import Process, is_stopped


def status(state: ClusterState, places: Places) -> dict[str, Any]:
    """`state` is Running (API answers, its store takes writes, a node is Ready), Degraded (something of it runs) or Stopped."""
    by_name = {name: launch.running(places, name) for name in (*launch.PROCESSES, launch.CONTAINERD, launch.SUPERVISOR)}
    processes = {name: described(process) for name, process in by_name.items()}
    api = Api(state, places) if by_name[launch.CONTROL_PLANE] else None
    ready = api is not None and api.ready()
    nodes, pods = _nodes_and_pods(api) if api is not None and ready else ([], {})
    problem = store.problem_of(places) if any(by_name.values()) else ""
    running = ready and not problem and any(node["ready"] for node in nodes)
    by_name.pop(launch.SUPERVISOR)  # alone it is nothing that runs
    return {
        "name": state.name,
        "runtimeKind": state.runtime,
        "state": "Running" if running else "Degraded" if any(by_name.values()) else "Stopped",
        "context": state.context,
        "server": f"https://127.0.0.1:{state.port}",
        "apiReady": ready,
        "storeProblem": problem,
        "processes": {name: processes[name] for name in launch.processes_of(state)},
        "runtime": processes[launch.CONTAINERD],
        "supervisor": processes[launch.SUPERVISOR],
        "network": {
            "mode": state.network,
            "namespace": state.namespace,
            "egress": state.egress,
            "node": state.node_address,
            "pods": state.pod_range,
            "services": state.service_range,
        },
        "nodes": nodes,
        "pods": pods,
    }


def described(process: Process | None) -> dict[str, Any]:
    """`stopped`: a signal (SIGSTOP) holds it."""
    if process is None:
        return {"running": False, "stopped": False, "pid": None}
    return {"running": True, "stopped": is_stopped(process), "pid": process.id}


def _nodes_and_pods(api: Api) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Names and readiness of nodes; how many pods are in which phase."""
    try:
        nodes = api.get("/api/v1/nodes")["items"]
        pods = api.get("/api/v1/pods")["items"]
    except (OSError, ValueError):
        return [], {}
    phases: dict[str, int] = {}
    for pod in pods:
        phase = pod.get("status", {}).get("phase", "Unknown")
        phases[phase] = phases.get(phase, 0) + 1
    return [{"name": node["metadata"]["name"], "ready": is_ready_node(node)} for node in nodes], phases


def text(shown: dict[str, Any]) -> str:
    """The status as text."""
    lines = [
        f"{shown['name']}: {shown['state']}",
        f"  API            {shown['server']} {'answers' if shown['apiReady'] else 'does not answer'} (context {shown['context']})",
    ]
    if shown["storeProblem"]:
        lines.append(f"  store          {shown['storeProblem']}")
    simulated = shown["runtimeKind"] == SIMULATED
    runtime = {} if simulated else {"containerd": shown["runtime"]}
    for name, process in {**shown["processes"], **runtime, "supervisor": shown["supervisor"]}.items():
        held = " is stopped by a signal: `kill -CONT` lets it go on" if process["stopped"] else ""
        lines.append(f"  {name:<14} {'process ' + str(process['pid']) + held if process['running'] else 'not running'}")
    net = shown["network"]
    way_out = "" if net["egress"] else ", no way out"
    if simulated:
        lines.append("  runtime        simulated: nodes and containers live in the control plane's process, and have no network")
    else:
        lines.append(f"  network        node {net['node']}, pods {net['pods']}, services {net['services']}{way_out}")
    lines += [f"  node           {node['name']} is {'Ready' if node['ready'] else 'not Ready'}" for node in shown["nodes"]]
    if shown["pods"]:
        lines.append("  pods           " + ", ".join(f"{count} {phase}" for phase, count in sorted(shown["pods"].items())))
    return "\n".join(lines)
