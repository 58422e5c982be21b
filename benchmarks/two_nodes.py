"""A Ray cluster of two nodes with one processor each, on this machine, in a process of its own.

with TwoNodes() as nodes:      # nodes.address goes to RAY_ADDRESS
    nodes.remove()             # one of them is gone, without a goodbye
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[1]
STORE_BYTES = 200_000_000  # of a node, for what workers send each other
LOCAL = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}  # no reports; 127.0.0.1 only


def missing(python: str = sys.executable) -> str:
    """Why an interpreter has no Ray; "" when it has."""
    done = subprocess.run([python, "-c", "import ray.data"], capture_output=True, text=True, check=False)
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


class TwoNodes:
    """The cluster, as long as the block lasts.

    Args:
        python: an interpreter that has Ray.
        environ: variables of the nodes, and so of their workers.

    Attributes:
        address: of the cluster.
        pid: of the process whose children the nodes are.
    """

    def __init__(self, python: str = sys.executable, environ: dict[str, str] | None = None) -> None:
        self.python, self.environ = python, {**os.environ, **(environ or {}), **LOCAL, "PYTHONPATH": str(ROOT)}

    def __enter__(self) -> TwoNodes:
        self._process = subprocess.Popen(
            [self.python, "-m", "benchmarks.two_nodes"], env=self.environ, cwd=ROOT, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.pid = self._process.pid
        self.address = self._line("address ")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def remove(self) -> None:
        """Ends the second node as a failing machine does."""
        assert self._process.stdin
        self._process.stdin.write("remove\n")
        self._process.stdin.flush()
        self._line("removed")

    def _line(self, start: str) -> str:
        assert self._process.stdout
        for line in self._process.stdout:
            if line.startswith(start):
                return line.removeprefix(start).strip()
        raise RuntimeError("The cluster has not started.")


def main() -> None:
    """Keeps the cluster until stdin ends."""
    from ray.cluster_utils import Cluster

    given = {"num_cpus": 1, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**given, "include_dashboard": False})
    node = cluster.add_node(**given)
    cluster.wait_for_nodes()
    print(f"address {cluster.address}", flush=True)
    for _ in sys.stdin:
        cluster.remove_node(node, allow_graceful=False)
        print("removed", flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
