import ray

@ray.remote(max_task_retries=2)
class A:
    def __init__(self):
        self.tries = 0

    @ray.method(retry_exceptions=True)
    def flaky(self, fails):
        self.tries += 1
        if self.tries <= fails:
            raise ValueError(self.tries)
        return self.tries

    @ray.method(retry_exceptions=[KeyError], max_task_retries=5)
    def some(self, error, fails):
        self.tries += 1
        if self.tries <= fails:
            raise error(self.tries)
        return self.tries

    def plain(self):
        raise ValueError("plain")


show("twice", lambda: ray.get(A.remote().flaky.remote(2)))
show("three times", lambda: ray.get(A.remote().flaky.remote(3)))
show("listed", lambda: ray.get(A.remote().some.remote(KeyError, 5)))
show("not listed", lambda: ray.get(A.remote().some.remote(ValueError, 1)))
show("plain", lambda: ray.get(A.remote().plain.remote()))
