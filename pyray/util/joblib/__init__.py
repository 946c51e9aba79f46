"""joblib, and with it scikit-learn's `n_jobs`, on the workers of a session."""

__all__ = ["register_ray"]


def register_ray() -> None:
    """Make `"ray"` a backend of joblib: `with joblib.parallel_config("ray"): ...`.

    Raises:
        ImportError: If joblib is not installed.
    """
    from joblib.parallel import register_parallel_backend

    from pyray.util.joblib.backend import RayBackend

    register_parallel_backend("ray", RayBackend)
