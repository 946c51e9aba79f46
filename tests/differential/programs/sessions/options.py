# session: own
import ray

for label, options in {
    "cpus": {"num_cpus": -1},
    "cpus text": {"num_cpus": "2"},
    "gpus": {"num_gpus": -1},
    "resources": {"resources": {"CPU": 1}},
    "resources text": {"resources": "x"},
    "namespace": {"namespace": 3},
    "unknown": {"no_such_option": 1},
    "runtime_env": {"runtime_env": 3},
}.items():
    def begin():
        try:
            ray.init(log_to_driver=False, include_dashboard=False, logging_level="ERROR", **options)
            return "accepted"
        finally:
            ray.shutdown()

    show(label, begin)
