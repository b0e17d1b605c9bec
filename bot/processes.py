"""The processes of a running house: how each is started, and a group of them watched together.

A process is ready when it prints `ready: <name>`; nothing is guessed from time. One that ends takes the others
with it: failure is seen at once.
"""

import collections
import contextlib
import ctypes
import functools
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from bot.settings import PROJECT, Settings

DIALOGUE = PROJECT / "bot" / "dialogue"
DIALOGUE_PYTHON = DIALOGUE / ".venv" / "bin" / "python"
LAST_LINES = 20
STOP_SECONDS = 15  # a model process may be in the middle of a batch
BUSY_NICE = 10  # models and dialogue yield to the gateway: a webhook is acknowledged while they are busy
PR_SET_PDEATHSIG = 1  # linux/prctl.h


class ProcessError(Exception):
    """A process cannot start, or ended; the message names it and ends with its last lines."""


@dataclass(frozen=True)
class ProcessSpec:
    name: str
    command: tuple[str, ...]
    cwd: Path = PROJECT
    environ: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    port_setting: str = ""
    nice: int = 0


def house(settings: Settings) -> list[ProcessSpec]:
    """All processes of this installation, in the order in which they are shown."""
    # Small products on few cores: with threads of their own BLAS and OpenMP spend most of their time waiting for
    # one another (measured: 7.7 ms of CPU for what takes one thread 1.5 ms).
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(settings.torch_threads))
    specs = [
        _ours("nlu", "nlu_models.server", settings.nlu_port, "KEFU_NLU_PORT", threads, nice=BUSY_NICE),
        _ours("actions", "actions.wiring", settings.actions_port, "KEFU_ACTIONS_PORT", threads, nice=BUSY_NICE),
    ]
    specs += [_dialogue(settings, worker) for worker in range(settings.dialogue_workers)]
    specs += [_ours("turns", "bot.turns_worker"), _ours("courier", "bot.courier")]
    specs.append(_ours("gateway", "bot.gateway", settings.port, "KEFU_PORT"))
    return specs


def _ours(
    name: str,
    module: str,
    port: int | None = None,
    port_setting: str = "",
    environ: Mapping[str, str] = MappingProxyType({}),
    nice: int = 0,
) -> ProcessSpec:
    command = (sys.executable, "-u", "-m", module)
    return ProcessSpec(name, command, environ=environ, port=port, port_setting=port_setting, nice=nice)


def _dialogue(settings: Settings, worker: int) -> ProcessSpec:
    port = settings.dialogue_port + worker
    command: tuple[str, ...] = (
        str(DIALOGUE_PYTHON),
        "-u",
        "rasa_launch.py",
        "run",
        "--model",
        str(settings.models / "dialogue"),
    )
    command += ("--endpoints", "endpoints.yml", "--credentials", "credentials.yml", "-i", "127.0.0.1", "-p", str(port))
    return ProcessSpec(
        "dialogue" if settings.dialogue_workers == 1 else f"dialogue{worker}",
        command,
        DIALOGUE,
        {
            "KEFU_INTERNAL_TOKEN": settings.internal_token,
            "KEFU_TRACKER_URL": settings.tracker_url,
            "KEFU_ACTIONS_URL": settings.actions_url,
            "KEFU_NLU_URL": settings.nlu_url,
        },
        port,
        "KEFU_DIALOGUE_PORT",
        BUSY_NICE,
    )


class Group:
    """Started processes: their output prefixed, their readiness awaited, their end noticed.

    Args:
        say: gets one printed line at a time, without its end of line.
        environ: variables added to every process (a test's home and ports).
    """

    def __init__(self, say: Callable[[str], None], environ: Mapping[str, str] | None = None) -> None:
        self.say, self.environ = say, dict(environ or {})
        self.specs: dict[str, ProcessSpec] = {}
        self.running: dict[str, subprocess.Popen[str]] = {}
        self.last: dict[str, collections.deque[str]] = {}
        self._ready: dict[str, threading.Event] = {}
        self._ended: queue.Queue[str] = queue.Queue()
        self._stopping = False

    def start(self, specs: Iterable[ProcessSpec]) -> None:
        specs = list(specs)
        for spec in specs:
            if spec.port is not None:
                refuse_taken_port(spec)
        for spec in specs:
            self.specs[spec.name] = spec
            self._ready[spec.name] = threading.Event()
            self.last[spec.name] = collections.deque(maxlen=LAST_LINES)
            process = subprocess.Popen(
                spec.command,
                cwd=spec.cwd,
                env={**os.environ, **self.environ, **spec.environ, "PYTHONUNBUFFERED": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                # Ctrl-C reaches us alone, and we stop them in order. No session of its own: Linux shares the
                # processor out by session, and niceness counts only within one.
                process_group=0,
                preexec_fn=functools.partial(_settle, spec.nice),
            )
            self.running[spec.name] = process
            threading.Thread(target=self._follow, args=(spec.name, process), daemon=True).start()

    def wait_ready(self, timeout_seconds: float = 120) -> None:
        """Until all are ready.

        Raises:
            ProcessError: one ended, or is not ready in time.
        """
        until = time.monotonic() + timeout_seconds
        for name, event in self._ready.items():
            while not event.wait(0.05):
                self.check()
                if time.monotonic() > until:
                    raise ProcessError(
                        self._with_last_lines(name, f"{name} is not ready after {timeout_seconds:.0f} s")
                    )

    def ready(self, name: str) -> bool:
        """Has it said so since it was last started?"""
        return self._ready[name].is_set()

    def check(self) -> None:
        """Raise ProcessError when one has ended by itself."""
        with contextlib.suppress(queue.Empty):
            self._raise_ended(self._ended.get_nowait())

    def wait_for_an_end(self, timeout_seconds: float | None = None) -> None:
        """Sleep until a process ends by itself, then raise ProcessError."""
        with contextlib.suppress(queue.Empty):
            self._raise_ended(self._ended.get(timeout=timeout_seconds))

    def kill(self, name: str) -> None:
        """SIGKILL one process and forget it (fault tests); `start` it again by its spec."""
        process = self.running.pop(name)
        process.kill()
        process.wait()

    def restart(self, name: str) -> None:
        """Start a killed process again; `wait_ready` awaits it."""
        self.start([self.specs[name]])

    def stop(self) -> None:
        """TERM to all, in the order a message travels; KILL to what is left after STOP_SECONDS."""
        self._stopping = True
        for name in reversed(self.running):
            with contextlib.suppress(ProcessLookupError):
                self.running[name].send_signal(signal.SIGTERM)
        until = time.monotonic() + STOP_SECONDS
        for name, process in self.running.items():
            try:
                process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                self.say(f"{name}: still running {STOP_SECONDS} s after TERM, killed")
                process.kill()
                process.wait()
        self.running.clear()

    def resident_bytes(self) -> dict[str, int]:
        """Resident memory by process name (Linux)."""
        page = os.sysconf("SC_PAGE_SIZE")
        return {
            name: int(Path(f"/proc/{process.pid}/statm").read_text().split()[1]) * page
            for name, process in self.running.items()
        }

    def _follow(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None  # noqa: S101  (PIPE above)
        with process.stdout as output:
            for line in output:
                self._read(name, line.rstrip())
        process.wait()
        if not self._stopping and self.running.get(name) is process:
            self._ended.put(name)

    def _read(self, name: str, line: str) -> None:
        if line == f"ready: {name}" or (line == "ready: dialogue" and name.startswith("dialogue")):
            self._ready[name].set()
        elif line:
            self.last[name].append(line)
            self.say(f"{name:>9} | {line}")

    def _raise_ended(self, name: str) -> None:
        code = self.running[name].wait()
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        raise ProcessError(self._with_last_lines(name, f"{name} {how}"))

    def _with_last_lines(self, name: str, sentence: str) -> str:
        lines = "\n".join(f"    {line}" for line in self.last[name])
        return f"{sentence}; its last lines:\n{lines}" if lines else f"{sentence}; it printed nothing"


def refuse_taken_port(spec: ProcessSpec) -> None:
    """Raise ProcessError when somebody listens on the port already."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", spec.port or 0))
        except OSError:
            raise ProcessError(
                f"port {spec.port}, which {spec.name} needs, is taken by another program; "
                f"stop that program or choose another port with {spec.port_setting}"
            ) from None


def _settle(nice: int) -> None:
    """In the child: step back, and die with the supervisor, so that a killed one leaves no orphan (Linux)."""
    os.nice(nice)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
