import ray

@ray.remote
class Shop:
    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return f"Shop({self.name})"

    def sell(self):
        raise LookupError("sold out")


shop = Shop.remote("books")
try:
    ray.get(shop.sell.remote())
except LookupError as error:
    print(str(error))
