"""What a worker is made to do besides its work, and a process that forks workers."""

from __future__ import annotations

# In the worker: note each step as it begins, in a file beside the run's folder.
NOTES = """
import os
from sfp_viz.runs.work.heartbeat import Heartbeat
step = Heartbeat.step
def noted(self):
    asked = step(self)
    file = os.open(str(self._folder) + ".steps", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, f"{self._said['done']} {self._step}\\n".encode())
    os.close(file)
    return asked
Heartbeat.step = noted
"""

# A process that has everything imported, and forks a worker for each folder that it is told of.
WARM = """
import os, signal, sys
import lightning_fabric, sklearn.datasets, torch
from sfp_viz.nets import checkpoint, data, distill, measure, saved
from sfp_viz.runs import worker
from sfp_viz.runs.work import finetune as work_finetune
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    number = os.fork()
    if number == 0:
        os.setsid()
        os._exit(worker.main([line.strip()]))
    print(number, flush=True)
"""
