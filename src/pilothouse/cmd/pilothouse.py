"""The command `pilothouse`: parses, calls cluster/, prints. Every command imports only what it needs."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pilothouse import API_LEVEL, API_LEVELS
from pilothouse.cluster.failure import ClusterFailure
from pilothouse.cmd.refusals import REMEDIES, text_of
from pilothouse.machinery import strconv

if TYPE_CHECKING:
    from pilothouse.cluster.state import ClusterState, Places

DEFAULT_NAME = "pilothouse"


def main(arguments: Sequence[str] | None = None) -> None:
    """Exit status 0: done; 1: a failure that was explained; 2: bad usage; 130: interrupted."""
    parsed = parser().parse_args(arguments)
    for number in (signal.SIGTERM, signal.SIGHUP):  # whoever ends us, nothing half stays behind
        signal.signal(number, signal.default_int_handler)
    try:
        sys.exit(COMMANDS[parsed.command](parsed))
    except ClusterFailure as failure:
        print_problem(failure.problem, failure.remedy)
        sys.exit(1)
    except BrokenPipeError:  # whoever read the output has seen enough
        discard_output()
        sys.exit(1)
    except PermissionError as failure:
        remedy = "run it again with sudo" if os.geteuid() else LACKING_CAPABILITY
        print_problem(f"{failure.filename}: permission denied" if failure.filename else str(failure), remedy)
        sys.exit(1)
    except OSError as failure:
        print_problem(text_of(failure), REMEDIES.get(failure.errno or 0, ""))
        sys.exit(1)
    except KeyboardInterrupt:
        print_problem(*interrupted(parsed))
        sys.exit(130)


LACKING_CAPABILITY = (
    "root lacks a right here, as in many containers: give it CAP_SYS_ADMIN and CAP_NET_ADMIN, or run it on the machine itself"
)


def interrupted(parsed: argparse.Namespace) -> tuple[str, str]:
    """Message after Ctrl-C: `up` has undone what it began, `down` continues where it was."""
    command = f"pilothouse {parsed.command}{_named(parsed)}"
    if parsed.command == "up":
        return "interrupted; what was begun is put away", f"start it again: {command}"
    if parsed.command == "down":
        purge = " --purge" if parsed.purge else ""
        return "interrupted; some of it may still be there", f"end it again: {command}{purge}"
    return "interrupted", ""


def _named(parsed: argparse.Namespace) -> str:
    """The option that names another cluster than the default one."""
    return "" if getattr(parsed, "name", DEFAULT_NAME) == DEFAULT_NAME else f" --name {parsed.name}"


def print_problem(problem: str, remedy: str) -> None:
    """Print a problem and what to do about it to standard error."""
    print(f"pilothouse: {problem}", file=sys.stderr)
    if remedy:
        print(f"  what to do: {remedy}", file=sys.stderr)


def parser() -> argparse.ArgumentParser:
    """The command line's parser."""
    top = argparse.ArgumentParser(
        prog="pilothouse",
        description="Kubernetes in Python: a cluster on this machine.",
        epilog="`pilothouse COMMAND --help` says more. Then, with any kubectl: kubectl --context pilothouse get pods",
    )
    top.add_argument("--version", action=_Versions, nargs=0, help="print the versions")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    up = _command(commands, "up", "start a cluster, or what is missing of one")
    up.add_argument("--network", choices=("node", "host"), help="a network namespace of its own (the default), or the machine's network")
    up.add_argument("--no-egress", dest="egress", action="store_false", default=None, help="pods have no way out of the machine")
    up.add_argument("--port", type=_port, help="where the API listens on 127.0.0.1 (default: 6443, or the next free port)")
    up.add_argument(
        "--runtime",
        choices=("containers", "simulated", "auto"),
        help="real containers (the default), simulated ones, which need no root, or containers where this machine can run them",
    )
    up.add_argument("--kubernetes-version", choices=API_LEVELS, help=f"the level of the API that is served (default: {API_LEVEL})")
    up.add_argument(
        "--audit-policy-file", metavar="FILE", help="audit by this policy from the next start on; `default`, or `none` (the default)"
    )
    up.add_argument("--wait", action=argparse.BooleanOptionalAction, default=True, help="return when the node is Ready")
    up.add_argument("--use-context", action="store_true", help="make its context the current one (else only where there is none)")
    up.add_argument("--example", action="store_true", help="run the example and show that it is served")

    down = _command(commands, "down", "stop a cluster; its state is kept")
    down.add_argument("--purge", action="store_true", help="remove its state too: nothing of it stays behind")

    status = _command(commands, "status", "say what a cluster is doing")
    status.add_argument("--output", "-o", choices=("text", "json"), default="text", help="for people, or for scripts")

    image = commands.add_parser("image", help="bring images into a cluster, or list its images", description="Images of a cluster.")
    of_image = image.add_subparsers(dest="image_command", required=True, metavar="COMMAND")
    load = _command(of_image, "load", "bring images of this machine into a cluster")
    load.add_argument("source", nargs="+", help="a tar of images, - for one on standard input, or a name in docker or podman")
    _command(of_image, "list", "list the images that a cluster has")

    doctor = commands.add_parser(
        "doctor", help="say what this machine lacks, and how to mend it", description="Say what this machine lacks, and how to mend it."
    )
    doctor.add_argument("--quiet", "-q", action="store_true", help="print nothing: the exit status says whether it can run containers")

    envtest = commands.add_parser(
        "envtest",
        help="make kube-apiserver, etcd and kubectl for test frameworks that start them",
        description="Make a folder with kube-apiserver, etcd and kubectl for envtest, and print KUBEBUILDER_ASSETS.",
    )
    envtest.add_argument("--bin-dir", type=Path, help="the folder (default: below the user's data)")
    envtest.add_argument("--print", "-p", dest="form", choices=("env", "path"), default="env", help="a line for a shell, or the path alone")

    _parts(commands)
    _command(commands, "kubeconfig", "print a kubeconfig of this cluster alone")
    version = commands.add_parser("version", help="print the versions of Pilothouse and of the API that it serves")
    version.set_defaults(root=Path("/"))
    return top


def _parts(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Commands about the API server and its store by themselves."""
    store = commands.add_parser(
        "store", help="copy a cluster's objects to etcd, or from it", description="Copy objects to etcd, or from it."
    )
    of_store = store.add_subparsers(dest="store_command", required=True, metavar="COMMAND")
    _etcd(_command(of_store, "export", "write the objects of a stopped cluster to an empty etcd"))
    _etcd(_command(of_store, "import", "write the objects in etcd to the store of a cluster that has none"))

    secrets = commands.add_parser(
        "secrets", help="encrypt a cluster's Secrets anew", description="Look after the encryption of a cluster's Secrets at rest."
    )
    of_secrets = secrets.add_subparsers(dest="secrets_command", required=True, metavar="COMMAND")
    rewrite = _command(of_secrets, "rewrite", "have every Secret encrypted by the key that writes now")
    rewrite.add_argument("--new-key", action="store_true", help="make another key first; those before still read")

    apiserver = commands.add_parser(
        "apiserver",
        help="run an API server alone, by kube-apiserver's flags",
        description="Run an API server alone, over etcd (--etcd-servers) or memory, by kube-apiserver's flags: --help names them.",
        prefix_chars="\0",  # all that follows is its own
        add_help=False,
    )
    apiserver.add_argument("flags", nargs=argparse.REMAINDER, help="kube-apiserver's flags")


class _Versions(argparse.Action):
    """`--version` ends the parsing: no command has to follow."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: object, option: str | None = None) -> None:
        parser.exit(version(namespace))


def _command(commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, summary: str) -> argparse.ArgumentParser:
    made = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    made.add_argument("--name", default=DEFAULT_NAME, metavar="CLUSTER", help="of the cluster (default: %(default)s)")
    made.add_argument("--root", type=Path, help=argparse.SUPPRESS)
    return made


def _etcd(command: argparse.ArgumentParser) -> None:
    command.add_argument("--file", type=Path, help="the SQLite file, instead of that of a cluster")
    command.add_argument("--etcd-servers", required=True, help="where etcd is: scheme://address:port, with commas between")
    command.add_argument("--etcd-cafile", default="", help="the authority of etcd's certificate")
    command.add_argument("--etcd-certfile", default="", help="the certificate that is shown to etcd")
    command.add_argument("--etcd-keyfile", default="", help="its key")
    command.add_argument("--etcd-prefix", default="/registry", help="stands before all keys (default: %(default)s)")


def _port(text: str) -> int:
    number = strconv.unsigned(text, range(1, 65536))
    if number is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: a number from 1 to 65535 is")
    return number


def say(text: str) -> None:
    """Print a line of progress."""
    show(f"  {text}")


def show(text: str) -> None:
    """Print progress. Failing to write (closed pipe, full disk) does not stop the command."""
    try:
        print(text, flush=True)
    except OSError:
        discard_output()


def discard_output() -> None:
    """Send standard output nowhere: its reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def up(parsed: argparse.Namespace) -> int:
    """`pilothouse up`: start the cluster. Returns the exit code."""
    from pilothouse.cluster.up import UpOptions
    from pilothouse.cluster.up import up as bring_up
    from pilothouse.kit.clock import SystemClock
    from pilothouse.kit.entropy import Entropy

    show(f"pilothouse: starting the cluster {parsed.name}")
    places = _places(parsed)
    options = UpOptions(
        parsed.name,
        parsed.network,
        parsed.egress,
        parsed.port,
        places.root,
        wait=parsed.wait,
        use_context=parsed.use_context,
        runtime=parsed.runtime,
        kubernetes_version=parsed.kubernetes_version,
        audit_policy_file=parsed.audit_policy_file,
    )
    state = bring_up(options, say, SystemClock(), Entropy())
    show(f"pilothouse: {parsed.name} is up; its context is {state.context}: kubectl --context {state.context} get pods")
    if parsed.example:
        from pilothouse.cluster import example

        try:
            example.run(state, places, say)
        except KeyboardInterrupt as interrupt:
            raise ClusterFailure(
                "the example was interrupted; the cluster is up", f"end it: pilothouse down{_named(parsed)}"
            ) from interrupt
    return 0


def down(parsed: argparse.Namespace) -> int:
    """`pilothouse down`: stop the cluster, with --purge also delete it. Returns the exit code."""
    from pilothouse.cluster.choice import check_name
    from pilothouse.cluster.down import down as take_down
    from pilothouse.cluster.preflight import check_proc, check_root

    check_name(parsed.name)
    places = _places(parsed)
    if places.root == Path("/"):
        check_root()
    check_proc()
    existed = take_down(places, say, purge=parsed.purge)
    ended = "removed" if parsed.purge else f"stopped; `pilothouse up{_named(parsed)}` starts it again as it was"
    show(f"pilothouse: {parsed.name} is {ended}" if existed else f"pilothouse: there is no cluster named {parsed.name}")
    return 0


def status(parsed: argparse.Namespace) -> int:
    """0 when it runs, 3 when it does not (as service managers have it)."""
    import json

    from pilothouse.cluster.status import status as look
    from pilothouse.cluster.status import text

    shown = look(_known(parsed), _places(parsed))
    print(json.dumps(shown, indent=2) if parsed.output == "json" else text(shown))
    return 0 if shown["state"] == "Running" else 3


def kubeconfig(parsed: argparse.Namespace) -> int:
    """`pilothouse kubeconfig`: print the cluster's kubeconfig. Returns the exit code."""
    import json

    from pilothouse.cluster import access

    print(json.dumps(access.access(_known(parsed), _places(parsed)).config(), indent=2))
    return 0


def image(parsed: argparse.Namespace) -> int:
    """`pilothouse image load` and `image list`. Returns the exit code."""
    from pilothouse.cluster import images
    from pilothouse.cluster.preflight import check_root

    state, places = _known(parsed), _places(parsed)
    if not state.simulated:
        check_root()
    if parsed.image_command == "list":
        print(images.text(images.list_images(state, places)))
        return 0
    for source in parsed.source:
        for name in images.load(state, places, source):
            show(f"pilothouse: {name} is in {state.name}")
    return 0


def envtest(parsed: argparse.Namespace) -> int:
    """`pilothouse envtest`: make the executables and print where they are. Returns the exit code."""
    import shlex

    from pilothouse.cmd.envtest import assets

    folder = assets.make(parsed.bin_dir or assets.default_folder(os.environ))
    print(folder if parsed.form == "path" else f"export KUBEBUILDER_ASSETS={shlex.quote(str(folder))}")
    return 0


def store(parsed: argparse.Namespace) -> int:
    """`pilothouse store export` and `import`. Returns the exit code."""
    from pilothouse.apiserver.storage.etcd_client import EtcdServers
    from pilothouse.cluster import transfer

    urls = [url for url in parsed.etcd_servers.split(",") if url]
    servers = EtcdServers(urls, parsed.etcd_cafile, parsed.etcd_certfile, parsed.etcd_keyfile, parsed.etcd_prefix)
    file: Path = parsed.file or _places(parsed).store
    if parsed.store_command == "export":
        done, source, target = transfer.export_store(file, servers), str(file), parsed.etcd_servers
    else:
        done, source, target = transfer.import_store(file, servers), parsed.etcd_servers, str(file)
    print(f"pilothouse: {done.count} objects of {source} at revision {done.revision} are in {target}")
    if done.encrypted:
        keys = _places(parsed).encryption
        print(f"pilothouse: {done.encrypted} of them are encrypted, and stay so: whoever reads them needs the keys in {keys}")
        print(f"pilothouse: kube-apiserver, and pilothouse apiserver, take them by --encryption-provider-config={keys}")
    return 0


def secrets(parsed: argparse.Namespace) -> int:
    """`pilothouse secrets rewrite`. Returns the exit code."""
    from pilothouse.cluster import secrets as at_rest
    from pilothouse.kit.clock import SystemClock

    done = at_rest.rewrite(_known(parsed), _places(parsed), SystemClock(), new_key=parsed.new_key)
    show(f"pilothouse: {done.count} Secrets are encrypted by the key that writes now; {done.changed} of them were written anew")
    return 0


def apiserver(parsed: argparse.Namespace) -> int:
    """`pilothouse apiserver`: serve until a signal asks to end. Returns the exit code."""
    from pilothouse.cmd.envtest.apiserver import main as serve

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    serve(parsed.flags)
    return 0


def version(parsed: argparse.Namespace) -> int:
    """`pilothouse version`: print the versions. Returns the exit code."""
    from importlib.metadata import version as version_of

    from pilothouse import KUBERNETES_VERSION

    del parsed
    print(f"pilothouse {version_of('pilothouse')}\nKubernetes API {KUBERNETES_VERSION}")
    return 0


def doctor(parsed: argparse.Namespace) -> int:
    """0 when this machine can run containers, else 1."""
    from pilothouse.cluster import doctor as look

    findings = look.examine()
    for line in () if parsed.quiet else look.lines(findings):
        print(line)
    return 0 if look.runs_containers(findings) else 1


def _places(parsed: argparse.Namespace) -> Places:
    """Below `/`; an ordinary user's own clusters, which are simulated, below his home."""
    from pilothouse.cluster.state import Places, own_root

    if parsed.root is not None or os.geteuid() == 0:
        return Places(parsed.name, parsed.root or Path("/"))
    own = Places(parsed.name, own_root(os.environ))
    return own if parsed.command == "up" or own.record.exists() else Places(parsed.name)


def _known(parsed: argparse.Namespace) -> ClusterState:
    from pilothouse.cluster.choice import check_name
    from pilothouse.cluster.state import load

    check_name(parsed.name)
    state = load(_places(parsed))
    if state is None:
        raise ClusterFailure(f"there is no cluster named {parsed.name}", f"start it: pilothouse up{_named(parsed)}")
    return state


COMMANDS = {
    "up": up,
    "down": down,
    "status": status,
    "doctor": doctor,
    "image": image,
    "envtest": envtest,
    "apiserver": apiserver,
    "store": store,
    "secrets": secrets,
    "kubeconfig": kubeconfig,
    "version": version,
}
