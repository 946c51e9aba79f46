import ray
import pandas as pd

frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", None], "c": pd.date_range("2024-01-01", periods=3)})
back = ray.get(ray.put(frame))
print(back.equals(frame), list(back.dtypes.astype(str)))


@ray.remote
def total(frame):
    return frame["a"].sum(), len(frame)


print(ray.get(total.remote(frame)))
print(ray.get(ray.put(frame["a"])).tolist(), ray.get(ray.put(frame.groupby("a").size())).to_dict())


@ray.remote
def change(frame):
    frame["new"] = 1
    return list(frame.columns)


show("change", lambda: ray.get(change.remote(frame)))
