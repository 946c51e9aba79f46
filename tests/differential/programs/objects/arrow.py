import ray
import pyarrow as pa

table = pa.table({"a": [1, 2, None], "b": ["x", None, "z"], "c": [[1], [], None]})
back = ray.get(ray.put(table))
print(back.equals(table), back.schema.names, back.num_rows)


@ray.remote
def column(table, name):
    return table.column(name)


print(ray.get(column.remote(table, "a")).to_pylist(), ray.get(column.remote(table, "b")).null_count)
print(ray.get(ray.put(table.slice(1, 1))).to_pylist(), ray.get(ray.put(pa.array([1, 2]))).to_pylist())
