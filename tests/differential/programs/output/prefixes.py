# session: own
import subprocess
import sys

PROGRAM = """
import sys
import time

import ray

ray.init(num_cpus=2, include_dashboard=False, logging_level="ERROR")


@ray.remote
def speak(text):
    print(text)
    print("error of", text, file=sys.stderr)


@ray.remote
class Named:
    def __repr__(self):
        return "Named(x)"

    def speak(self):
        print("from a method")
        print("two\\nlines")


@ray.remote
class Plain:
    def speak(self):
        print("from another")


ray.get([speak.remote("first"), speak.options(name="renamed").remote("second")])
named, plain = Named.remote(), Plain.remote()
ray.get([named.speak.remote(), plain.speak.remote()])
if ray.__name__ == "ray":
    time.sleep(2)  # it polls
"""
done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
print(done.returncode)
for stream in (done.stdout, done.stderr):
    print("\n".join(sorted(line for line in stream.splitlines() if "pid=" in line)))
    print("--")
