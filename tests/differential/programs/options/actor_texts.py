import ray

@ray.remote
class A:
    pass


for options in ({"foo": 1}, {"num_cpus": -1}, {"max_restarts": -2}, {"max_restarts": "1"}, {"max_task_retries": -2},
                {"max_concurrency": -1}, {"max_concurrency": "2"}, {"lifetime": "for ever"}, {"namespace": 3},
                {"namespace": ""}, {"name": ""}, {"name": 3}, {"get_if_exists": 1}, {"max_pending_calls": -2},
                {"concurrency_groups": {"a": 1}}, {"max_retries": 1}, {"num_returns": 1}, {"max_calls": 1},
                {"retry_exceptions": True}, {"num_gpus": 1.5}, {"scheduling_strategy": "x"}):
    try:
        A.options(**options)
        print(options, "accepted")
    except (TypeError, ValueError) as error:
        print(options, type(error).__name__, str(error).partition(" Valid ones")[0][:160])
tell("remote", lambda: A.options(get_if_exists=True).remote())
