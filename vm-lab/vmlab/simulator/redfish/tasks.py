"""TaskService: each look at a task finds it a quarter further, so nobody has to wait for a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vmlab.simulator.machine import Machine
from vmlab.simulator.redfish.answer import Answer, collection, not_found
from vmlab.simulator.redfish.asked import Asked
from vmlab.simulator.redfish.documents import dumps

PATH = "/redfish/v1/TaskService/Tasks"
_MONITOR = "/Monitor"


@dataclass(slots=True)
class Task:
    """`finish` is done when it has come to 100 percent."""

    id: str
    name: str
    finish: Callable[[], None]
    percent: int = 0

    def advance(self) -> None:
        if self.percent < 100:
            self.percent += 25
            if self.percent == 100:
                self.finish()

    def document(self) -> dict[str, Any]:
        done = self.percent == 100
        path = f"{PATH}/{self.id}"
        told = {"@odata.id": path, "@odata.type": "#Task.v1_7_4.Task", "Id": self.id, "Name": self.name}
        state = {
            "TaskState": "Completed" if done else "Running",
            "TaskStatus": "OK",
            "PercentComplete": self.percent,
        }
        return {**told, **state, "TaskMonitor": path + _MONITOR, "Messages": []}


def start(machine: Machine, name: str, finish: Callable[[], None]) -> Answer:
    task = Task(str(len(machine.tasks) + 1), name, finish)
    machine.tasks[task.id] = task
    return Answer(202, dumps(task.document()), {"Location": f"{PATH}/{task.id}{_MONITOR}"})


def get(asked: Asked) -> Answer:
    if asked.path == PATH:
        return Answer(200, dumps(collection(PATH, "Task", list(asked.machine.tasks))))
    watched = asked.path.endswith(_MONITOR)
    task = asked.machine.tasks.get(asked.path.removeprefix(f"{PATH}/").removesuffix(_MONITOR))
    if task is None:
        return not_found(asked.path)
    task.advance()
    # DSP0266 section 12.2: the monitor says 202 until it is done.
    return Answer(202 if watched and task.percent < 100 else 200, dumps(task.document()))
