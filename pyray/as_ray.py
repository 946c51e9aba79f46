"""`install_as_ray()`: programs that say `import ray` run on pyray, in this process and its workers.

`ray` is a module of its own, since its `__version__` is the one of the Ray whose programs run here;
all else it looks up in `pyray`. `ray.x.y` is the very module `pyray.x.y`, so that a class is the
same one under both names, and pickles made under either can be loaded.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
import types
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from typing import TYPE_CHECKING, Any

from pyray.absent import ABSENT

if TYPE_CHECKING:
    from importlib.abc import Loader, MetaPathFinder
else:  # what they add is not used, and takes a tenth of the time of `import pyray`
    Loader = MetaPathFinder = object

RAY_VERSION = "2.60.0"
"""The version of Ray whose names and behaviour pyray follows."""


def _reason(name: str) -> str:
    inner = name.partition(".")[2]
    hint = ABSENT.get(inner) or ABSENT.get(inner.partition(".")[0])
    hint = f": {hint}" if hint else ""
    return f"No module named {name!r}: pyray stands in for Ray here and has no {name}{hint}."


class _Twin(Loader):
    """Gives a module of pyray a second name."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> types.ModuleType:
        """Return the module that there is; the import system is about to change its `__spec__`."""
        del spec
        module = importlib.import_module(self.name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: types.ModuleType) -> None:
        """Its code has run already: give it back what it is."""
        module.__spec__ = self.spec


class _Finder(MetaPathFinder):
    """Finds `ray.x.y` where `pyray.x.y` is."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: types.ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return how to load it; whoever imports what is not there is told why."""
        del path, target
        if not fullname.startswith("ray."):
            return None
        own = f"py{fullname}"
        found = importlib.util.find_spec(own)
        if found is not None:
            is_package = found.submodule_search_locations is not None
            return ModuleSpec(fullname, _Twin(own), is_package=is_package)
        # `importlib.util.find_spec` only asks whether there is such a module: the answer is None.
        if sys._getframe(2).f_code.co_name == "_find_and_load_unlocked":  # noqa: SLF001
            raise ModuleNotFoundError(_reason(fullname))  # with a name, `from ray import` drops it
        return None


class _RayModule(types.ModuleType):
    """`ray`: what it does not have itself it takes from `pyray`."""

    def __getattr__(self, name: str) -> Any:
        """Return the name of `pyray`, or a module of it."""
        if name in ABSENT:
            raise AttributeError(_reason(f"ray.{name}"))
        return getattr(sys.modules["pyray"], name)

    def __dir__(self) -> list[str]:
        """List both."""
        return sorted({*super().__dir__(), *dir(sys.modules["pyray"])})


_finder = _Finder()


def is_installed() -> bool:
    """Return whether `import ray` gives pyray in this process."""
    return _finder in sys.meta_path


def install_as_ray() -> None:
    """Have `import ray` and `import ray.util...` give pyray, here and in the workers started later.

    Call it before anything imports Ray. `python -m pyray run program.py` does so for a program that
    cannot be changed. `ray.__version__` is then "2.60.0", for programs that look at it.

    Raises:
        RuntimeError: If Ray itself has been imported already.

    Example:
        >>> import pyray
        >>> pyray.install_as_ray()
        >>> import ray
        >>> ray.get is pyray.get
        True
    """
    if is_installed():
        return
    if "ray" in sys.modules:
        where = getattr(sys.modules["ray"], "__file__", None) or "an unknown place"
        raise RuntimeError(
            f"install_as_ray: Ray itself has been imported already (from {where}). Call "
            "install_as_ray() first, or run the program with `python -m pyray run`."
        )
    pyray = importlib.import_module("pyray")
    module = _RayModule("ray", pyray.__doc__)
    module.__dict__.update(
        __version__=RAY_VERSION, __all__=list(pyray.__all__), __path__=[], __file__=pyray.__file__
    )
    module.__spec__ = ModuleSpec("ray", None, is_package=True)
    sys.meta_path.insert(0, _finder)
    sys.modules["ray"] = module
