import ray

@ray.remote
class Account:
    def __init__(self):
        self.balance = 10

    def take(self, n):
        if n > self.balance:
            raise ValueError("too little")
        self.balance -= n
        return self.balance


account = Account.remote()
show("fine", lambda: ray.get(account.take.remote(3)))
show("too much", lambda: ray.get(account.take.remote(100)))
show("after", lambda: ray.get(account.take.remote(3)))
refs = [account.take.remote(n) for n in (1, 50, 1)]
for ref in refs:
    show("queued", lambda: ray.get(ref))
