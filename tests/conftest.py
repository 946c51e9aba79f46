"""What every test run does; each subject has a file."""

pytest_plugins = (
    "tests.fix_folders",
    "tests.fix_hangs",
    "tests.fix_leaks",
    "tests.fix_order",
    "tests.fix_session",
)
