"""The whole product as `./run` starts it, in a process tree of its own, with an app of a user's beside it."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

ROOT = Path(__file__).resolve().parent.parent.parent
SCOPES = [f"executions:{verb}" for verb in ("read", "start")]
SCOPES += ["promises:read", "promises:write", "approvals:read", "approvals:decide"]

OURS = ("COUNTERSIGN_", "DJANGO_", "CELERY_", "PYTEST")

# A user's app: a model, its migration, and a workflow with effects that can be counted.
SHOP = {
    "__init__.py": "",
    "models.py": """
        from django.db import models

        class Effect(models.Model):
            execution = models.TextField()
            step = models.TextField()
        """,
    "migrations/__init__.py": "",
    "migrations/0001_initial.py": """
        from django.db import migrations, models

        class Migration(migrations.Migration):
            initial = True
            operations = [migrations.CreateModel("Effect", [
                ("id", models.BigAutoField(primary_key=True)),
                ("execution", models.TextField()), ("step", models.TextField())])]
        """,
    "workflows.py": """
        import os
        import time
        from pathlib import Path
        from workflows import Context, workflow

        def effect(execution: str, step: str) -> str:
            from shop.models import Effect
            Effect.objects.create(execution=execution, step=step)
            return step

        def slow_effect(execution: str, step: str, folder: str) -> str:
            effect(execution, step)
            gate = Path(folder)
            (gate / "inside").touch()
            while not (gate / "go").exists():
                time.sleep(0.02)
            return step

        def stamp(seconds: float) -> list[float]:
            time.sleep(seconds)
            return [os.getpid(), time.time()]

        def effects(execution: str) -> list[str]:
            from shop.models import Effect
            rows = Effect.objects.filter(execution=execution).order_by("id")
            return list(rows.values_list("step", flat=True))

        @workflow(name="shop.stamps")
        async def stamps(ctx: Context, number: int, seconds: float) -> list[list[float]]:
            return [await ctx.run(stamp, seconds) for _ in range(number)]

        @workflow(name="shop.order")
        async def order(ctx: Context, folder: str) -> list[str]:
            run = ctx.info.id
            await ctx.options(atomic=True).run(effect, run, "first")
            await ctx.options(atomic=True).run(slow_effect, run, "second", folder)
            answer = await ctx.promise(tags={"shop": "answer"})
            await ctx.options(atomic=True).run(effect, run, answer)
            return await ctx.run(effects, run)
        """,
}


class Installation:
    """A running product; `kill` ends one of its processes as an accident would."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        for name, text in SHOP.items():
            path = folder / "apps" / "shop" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text))
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
            "PYTHONPATH": f"{folder / 'apps'}{os.pathsep}{ROOT}",
            "COUNTERSIGN_APPS": "shop",
            "COUNTERSIGN_VAR": str(folder / "var"),
            "COUNTERSIGN_LEASE_MS": "3000",
            "COUNTERSIGN_RETRY_INTERVAL_MS": "2000",
        }
        self.environment.pop("DATABASE_URL", None)
        self.environment.update(environment)
        self.log = (folder / "product.log").open("w")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready for work."""
        command = [sys.executable, "-m", "config.launcher", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=self.log, stderr=self.log, start_new_session=True
        )
        self.wait_until(self.is_ready, "the product to be ready", seconds=90)

    @contextmanager
    def program(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """One more program of the installation (`./run worker`), as on another machine."""
        command = [sys.executable, "-m", "config.launcher", *arguments]
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdout=self.log, stderr=self.log, start_new_session=True
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def stop(self) -> None:
        """Ctrl-C, and the proof that nothing is left."""
        assert self.process is not None
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)
        _, alive = psutil.wait_procs(family, timeout=10)
        for process in alive:
            process.kill()
        self.log.close()
        assert not alive, f"Ctrl-C left behind: {alive}"

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/ready/", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False

    def pids(self, word: str) -> list[int]:
        """The processes of the product whose command line has this word."""
        assert self.process is not None
        found = []
        for process in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if word in " ".join(process.cmdline()):
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    def kill(self, word: str) -> None:
        """kill -9 for every process of the product whose command line has this word."""
        pids = self.pids(word)
        assert pids, f"no process with {word!r}: {self.text()[-2000:]}"
        for pid in pids:
            os.kill(pid, signal.SIGKILL)

    def kill_database(self) -> None:
        """kill -9 for all of PostgreSQL."""
        for process in psutil.process_iter(["name", "cwd"]):
            cwd = process.info["cwd"] or ""
            if process.info["name"].startswith("postgres") and cwd.startswith(str(self.folder)):
                process.kill()

    def manage(self, *arguments: str) -> str:
        """A Django command on this installation; its standard output."""
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        environment = {**self.environment, "COUNTERSIGN_DEMO": "1"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def client(self, person: str) -> httpx.Client:
        """The REST API as this person, with every scope."""
        token = self.manage("token", "create", person, *(word for scope in SCOPES for word in ("--scope", scope)))
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token}"}, timeout=70)

    def wait_until(self, condition: Callable[[], Any], what: str, seconds: float = 40) -> Any:
        """Ask until the answer is true; fails with the product's log."""
        give_up_at = time.monotonic() + seconds
        while time.monotonic() < give_up_at:
            if answer := condition():
                return answer
            time.sleep(0.05)
        raise AssertionError(f"waited {seconds} s for {what}; the log ends:\n{self.text()[-4000:]}")

    def text(self) -> str:
        """What the product has printed."""
        return (self.folder / "product.log").read_text()


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
