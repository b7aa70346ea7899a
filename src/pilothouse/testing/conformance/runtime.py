"""Conformance tests of a container runtime: inherit `RuntimeConformance`, and say how one is opened.

    class TestMine(RuntimeConformance):
        def open(self): ...                      # a Runtime
        def program(self, kind): ...             # image, command: runs "forever", or "exits 3"; "stubborn" ignores the stop signal
        async def advance(self, seconds): ...  # virtual time moves, real time is waited for

Every test makes its own sandboxes and removes them again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from pilothouse.kubelet.runtime.containers import ContainerConfig, ContainerState
from pilothouse.kubelet.runtime.port import EventType, NotFound, Runtime, RuntimeEvent, RuntimeFailure
from pilothouse.kubelet.runtime.sandboxes import SandboxConfig, SandboxState

LABELS = {"io.kubernetes.pod.uid": "conformance"}


class RuntimeConformance:
    """Tests of the promises of every container runtime; implement `open`, `program` and `advance`."""

    log_directory = "/var/log/pods/conformance"

    def open(self) -> Runtime:
        """The runtime under test; to be overridden."""
        raise NotImplementedError

    def program(self, kind: str) -> tuple[str, list[str]]:
        """Image and command that behave as `kind` says ("forever", "exits 3", "stubborn"); to be overridden."""
        raise NotImplementedError

    async def advance(self, seconds: float) -> None:
        """Let time pass, real or virtual; to be overridden."""
        raise NotImplementedError

    async def after(self, work: Any, seconds: float = 5.0) -> Any:
        """The result of a call that may need time to pass."""
        task = asyncio.ensure_future(work)
        await self.advance(0.0)
        for _ in range(50):
            if task.done():
                break
            await self.advance(seconds / 50)
        assert task.done(), "the call takes too long"
        return task.result()

    @pytest.fixture
    async def runtime(self) -> AsyncIterator[Runtime]:
        """Fixture: an open runtime whose sandboxes are removed afterwards."""
        runtime = self.open()
        yield runtime
        for sandbox in await runtime.list_pod_sandboxes(labels=LABELS):
            await self.after(runtime.stop_pod_sandbox(sandbox.id), 30)
            await self.after(runtime.remove_pod_sandbox(sandbox.id), 30)
        await runtime.close()

    def sandbox_config(self, name: str = "conformance", attempt: int = 0) -> SandboxConfig:
        """The configuration of a sandbox."""
        return SandboxConfig(name, f"uid-{name}", "default", attempt, name, f"{self.log_directory}/{name}", labels=LABELS)

    async def sandbox(self, runtime: Runtime, name: str = "conformance") -> str:
        """Run a sandbox and return its id."""
        made: str = await self.after(runtime.run_pod_sandbox(self.sandbox_config(name)), 30)
        return made

    async def container(
        self, runtime: Runtime, sandbox_id: str, kind: str, name: str = "app", attempt: int = 0, *, start: bool = True
    ) -> str:
        """Pull the image where needed, create a container, start it unless told otherwise, and return its id."""
        image, command = self.program(kind)
        if await runtime.image_status(image) is None:
            await self.after(runtime.pull_image(image), 60)
        config = ContainerConfig(
            name, image, attempt, command=command, labels={**LABELS, "a": name}, annotations={"b": "c"}, log_path=f"{name}-{attempt}.log"
        )
        made: str = await self.after(runtime.create_container(sandbox_id, config, self.sandbox_config()), 30)
        if start:
            await self.after(runtime.start_container(made), 30)
        return made

    async def state_of(self, runtime: Runtime, container: str) -> ContainerState:
        """The state of a container."""
        return (await runtime.container_status(container)).container.state

    async def until_exited(self, runtime: Runtime, container: str) -> None:
        """Wait until the container has exited; fails after a limited time."""
        for _ in range(100):
            if await self.state_of(runtime, container) is ContainerState.EXITED:
                return
            await self.advance(0.1)
        raise AssertionError("the container does not exit")

    # Sandboxes

    async def test_a_sandbox_is_ready_and_has_an_address(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        status = await runtime.pod_sandbox_status(sandbox_id)
        assert status.sandbox.state is SandboxState.READY
        assert len(status.ips) >= 1
        assert (status.sandbox.name, status.sandbox.namespace, status.sandbox.uid) == ("conformance", "default", "uid-conformance")
        assert status.sandbox.labels == LABELS
        assert [sandbox.id for sandbox in await runtime.list_pod_sandboxes(sandbox_id)] == [sandbox_id]

    async def test_sandboxes_have_addresses_of_their_own(self, runtime: Runtime) -> None:
        statuses = [await runtime.pod_sandbox_status(await self.sandbox(runtime, name)) for name in ("one", "two")]
        assert statuses[0].ips != statuses[1].ips

    async def test_a_stopped_sandbox_is_not_ready_and_its_containers_have_exited(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "forever")
        await self.after(runtime.stop_pod_sandbox(sandbox_id), 30)
        assert (await runtime.pod_sandbox_status(sandbox_id)).sandbox.state is SandboxState.NOTREADY
        assert await self.state_of(runtime, app) is ContainerState.EXITED

    async def test_a_removed_sandbox_takes_its_containers_with_it(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "forever")
        await self.after(runtime.stop_pod_sandbox(sandbox_id), 30)
        await self.after(runtime.remove_pod_sandbox(sandbox_id), 30)
        assert await runtime.list_pod_sandboxes(sandbox_id) == []
        with pytest.raises(NotFound):
            await runtime.container_status(app)

    async def test_stopping_and_removing_what_is_gone_succeeds(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "forever")
        for _ in range(2):
            await self.after(runtime.stop_container(app, 1.0), 30)
        for _ in range(2):
            await self.after(runtime.remove_container(app), 30)
        await self.after(runtime.stop_container(app, 1.0), 30)
        for _ in range(2):
            await self.after(runtime.stop_pod_sandbox(sandbox_id), 30)
        for _ in range(2):
            await self.after(runtime.remove_pod_sandbox(sandbox_id), 30)

    async def test_what_does_not_exist_is_not_found(self, runtime: Runtime) -> None:
        with pytest.raises(NotFound):
            await runtime.container_status("no-such-container")
        with pytest.raises(NotFound):
            await runtime.pod_sandbox_status("no-such-sandbox")

    # Containers

    async def test_a_container_is_created_and_then_runs(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "forever", attempt=3, start=False)
        status = await runtime.container_status(app)
        assert status.container.state is ContainerState.CREATED
        assert (status.container.name, status.container.attempt) == ("app", 3)
        assert status.container.labels["a"] == "app"
        assert status.container.annotations["b"] == "c"
        await self.after(runtime.start_container(app), 30)
        status = await runtime.container_status(app)
        assert status.container.state is ContainerState.RUNNING
        assert status.started_at >= status.container.created_at > 0
        assert status.finished_at == 0.0
        assert [container.id for container in await runtime.list_containers(sandbox_id)] == [app]

    async def test_an_exit_is_reported_with_its_code(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "exits 3")
        await self.until_exited(runtime, app)
        status = await runtime.container_status(app)
        assert (status.exit_code, status.reason) == (3, "Error")
        assert status.finished_at >= status.started_at > 0

    async def test_success_is_called_completed(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "exits 0")
        await self.until_exited(runtime, app)
        status = await runtime.container_status(app)
        assert (status.exit_code, status.reason) == (0, "Completed")

    async def test_stop_returns_when_the_container_has_exited(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "forever")
        await self.after(runtime.stop_container(app, 10.0), 30)
        assert await self.state_of(runtime, app) is ContainerState.EXITED

    async def test_what_ignores_the_stop_signal_is_killed(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "stubborn")
        await self.after(runtime.stop_container(app, 1.0), 30)
        assert (await runtime.container_status(app)).exit_code == 137

    async def test_attempts_of_one_container_are_distinguished(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        first = await self.container(runtime, sandbox_id, "exits 0", attempt=0)
        await self.until_exited(runtime, first)
        second = await self.container(runtime, sandbox_id, "forever", attempt=1)
        attempts = {container.id: container.attempt for container in await runtime.list_containers(sandbox_id)}
        assert attempts == {first: 0, second: 1}

    async def test_a_command_runs_in_a_container(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        app = await self.container(runtime, sandbox_id, "forever")
        result = await self.after(runtime.exec_sync(app, ["true"], 10.0))
        assert result.exit_code == 0

    async def test_nothing_is_created_in_a_dead_sandbox(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        await self.container(runtime, sandbox_id, "forever")  # brings the image
        await self.after(runtime.stop_pod_sandbox(sandbox_id), 30)
        with pytest.raises(RuntimeFailure):
            await self.container(runtime, sandbox_id, "forever", name="late")

    # Images

    async def test_an_image_that_is_not_there_is_none(self, runtime: Runtime) -> None:
        assert await runtime.image_status("pilothouse.local/no-such-image:1") is None

    async def test_images_are_found_by_name_and_by_id(self, runtime: Runtime) -> None:
        sandbox_id = await self.sandbox(runtime)
        await self.container(runtime, sandbox_id, "forever")
        image, _ = self.program("forever")
        by_name = await runtime.image_status(image)
        assert by_name is not None
        by_id = await runtime.image_status(by_name.id)
        assert by_id is not None
        assert by_id.id == by_name.id
        assert by_name.id in {image.id for image in await runtime.list_images()}

    # Events

    async def test_an_unexpected_exit_is_reported(self, runtime: Runtime) -> None:
        heard: list[RuntimeEvent] = []

        async def listen() -> None:
            async with aclosing(runtime.events()) as events:  # type: ignore[type-var]
                async for event in events:
                    heard.append(event)  # noqa: PERF401 - one at a time: the reader looks at it meanwhile

        listener = asyncio.create_task(listen())
        await self.advance(0.5)
        try:
            sandbox_id = await self.sandbox(runtime)
            app = await self.container(runtime, sandbox_id, "exits 3")
            for _ in range(100):
                if any(event.type is EventType.CONTAINER_STOPPED and event.container_id == app for event in heard):
                    break
                await self.advance(0.1)
            else:
                raise AssertionError(f"the exit was not told: {heard}")
        finally:
            listener.cancel()
            await asyncio.gather(listener, return_exceptions=True)
