import ray

def make(**options):
    @ray.remote
    class A:
        @ray.method(**options)
        def m(self):
            return 1, 2

    return A.remote().m.remote() and None


for options in ({"foo": 1}, {"num_returns": -1}, {"num_returns": 2}, {"max_task_retries": -2},
                {"retry_exceptions": 3}, {"concurrency_group": 3}, {"concurrency_group": "none"}):
    show(str(options), lambda: make(**options))
show("empty", lambda: ray.method() and None)
show("positional", lambda: ray.method(1))
