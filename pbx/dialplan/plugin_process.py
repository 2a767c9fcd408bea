"""A plugin in a process of its own: what it breaks or blocks there can be killed.

Parent and child exchange pickled values over a pair of connected sockets, one question at a time. The child
ends when its parent does.
"""

import asyncio
import json
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

from pbx.dialplan.call import Call
from pbx.dialplan.handler import Handler
from pbx.dialplan.plugin_answers import Answer, Fault, Given, describe, finish

_MAX_BYTES = 1 << 20
_START_S = 20.0
_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from pbx.dialplan.plugin_process import main; main(int(sys.argv[2]))"
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How to make the handler of one step in another process.

    `make` is a function that a process can import; `arguments` are what it is called with, pickled apart,
    since their types may exist only once `load` was called.
    """

    load: Callable[..., Any]
    source: Any
    arguments: bytes


class Child:
    """One process with one handler; used by one thread only."""

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def start(self) -> Answer:
        """Have a process that is ready; nothing to do when it is."""
        if self._process is not None and self._process.poll() is None:
            return Given(None)
        self.kill()
        ours, theirs = Pipe()
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-c", _BOOT, json.dumps(sys.path), str(descriptor)],
                pass_fds=(descriptor,),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._connection = ours
        return self._exchange(pickle.dumps(self._recipe), _START_S)

    def ask(self, call: Call, seconds: float) -> Answer:
        """What the handler says about `call`; past `seconds` the process is killed."""
        started = self.start()
        if isinstance(started, Fault):
            return started
        return self._exchange(pickle.dumps(call), seconds)

    def stop(self, seconds: float) -> None:
        """Let the handler stop, then end the process."""
        if self._process is not None and self._process.poll() is None:
            self._exchange(pickle.dumps(None), seconds)
        self.kill()

    def kill(self) -> None:
        """End the process, whatever it does."""
        process, self._process = self._process, None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
        if process is not None:
            process.kill()
            process.wait()

    def _exchange(self, message: bytes, seconds: float) -> Answer:
        connection = self._connection
        assert connection is not None
        try:
            connection.send_bytes(message)
            if not connection.poll(max(0.0, seconds)):
                self.kill()
                return Fault("timeout", f"its process gave no answer within {seconds:.3g} s and was killed")
            answer = pickle.loads(connection.recv_bytes(_MAX_BYTES))  # noqa: S301  # our own child wrote it
        except (OSError, EOFError):
            self.kill()
            return Fault("process", "its process ended")
        except Exception as error:  # noqa: BLE001  # unpickling may raise anything
            self.kill()
            return Fault("decision", f"its answer cannot be read: {describe(error)}")
        if isinstance(answer, Fault):
            return answer
        return answer if isinstance(answer, Given) else Fault("process", "its process gave no answer")


# -- in the child --------------------------------------------------------------------------------------------


def main(descriptor: int) -> None:
    """The child: make the handler, then answer questions until the parent is gone."""
    connection = Connection(descriptor)
    questions: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, questions), daemon=True).start()
    with asyncio.Runner() as runner:
        handler: Handler | None = None
        try:
            recipe: Recipe = pickle.loads(questions.get())  # noqa: S301  # our parent wrote it
            handler = recipe.load(recipe.source, recipe.arguments)
            runner.run(handler.start())
            connection.send_bytes(pickle.dumps(Given(None)))
        except BaseException as error:  # noqa: BLE001  # whatever a plugin raises is told to the parent
            connection.send_bytes(pickle.dumps(Fault("start", describe(error))))
            return
        while True:
            call = pickle.loads(questions.get())  # noqa: S301  # our parent wrote it
            if call is None:
                break
            connection.send_bytes(_encoded(runner.run(finish(handler, call))))
        try:
            runner.run(handler.stop())
        finally:
            connection.send_bytes(pickle.dumps(Given(None)))


def _listen(connection: Connection, questions: "SimpleQueue[bytes]") -> None:
    """Read questions while the handler works, and end with the parent."""
    try:
        while True:
            questions.put(connection.recv_bytes())
    except (OSError, EOFError):
        os._exit(0)


def _encoded(answer: Answer) -> bytes:
    try:
        return pickle.dumps(answer)
    except Exception as error:  # noqa: BLE001  # pickling may raise anything
        return pickle.dumps(
            Fault("decision", f"its decision cannot leave its process: {describe(error)}; Defer never can")
        )
