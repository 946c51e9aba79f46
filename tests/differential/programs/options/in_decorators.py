import ray

def make(**options):
    @ray.remote(**options)
    def f():
        return "f"

    return ray.get(f.remote())


for options in ({"num_cpus": 0.5}, {"num_cpus": 0}, {"num_cpus": 2}, {"max_calls": 1}, {"max_retries": -1},
                {"memory": 1000}, {"name": "n"}, {"num_returns": None}, {"resources": {}}, {"resources": None},
                {"scheduling_strategy": "SPREAD"}, {"scheduling_strategy": "DEFAULT"}, {"runtime_env": {}},
                {"retry_exceptions": True}, {"enable_task_events": False}, {"num_cpus": True}, {"num_cpus": 1.5},
                {"max_calls": -1}, {"num_cpus": None}, {"num_gpus": 0}, {"max_retries": None}, {"label_selector": {}}):
    show(str(options), lambda: make(**options))
