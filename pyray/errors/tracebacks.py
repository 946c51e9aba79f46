"""The text of a remote traceback: as Python prints it, without the frames of pyray itself."""

import traceback

_PACKAGE_DIR = __file__.removesuffix("errors/tracebacks.py")
# Frames of compiled code carry the path that was given to Cython, relative to the repository.
_COMPILED_PREFIXES = ("csrc/bindings/", "pyray/")
_COMPILED_SUFFIXES = (".pyx", ".pxi", ".pxd")

_HEADING = "Traceback (most recent call last):"
_CHAIN_SENTENCES = frozenset(
    {
        "The above exception was the direct cause of the following exception:",
        "During handling of the above exception, another exception occurred:",
    }
)


def format_traceback(error: BaseException) -> str:
    """Return the traceback of an exception and of what it was raised from, as Python prints it.

    Frames of pyray's own files are left out, so that users see their program only.

    Args:
        error: An exception that was raised and caught in this process.

    Example:
        >>> print(format_traceback(ValueError("no")), end="")
        ValueError: no
    """
    # lookup_lines=False: no file is read for the frames that are dropped below.
    report = traceback.TracebackException(
        type(error), error, error.__traceback__, lookup_lines=False, compact=True
    )
    _drop_own_frames(report)
    return "".join(report.format())


def with_header(text: str, header: str) -> str:
    r"""Put a header in the place of each ``Traceback (most recent call last):`` line.

    Only headings that Python wrote are replaced: the first line and the ones after a sentence that
    joins two exceptions of a chain. A heading inside a user's message stays.

    Args:
        text: A formatted traceback.
        header: What to write instead, such as ``ray::f() (pid=7, ip=127.0.0.1)``.

    Example:
        >>> with_header("Traceback (most recent call last):\nKeyError: 1\n", "ray::f() (pid=7)")
        'ray::f() (pid=7)\nKeyError: 1'
    """
    lines = text.rstrip("\n").split("\n")
    replaced = [
        header if line == _HEADING and _starts_exception(lines, index) else line
        for index, line in enumerate(lines)
    ]
    return "\n".join(replaced if replaced[0] == header else [header, *replaced])


def _starts_exception(lines: list[str], index: int) -> bool:
    return index == 0 or (index >= 2 and lines[index - 2] in _CHAIN_SENTENCES)


def _drop_own_frames(report: traceback.TracebackException) -> None:
    pending = [report]
    while pending:
        part = pending.pop()
        if part.stack:
            part.stack[:] = [frame for frame in part.stack if not _is_own(frame.filename)]
        linked = (part.__cause__, part.__context__, *(part.exceptions or ()))
        pending.extend(child for child in linked if child is not None)


def _is_own(filename: str) -> bool:
    if filename.endswith(_COMPILED_SUFFIXES):
        return filename.startswith((*_COMPILED_PREFIXES, _PACKAGE_DIR))
    return filename.startswith(_PACKAGE_DIR)
