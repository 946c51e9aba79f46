import os
import tempfile

import ray


@ray.remote(max_retries=2, retry_exceptions=True)
def attempt(folder):
    number = len(os.listdir(folder))
    open(os.path.join(folder, str(number)), "w").close()
    if number < 2:
        raise ValueError(number)
    return number


@ray.remote(max_retries=1, retry_exceptions=[KeyError])
def listed(folder, error):
    number = len(os.listdir(folder))
    open(os.path.join(folder, str(number)), "w").close()
    if number == 0:
        raise error
    return number


@ray.remote(max_retries=1)
def crashes(folder):
    number = len(os.listdir(folder))
    open(os.path.join(folder, str(number)), "w").close()
    if number == 0:
        os._exit(1)
    return number


for call in (
    lambda folder: attempt.remote(folder),
    lambda folder: attempt.options(max_retries=1).remote(folder),
    lambda folder: listed.remote(folder, KeyError("k")),
    lambda folder: listed.remote(folder, ValueError("v")),
    lambda folder: crashes.remote(folder),
    lambda folder: crashes.options(max_retries=0).remote(folder),
):
    with tempfile.TemporaryDirectory() as folder:
        show("ended", lambda: ray.get(call(folder), timeout=20))
        print(len(os.listdir(folder)))
