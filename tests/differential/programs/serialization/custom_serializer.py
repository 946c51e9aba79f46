import threading

import ray


class Connection:
    def __init__(self, address):
        self.address = address
        self.lock = threading.Lock()


show("before", lambda: ray.put(Connection("a")))
ray.util.register_serializer(Connection, serializer=lambda c: c.address, deserializer=Connection)


@ray.remote
def address(connection):
    return type(connection).__name__, connection.address


print(ray.get(address.remote(Connection("b"))), ray.get(ray.put(Connection("c"))).address)
print([c.address for c in ray.get(ray.put([Connection("d"), Connection("e")]))])
ray.util.deregister_serializer(Connection)
show("after", lambda: ray.put(Connection("f")))
