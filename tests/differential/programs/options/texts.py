import ray

@ray.remote
def f():
    return 1


for options in ({"foo": 1}, {"num_cpus": "1"}, {"num_cpus": -1}, {"num_cpus": 0.00001}, {"num_gpus": 1.5},
                {"resources": {"CPU": 1}}, {"resources": {"memory": 1}}, {"resources": 3}, {"max_calls": 1},
                {"max_retries": -2}, {"max_retries": "3"}, {"num_returns": -1}, {"num_returns": "x"},
                {"retry_exceptions": 3}, {"retry_exceptions": [3]}, {"name": 3}, {"memory": -1}, {"memory": "1"},
                {"scheduling_strategy": "x"}, {"scheduling_strategy": 3}, {"runtime_env": 3}, {"runtime_env": "x"},
                {"accelerator_type": 3}, {"placement_group": 3}, {"label_selector": 3}, {"max_restarts": 1},
                {"max_concurrency": 2}, {"lifetime": "detached"}, {"resources": {"a": -1}}, {"resources": {"a": 0.00001}},
                {"_metadata": 3}, {"enable_task_events": 3}, {"object_store_memory": 1}):
    try:
        f.options(**options)
        print(options, "accepted")
    except (TypeError, ValueError) as error:
        print(options, type(error).__name__, str(error).partition(" Valid ones")[0][:160])
