import ray

@ray.remote
def f(x=None):
    return x

for options in (
    {"foo": 1}, {"num_cpus": "1"}, {"num_cpus": -1}, {"num_cpus": 0.00001},
    {"resources": {"CPU": 1}},
    {"max_calls": 1}, {"max_retries": -2}, {"num_returns": -1}, {"retry_exceptions": 3},
    {"retry_exceptions": [3]}, {"num_cpus": 0.5}, {"num_returns": 0}, {"name": "n"},
):
    show(str(options), lambda: f.options(**options) and None)
