"""`torch.distributed` with gloo: two processes that reduce tensors over the loopback interface."""

import os
import tempfile
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from systems.adapter import Adapter


def serve(rank: int, size: int, path: str, commands: Connection) -> None:
    """Be one member: do what is asked for, then answer."""
    import torch
    import torch.distributed

    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{path}", rank=rank, world_size=size
    )
    tensor = torch.ones(1)
    commands.send(None)
    while (request := commands.recv()) is not None:
        what, count = request
        if what == "set":
            tensor = torch.ones(count)
        else:
            for _ in range(count):
                torch.distributed.all_reduce(tensor)
        commands.send([float(tensor[0]), float(tensor[-1])])
    torch.distributed.destroy_process_group()


class Gloo(Adapter):
    """Offers `allreduce` only."""

    def start(self) -> None:
        import torch.multiprocessing

        context = torch.multiprocessing.get_context("spawn")
        self.folder = tempfile.TemporaryDirectory()
        path = str(Path(self.folder.name) / "meeting")
        self.members = []
        for rank in range(self.workers):
            ours, theirs = context.Pipe()
            member = context.Process(target=serve, args=(rank, self.workers, path, theirs))
            member.start()
            self.members.append((member, ours))
        for _, commands in self.members:
            commands.recv()

    def stop(self) -> None:
        for _, commands in self.members:
            commands.send(None)
        for member, _ in self.members:
            member.join()
        self.folder.cleanup()

    def version(self) -> str:
        import torch

        return f"torch {torch.__version__}"

    def ask(self, what: str, count: int) -> list[Any]:
        """Have all members do something; return all answers."""
        for _, commands in self.members:
            commands.send((what, count))
        return [end for _, commands in self.members for end in commands.recv()]

    def set_tensors(self, elements: int) -> None:
        self.ask("set", elements)

    def allreduce(self, count: int) -> list[float]:
        return self.ask("reduce", count)
