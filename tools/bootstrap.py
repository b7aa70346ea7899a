"""Bring a fresh Debian 12, Debian 13 or Ubuntu 24.04 to where `make` can work; run by the system's python3, standard library only.

    python3 tools/bootstrap.py                 make .venv and install the project into it
    python3 tools/bootstrap.py --system        install the system packages that a cluster needs
    ... --development                          make .venv with what the tests need too
    ... --system --tests                       install the system packages that the tests need too
    ... --link                                 let the shell find `pilothouse`: a link in /usr/local/bin to that of .venv
    ... --optional                             say what cannot be installed without root, and go on: there are simulated nodes
    python3 tools/bootstrap.py --sudo          print the words that give a command root's rights here; nothing where none do

What is there is left alone; package lists are fetched only when something is missing. Without root it asks sudo.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
VENV = REPOSITORY / ".venv"
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OLDEST_PYTHON = (3, 11)
COMMAND = VENV / "bin" / "pilothouse"
LINK = Path("/usr/local/bin/pilothouse")

PROGRAMS = {
    "containerd": "containerd",
    "crun": "crun",
    "ip": "iproute2",
    "nft": "nftables",
    "iptables": "iptables",
    "nsenter": "util-linux",
    "kubectl": "kubernetes-client",
}
"""Programs that must be found, and Debian's package of each. Any kubectl will do: Debian's is taken only where there is none."""

TEST_PROGRAMS = {"etcd": "etcd-server"}
"""The same of the tests alone."""

FILES = {
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "/etc/ssl/certs/ca-certificates.crt": "ca-certificates",
}
"""Files that must be there."""

STATIC_FILES = {"/bin/busybox": "busybox-static"}
"""Programs that must be there and need no library: they go into images. Debian's dynamic busybox lies in the same place."""

KEPT_BY_SUDO = ("DEBIAN_FRONTEND", *(f"{kind}_proxy" for kind in ("http", "https", "no")), "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
"""Variables that apt heeds."""

COMMAND_VARIABLES = ("KUBECONFIG", "CI", *KEPT_BY_SUDO[1:])
"""Variables that `pilothouse` and the tests heed."""

SYSTEM_PYTHON = "/usr/bin/python3"

OPTIONAL_PACKAGES = ("kubernetes-client",)
"""Not in every distribution (Ubuntu has none): without it the example is run by the API itself."""

LIBRARIES = {"libnftables.so.1": "libnftables1"}
LIBRARY_FOLDERS = ("/usr/lib", "/lib")


def main() -> int:
    parser = argparse.ArgumentParser(description="Install what is missing.")
    parser.add_argument("--system", action="store_true", help="the system packages that a cluster needs")
    parser.add_argument("--development", action="store_true", help="make .venv with what the tests need too")
    parser.add_argument("--tests", action="store_true", help="with --system: those that the tests need too")
    parser.add_argument("--link", action="store_true", help="let the shell find `pilothouse`")
    parser.add_argument("--optional", action="store_true", help="go on without what cannot be installed for lack of root")
    parser.add_argument("--sudo", action="store_true", help="print the words that give a command root's rights")
    chosen = parser.parse_args()
    if chosen.sudo:
        print(" ".join(as_root(COMMAND_VARIABLES) or []))
        return 0
    try:
        if chosen.system:
            install_system_packages(optional=chosen.optional, tests=chosen.tests)
        if not chosen.system or chosen.development:
            make_environment(development=chosen.development)
        root = as_root()
        if chosen.link and root is not None and not os.path.exists(LINK):  # a link whose clone is gone counts as nothing
            subprocess.run([*root, "ln", "-sfn", COMMAND, LINK], check=True)
    except subprocess.CalledProcessError as failure:
        print(f"bootstrap: `{' '.join(map(str, failure.cmd))}` failed (status {failure.returncode})", file=sys.stderr)
        return 1
    return 0


def install_system_packages(*, optional: bool, tests: bool) -> None:
    missing = missing_packages({**PROGRAMS, **(TEST_PROGRAMS if tests else {})})
    if missing and as_root() is None and optional:
        print(f"bootstrap: not installed: {', '.join(missing)}; root is needed for that, and there is none here", flush=True)
        return
    wanted = [package for package in missing if package not in OPTIONAL_PACKAGES]
    install_packages(wanted)
    if "etcd-server" in wanted and shutil.which("systemctl"):  # tests start their own: the package's service would run for nothing
        subprocess.run([*(as_root() or []), "systemctl", "disable", "--now", "etcd"], check=False, capture_output=True)
    for package in missing:
        if package in OPTIONAL_PACKAGES:
            try:
                install_packages([package])
            except subprocess.CalledProcessError:
                print(f"bootstrap: this distribution has no {package}: take upstream's kubectl, or do without", flush=True)


def missing_packages(programs: dict[str, str]) -> list[str]:
    path = f"{SYSTEM_PATH}:{os.environ.get('PATH', '')}"
    missing = {package for program, package in programs.items() if not shutil.which(program, path=path)}
    missing |= {package for file, package in FILES.items() if not Path(file).exists()}
    missing |= {package for file, package in STATIC_FILES.items() if not is_static(Path(file))}
    missing |= {package for library, package in LIBRARIES.items() if not has_library(library)}
    return sorted(missing)


def is_static(program: Path) -> bool:
    """Whether its ELF headers name no loader."""
    try:
        with program.open("rb") as file:
            head = file.read(4096)
    except OSError:
        return False
    return head.startswith(b"\x7fELF") and b"/ld-linux" not in head and b"/ld-musl" not in head


def has_library(name: str) -> bool:
    return any(True for folder in LIBRARY_FOLDERS for pattern in (name, f"*/{name}") for _ in Path(folder).glob(pattern))


def install_packages(packages: list[str]) -> None:
    """With apt; the lists are fetched first where they are empty, and again where a package is not found in them."""
    if not packages:
        return
    if not shutil.which("apt-get"):
        sys.exit(f"bootstrap: not installed: {', '.join(packages)}; this is no Debian, so install them by its own means")
    print(f"bootstrap: installing {', '.join(packages)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    root = as_root()
    if root is None:
        sys.exit(f"bootstrap: root is needed to install {', '.join(packages)}: run it as root, or install sudo")
    command = [*root, "apt-get", "install", "-y", "-q", "--no-install-recommends", *packages]
    if not lists_are_there() or subprocess.run(command, env=environment, check=False).returncode:
        subprocess.run([*root, "apt-get", "update", "-q"], env=environment, check=True)
        subprocess.run(command, env=environment, check=True)


def lists_are_there() -> bool:
    folder = Path("/var/lib/apt/lists")
    return folder.is_dir() and any(one.name.endswith(("_Packages", "_Packages.lz4")) for one in folder.iterdir())


def as_root(kept: tuple[str, ...] = KEPT_BY_SUDO) -> list[str] | None:
    """The words before a command that give it root's rights; None where nothing does: no sudo, or none for this user."""
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    allowed = subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0
    if not allowed and sys.stdin.isatty():  # it asks for the password, once
        allowed = subprocess.run(["sudo", "-v"], check=False).returncode == 0
    return ["sudo", f"--preserve-env={','.join(kept)}"] if allowed else None


def make_environment(*, development: bool) -> None:
    """`.venv` with the project in it, editable; made anew where its interpreter is gone."""
    if not (VENV / "bin" / "python").exists() or not (VENV / "bin" / "pip").exists():
        python = interpreter()
        install_packages([] if has_venv(python) else ["python3-venv"])
        print(f"bootstrap: making .venv with {python}", flush=True)
        subprocess.run([python, "-m", "venv", "--clear", VENV], check=True)
    print("bootstrap: installing the project into .venv", flush=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--editable", str(REPOSITORY), *(development_requirements() if development else [])], check=True)
    compile_all = [str(VENV / "bin" / "python"), "-m", "compileall", "-q", "-j", "0", str(REPOSITORY / "src")]
    subprocess.run(compile_all, check=False)  # so that the first start is as quick as the next


def interpreter() -> str:
    """The system's Python where it will do, whatever comes first in PATH: distributions build theirs by profiles of what it
    runs, version managers seldom do, and a create then needs a tenth more instructions. Else the one that runs this."""
    if has_venv(SYSTEM_PYTHON):
        return SYSTEM_PYTHON
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"bootstrap: Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed, this is {sys.version.split()[0]}")
    return sys.executable


def has_venv(python: str) -> bool:
    """Whether it is new enough and makes environments: Debian's has the module `venv`, but not what it needs without python3-venv."""
    asked = f"import ensurepip, sys, venv; sys.exit(sys.version_info < {OLDEST_PYTHON})"
    return Path(python).exists() and subprocess.run([python, "-c", asked], capture_output=True, check=False).returncode == 0


def development_requirements() -> list[str]:
    """The dependency group `dev` of pyproject.toml: Debian's pip knows no groups."""
    import tomllib

    table = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    return [one for one in table["dependency-groups"]["dev"] if isinstance(one, str)]


if __name__ == "__main__":
    sys.exit(main())
