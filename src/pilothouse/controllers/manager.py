"""Runs every controller of `builtin/` over one set of informers.

- A new file there is a new controller: nothing is registered here.
- `only` names the controllers to run, for tests and for studying one alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace

import pilothouse.controllers.builtin
from pilothouse.client.client import Client
from pilothouse.client.informers import Informers
from pilothouse.controllers.framework.controller import Controller, Rule
from pilothouse.controllers.framework.runner import Context
from pilothouse.controllers.framework.settings import Settings
from pilothouse.kit import plugins
from pilothouse.kit.clock import Clock
from pilothouse.kit.entropy import Entropy


def controllers() -> list[Controller]:
    """One instance of each controller, sorted by name."""
    classes = plugins.classes(pilothouse.controllers.builtin, Controller)
    return sorted((controller_class() for controller_class in classes), key=lambda controller: controller.name)


def rules() -> dict[str, tuple[Rule, ...]]:
    """RBAC rules of each controller, by its name."""
    return {controller.name: controller.rules for controller in controllers()}


class ControllerManager:
    """Controller manager: one runner for each controller, one set of informers for all."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        entropy: Entropy,
        settings: Settings | None = None,
        *,
        informers: Informers | None = None,
        only: Collection[str] | None = None,
        clients: Callable[[str], Client] | None = None,
    ) -> None:
        """`client` is the manager's own, which its informers use; `clients` gives that of a ServiceAccount of kube-system (None: all
        controllers act as the manager does)."""
        self._informers = informers or Informers(client, clock, entropy)
        self._runs_informers = informers is None
        context = Context(client, self._informers, clock, entropy, settings or Settings())
        chosen = [controller for controller in controllers() if only is None or controller.name in only]
        self.components = {controller.name: controller.component(_as(controller.account, context, clients)) for controller in chosen}

    async def run(self) -> None:
        """Run every controller until cancelled, and the informers unless they are shared."""
        async with asyncio.TaskGroup() as group:
            for name, component in self.components.items():
                group.create_task(component.run(), name=name)
            if self._runs_informers:
                group.create_task(self._informers.run(), name="informers")


def _as(account: str, context: Context, clients: Callable[[str], Client] | None) -> Context:
    """What a controller is given that acts as a ServiceAccount."""
    return context if clients is None or not account else replace(context, client=clients(account))
