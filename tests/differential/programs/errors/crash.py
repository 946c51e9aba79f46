import ray
import os
import signal


@ray.remote(max_retries=0)
def crash():
    os.kill(os.getpid(), signal.SIGSEGV)


@ray.remote(max_retries=0)
def leave():
    os._exit(5)


@ray.remote
def use(x):
    return x


show("signal", lambda: ray.get(crash.remote()))
show("exit", lambda: ray.get(leave.remote()))
show("argument", lambda: ray.get(use.remote(leave.remote())))


@ray.remote
def catch(refs):
    try:
        ray.get(refs[0])
    except ray.exceptions.WorkerCrashedError:
        return "caught"


print(ray.get(catch.remote([leave.remote()])))
